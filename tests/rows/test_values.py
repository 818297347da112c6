"""Text, names and times go out as the API takes them, or not at all."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.errors import InvalidInput
from appcues_async.rows.values import (
    check_event_name,
    check_text,
    iso_time,
    shown,
    whole_number,
)
from tests.rows.samples import Level, Missing, Text, refusal_of

NEW_YORK = timezone(timedelta(hours=-4))


# --- other arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", " a ", "é\n"])
def test_text_is_taken_as_it_is(text: str) -> None:
    assert check_text(text, "email") == text


@pytest.mark.parametrize("text", ["", " \n", None, 5, b"a"])
def test_text_that_says_nothing_is_refused(text: Any) -> None:
    message = refusal_of(check_text, text, "email")
    assert message == f"email is {text!r}; it must be text and not empty"


@pytest.mark.parametrize("number", [1, 50, 100, Level.HIGH])
def test_a_whole_number_within_its_bounds_is_taken(number: int) -> None:
    taken = whole_number(number, "limit", 1, 100)
    assert (taken, type(taken)) == (number, int)


@pytest.mark.parametrize("number", [0, 101, -1, 1.0, "1", True, None, math.nan])
def test_what_is_no_whole_number_within_its_bounds_is_refused(number: Any) -> None:
    message = refusal_of(whole_number, number, "limit", 1, 100)
    assert message == (
        f"limit is {number!r}; it must be a whole number of at least 1 and at most 100"
    )


def test_a_whole_number_may_have_no_upper_bound() -> None:
    assert whole_number(10**30, "limit", 1) == 10**30


# --- event names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Paid", "x" * 127, "é" * 127, "Appcues:x", "my appcues:x", " "])
def test_an_event_name_is_taken_as_it_is(name: str) -> None:
    assert check_event_name(name) == name


def test_a_name_of_128_characters_is_refused_with_its_length_and_the_limit() -> None:
    message = refusal_of(check_event_name, "x" * 128, "row 2: name")
    assert message == (
        f"row 2: name is 128 characters long, '{'x' * 40}'…; "
        "an event's name has at most 127: shorten it"
    )


@pytest.mark.parametrize("name", ["appcues:", "appcues:flow_started"])
def test_a_reserved_name_is_refused(name: str) -> None:
    message = refusal_of(check_event_name, name)
    assert message == (
        f"name is {name!r}; names that begin with 'appcues:' are reserved by Appcues: "
        "give it another name"
    )


@pytest.mark.parametrize("name", ["", None, 5, b"Paid", ["Paid"]])
def test_a_name_that_is_empty_or_no_text_is_refused(name: Any) -> None:
    message = refusal_of(check_event_name, name)
    assert message == f"name is {name!r}; an event's name is text and not empty"


def test_a_name_that_utf_8_cannot_hold_is_refused() -> None:
    assert "half a character" in refusal_of(check_event_name, "\ud83d")


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 7, 14, 12, 34, 56, tzinfo=UTC), "2026-07-14T12:34:56+00:00"),
        (datetime(2026, 7, 14, 12, 34, 56, 789, tzinfo=UTC), "2026-07-14T12:34:56.000789+00:00"),
        (datetime(2026, 7, 14, 8, 34, 56, tzinfo=NEW_YORK), "2026-07-14T08:34:56-04:00"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00+00:00"),
    ],
)
def test_an_aware_datetime_becomes_iso_8601_with_its_offset(moment: datetime, text: str) -> None:
    assert iso_time(moment) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-14T12:34:56Z",
        "2026-07-14T12:34:56.789Z",
        "2026-07-14T12:34:56,5Z",
        "2026-07-14T12:34Z",
        "2026-07-14T12:34:56+02:00",
        "2026-07-14T12:34:56-0400",
        "20260714T123456Z",
        "2026-W29-2T12:00Z",
    ],
)
def test_iso_8601_text_with_a_zone_stays_as_it_is(text: str) -> None:
    assert iso_time(text) == text


def test_iso_8601_text_of_a_kind_of_text_becomes_plain_text() -> None:
    assert type(iso_time(Text("2026-07-14T12:34:56Z"))) is str


@pytest.mark.parametrize(
    "value",
    ["2026-07-14T12:34:56", "20260714T123456", datetime(2026, 7, 14, 12, 34, 56)],
)
def test_a_naive_datetime_is_refused_and_the_message_says_how_to_mend_it(value: Any) -> None:
    text = value if isinstance(value, str) else value.isoformat()
    message = refusal_of(iso_time, value, "row 2: timestamp")
    assert message == (
        f"row 2: timestamp is {text!r}, a time without a zone; "
        "add one, such as 'Z' or tzinfo=datetime.UTC "
        "(client.bulk and client.sync take time_zone= for a whole source)"
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-07-14",
        "20260714",
        "12:34:56Z",
        "2026-13-14T12:34:56Z",
        "2026-07-14T25:00:00Z",
        "2026-07-14t12:34:56z",
        "2026-07-14 12:34:56Z",
        "2026-07-14\n12:34:56Z",
        "2026-07-14\ud80012:34:56Z",
        "2026-07-14T12:34:56Z\n",
        " 2026-07-14T12:34:56Z",
        "2026-07-14T12:34:56 Z",
        "Jul 14, 2026 12:34:56 PM",
        "06/20/2026",
        1_784_032_496,
        1_784_032_496.5,
        date(2026, 7, 14),
        time(12, 34, tzinfo=UTC),
        None,
        True,
        b"2026-07-14T12:34:56Z",
        Missing(2026, 7, 14, tzinfo=UTC),
        Missing(2026, 7, 14),
    ],
)
def test_what_is_no_moment_is_refused_with_an_example_of_one(value: Any) -> None:
    message = refusal_of(iso_time, value)
    assert message == (
        f"timestamp is {value!r}; it must be an aware datetime or ISO 8601 text with a zone, "
        "such as '2026-07-14T12:34:56Z'"
    )


@pytest.mark.parametrize("value", ["2026-07-14T12:34:56", datetime(2026, 7, 14, 12, 34, 56)])
def test_a_naive_time_is_taken_by_who_insists(value: Any) -> None:
    assert iso_time(value, strict=False) == "2026-07-14T12:34:56"


@pytest.mark.parametrize("value", ["", "2026-07-14 12:34:56Z", Missing(2026, 7, 14)])
def test_what_is_no_time_is_refused_even_then(value: Any) -> None:
    with pytest.raises(InvalidInput, match="it must be an aware datetime"):
        iso_time(value, strict=False)


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=OFFSETS))
def test_any_aware_datetime_is_the_same_moment_on_the_other_side(moment: datetime) -> None:
    assert datetime.fromisoformat(iso_time(moment)) == moment


# --- attributes of profiles ----------------------------------------------------------------------


def test_a_value_is_shown_as_code_would_write_it() -> None:
    assert shown("a'b") == '"a\'b"'


def test_a_long_value_is_cut_short() -> None:
    assert shown("x" * 100) == "'" + "x" * 78 + "…"


def test_a_value_that_python_cannot_write_out_is_said_to_be_so() -> None:
    assert shown(10**5000) == "too large to show"
