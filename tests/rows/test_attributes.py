"""Attributes go out as the API takes them, or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.errors import InvalidInput
from appcues_async.rows.attributes import check_json, flat_attributes, free_attributes
from appcues_async.rows.ids import NEW_ID
from appcues_async.rows.lines import encode_lines
from appcues_async.rows.values import (
    Unreadable,
    check_event_name,
    iso_time,
)
from appcues_async.text import type_in_words
from tests.rows.samples import Color, Float, Level, Missing, RunSpec, Text, refusal_of


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("pro", "pro"),
        ("", ""),
        ("line\nbreak", "line\nbreak"),
        ("é\u2028\x00", "é\u2028\x00"),
        (True, True),
        (False, False),
        (None, None),
        (0, 0),
        (-7, -7),
        (2**53, 2**53),
        (2**70, 2**70),
        (1.5, 1.5),
        (-0.0, -0.0),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        (date(2026, 7, 14), "2026-07-14"),
        (datetime(2026, 7, 14, tzinfo=UTC), "2026-07-14T00:00:00+00:00"),
        (Text("é"), "é"),
        (RunSpec.PRO, "pro"),
        (Level.HIGH, 3),
        (Float(1.5), 1.5),
    ],
)
def test_an_attribute_goes_out_as_the_plain_value_that_it_is(value: Any, sent: Any) -> None:
    taken = flat_attributes({"x": value})["x"]
    assert (taken, type(taken)) == (sent, type(sent))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Float("nan")])
def test_a_float_that_json_cannot_hold_is_refused(value: float) -> None:
    message = refusal_of(flat_attributes, {"score": value}, "row 4")
    assert message == (
        f"row 4.score is {value!r}, which JSON cannot hold; leave it out or use None"
    )


@pytest.mark.parametrize(
    "value",
    [2**53 + 1, -(2**53) - 1, 2**1024, 10**5000],
    ids=["above", "below", "far", "huge"],
)
def test_an_integer_that_readers_would_change_is_refused(value: int) -> None:
    message = refusal_of(flat_attributes, {"n": value}, "row 4")
    assert ", an integer of " in message or "too large to show" in message
    assert message.endswith("give it as text")


@pytest.mark.parametrize("value", [[], ["a"], (1,), {}, {"a": 1}, {"a"}, frozenset("a")])
def test_a_nested_value_is_refused_since_appcues_drops_it_without_a_word(value: Any) -> None:
    message = refusal_of(flat_attributes, {"tags": value}, "row 4")
    assert message == (
        f"row 4.tags is a {type(value).__name__}; Appcues drops nested values without a word: "
        "give each part an attribute of its own"
    )


def test_a_nested_value_is_taken_by_who_insists() -> None:
    attributes = {"tags": ["a"], "at": datetime(2026, 7, 14)}
    assert flat_attributes(attributes, strict=False) == {
        "tags": ["a"],
        "at": "2026-07-14T00:00:00",
    }


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        (b"x", "decode it"),
        (bytearray(b"x"), "decode it"),
        (memoryview(b"x"), "decode it"),
        (timedelta(days=1), "total_seconds()"),
        (time(1), "isoformat()"),
        (1j, "two attributes"),
        (object(), "convert it, for example with str() or float()"),
        (np.array([1, 2]), "convert it"),
        (np.timedelta64(1, "D"), "total_seconds()"),
        (Unreadable("a time that Python cannot hold; give it as text"), "give it as text"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_how_to_convert_it(value: Any, fix: str) -> None:
    message = refusal_of(flat_attributes, {"x": value}, "row 4")
    assert message.startswith("row 4.x is ")
    assert fix in message


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Decimal("1.10"), b"1.10"),
        (Decimal("0.1000000000000000055"), b"0.1000000000000000055"),
        (Decimal(-7), b"-7"),
        (Decimal("1E+5"), b"1E+5"),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (Color.RED, b'"red"'),
        (Level.HIGH, b"3"),
        (np.bool_(True), b"true"),
        (np.int64(7), b"7"),
        (np.float32(1.5), b"1.5"),
        (np.str_("x"), b'"x"'),
        (np.datetime64("2026-07-14"), b'"2026-07-14"'),
    ],
)
def test_a_value_that_has_one_meaning_is_sent_as_that(value: Any, sent: bytes) -> None:
    assert encode_lines([flat_attributes({"x": value})]) == b'{"x":' + sent + b"}\n"
    assert encode_lines([free_attributes({"x": [value]})]) == b'{"x":[' + sent + b"]}\n"


@pytest.mark.parametrize(
    "value",
    [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1E+400"), Decimal(2**53 + 1)],
)
def test_a_decimal_that_no_reader_can_hold_is_refused(value: Decimal) -> None:
    assert "row 4.x is " in refusal_of(flat_attributes, {"x": value}, "row 4")


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (datetime(2026, 7, 14, 12), "2026-07-14T12:00:00+02:00"),
        (datetime(2026, 1, 14, 12), "2026-01-14T12:00:00+01:00"),
        (np.datetime64("2026-07-14T12:00"), "2026-07-14T12:00:00+02:00"),
        (datetime(2026, 7, 14, 12, tzinfo=UTC), "2026-07-14T12:00:00+00:00"),
    ],
)
def test_a_time_without_a_zone_is_taken_in_the_zone_that_is_given(value: Any, sent: str) -> None:
    assert flat_attributes({"at": value}, zone=BERLIN) == {"at": sent}
    assert free_attributes({"at": [value]}, zone=BERLIN) == {"at": [sent]}


@pytest.mark.parametrize("text", ["2026-07-14T12:00:00", "2026-07-14 12:00:00"])
def test_a_time_as_text_without_a_zone_is_written_anew_in_the_zone(text: str) -> None:
    assert iso_time(text, zone=BERLIN) == "2026-07-14T12:00:00+02:00"
    assert iso_time("2026-07-14T12:00:00Z", zone=BERLIN) == "2026-07-14T12:00:00Z"


@pytest.mark.parametrize("moment", [datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30)])
def test_a_time_that_clocks_show_twice_or_never_is_refused(moment: datetime) -> None:
    assert "show twice or never" in refusal_of(
        lambda: flat_attributes({"at": moment}, "row 4", zone=BERLIN)
    )


def test_a_naive_datetime_among_attributes_is_refused() -> None:
    message = refusal_of(flat_attributes, {"at": datetime(2026, 7, 14)}, "row 4")
    assert message.startswith("row 4.at is '2026-07-14T00:00:00', a time without a zone")


def test_a_missing_time_as_pandas_has_it_is_refused() -> None:
    message = refusal_of(flat_attributes, {"at": Missing(2026, 7, 14, tzinfo=UTC)}, "row 4")
    assert message.startswith("row 4.at is NaT; it must be an aware datetime")


def test_text_that_utf_8_cannot_hold_is_refused_by_name() -> None:
    message = refusal_of(flat_attributes, {"city": "Z\udcfcrich"}, "row 4")
    assert message.startswith("row 4.city is 'Z\\udcfcrich', which holds half a character")


@pytest.mark.parametrize("check", [flat_attributes, free_attributes])
@pytest.mark.parametrize("name", ["", 5, None, ("a", "b"), b"x", 1.5, True])
def test_a_name_that_is_empty_or_no_text_is_refused_of_attributes(
    check: Callable[..., object], name: Any
) -> None:
    message = refusal_of(check, {name: 1}, "row 4")
    assert message == (
        f"row 4 has the name {name!r}; names of attributes are text and not empty: "
        "rename it, or leave it out"
    )


@pytest.mark.parametrize("check", [flat_attributes, free_attributes])
def test_a_name_that_utf_8_cannot_hold_is_refused_of_attributes(
    check: Callable[..., object],
) -> None:
    assert "the name of an attribute of row 4" in refusal_of(check, {"\ud800": 1}, "row 4")


@pytest.mark.parametrize("check", [flat_attributes, free_attributes])
@pytest.mark.parametrize("attributes", [None, [], [("a", 1)], "a=1", 5])
def test_attributes_that_are_no_mapping_are_refused(
    check: Callable[..., object], attributes: Any
) -> None:
    message = refusal_of(check, attributes)
    assert message == (f"attributes is {type_in_words(attributes)}; it must be a mapping of names")


def test_attributes_may_be_any_mapping() -> None:
    assert flat_attributes(MappingProxyType({"a": 1})) == {"a": 1}


def test_the_callers_own_mapping_is_left_alone() -> None:
    attributes = {"at": datetime(2026, 7, 14, tzinfo=UTC)}
    flat_attributes(attributes)
    assert attributes == {"at": datetime(2026, 7, 14, tzinfo=UTC)}


# --- attributes of events, and any JSON ----------------------------------------------------------


def test_attributes_of_events_may_be_nested() -> None:
    nested = {"cart": [{"sku": "a", "n": 2}, ("b", None)], "at": date(2026, 7, 14)}
    assert free_attributes(nested) == {
        "cart": [{"sku": "a", "n": 2}, ["b", None]],
        "at": "2026-07-14",
    }


def test_a_refused_value_is_named_by_its_way_in() -> None:
    message = refusal_of(free_attributes, {"cart": [{"sku": "a"}, {"price": math.nan}]}, "row 4")
    assert message.startswith("row 4.cart[1].price is nan")


@pytest.mark.parametrize("value", [{"a"}, frozenset("a")])
def test_a_set_is_refused_since_json_has_none(value: Any) -> None:
    message = refusal_of(free_attributes, {"tags": value}, "row 4")
    assert message == f"row 4.tags is a {type(value).__name__}; JSON has no sets: give a list"


def holds_itself() -> dict[str, Any]:
    nested: dict[str, Any] = {}
    nested["self"] = nested
    return nested


@pytest.mark.parametrize("check", [free_attributes, check_json])
def test_what_holds_itself_is_refused(check: Callable[..., object]) -> None:
    assert refusal_of(check, holds_itself()).endswith(
        "is nested too deeply, or holds itself; make it flatter"
    )


def without_end() -> list[Any]:
    nested: list[Any] = []
    for _ in range(10_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize("value", [None, 1, "x", [1, {"a": None}], {"a": [1.5]}])
def test_any_json_value_is_taken(value: Any) -> None:
    assert check_json(value) == value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.binary(max_size=3)
    | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters(codec=None), max_size=3) | st.integers(), inner)
    ),
    max_leaves=8,
)


def same(sent: Any, read: Any) -> bool:
    """Whether two JSON values are one, true not being 1."""
    if isinstance(sent, dict):
        return set(sent) == set(read) and all(same(sent[name], read[name]) for name in sent)
    if isinstance(sent, list):
        return len(sent) == len(read) and all(map(same, sent, read))
    if isinstance(sent, Decimal):
        return bool(float(sent) == read)
    return type(sent) is type(read) and bool(sent == read)


@given(VALUES)
def test_a_strict_reader_reads_back_what_was_taken(value: Any) -> None:
    try:
        taken = check_json(value)
    except InvalidInput:
        return
    text = encode_lines([taken]).decode("utf-8")

    def refuse(constant: str) -> None:
        raise AssertionError(f"JSON has no {constant}")

    assert same(taken, json.loads(text, parse_constant=refuse))


@given(VALUES)
def test_no_value_makes_the_check_fail_otherwise(value: Any) -> None:
    for check in (check_json, flat_attributes, free_attributes, NEW_ID.check, check_event_name):
        try:
            check(value)
        except InvalidInput:
            continue


# --- what messages show --------------------------------------------------------------------------
