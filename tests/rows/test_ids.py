"""Ids are sent as text, and what is none is refused where data is made."""

from __future__ import annotations

import enum
import unicodedata
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appcues_async.errors import InvalidInput
from appcues_async.rows.ids import ANY_ID, NEW_ID, IdRule, check_user_ids, id_rule

PLACEHOLDERS = [
    "nan", "NaN", "None", "null", "NULL", "undefined", "[object Object]", "\\N", "#N/A", "#REF!",
    "#VALUE!", "<NA>", "NaT",
]  # fmt: skip
NUMBERS = ["1.23457E+17", "1,23457E+17", "1.2E5", "9.9E-05", "12345.0", "0.0", "007.0"]
INVISIBLE = [
    "\u200b",
    "\ufeff",
    "\u200e",
    "\u200f",
    "\u00ad",
    "\u2060",
    "\u202c",
    "\u2066",
    "\u3164",
]


class Text(str):
    """Text of a kind of its own, as numpy's is."""

    __slots__ = ()


class Plan(str, enum.Enum):  # noqa: UP042 - its str() is not its value
    PRO = "pro"


class Color(enum.Enum):
    RED = "red"


def refusal_of(value: Any, rule: IdRule = NEW_ID) -> str:
    with pytest.raises(InvalidInput) as caught:
        rule.check(value, "row 3: user_id")
    return str(caught.value)


# --- what is an id -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user_id",
    [
        "7", "007", "a/b?c#d%2F", "é", "日本", "..", "x" * 300, "a b", "\U0001f600", "Nan",
        "none", "nan@example.com", "1.5", "1E5", "12345.00", "-1.0", "E.0", "v1.0", "0", "-",
    ],
)  # fmt: skip
def test_text_is_an_id_as_it_is(user_id: str) -> None:
    assert NEW_ID.check(user_id) == user_id
    assert NEW_ID.prove([user_id]) == [user_id]


@pytest.mark.parametrize(
    ("user_id", "text"),
    [
        (7, "7"),
        (2**70, str(2**70)),
        (np.int64(7), "7"),
        (np.str_("7"), "7"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Text("7"), "7"),
        (Plan.PRO, "pro"),
    ],
)
def test_what_has_one_meaning_as_text_becomes_that(user_id: Any, text: str) -> None:
    taken = NEW_ID.check(user_id)
    assert (taken, type(taken)) == (text, str)


@pytest.mark.parametrize(
    "user_id", [7.0, np.float64(7), True, np.True_, ["7"], {"user_id": "7"}, Color.RED, Decimal(7)]
)
@pytest.mark.parametrize("rule", [NEW_ID, ANY_ID])
def test_what_has_none_or_two_is_refused(user_id: Any, rule: IdRule) -> None:
    message = refusal_of(user_id, rule)
    assert message.startswith(
        f"row 3: user_id is {user_id!r}, a {type(user_id).__name__}; ids are text"
    )
    assert rule.prove([user_id]) is None


def test_a_float_is_refused_with_what_to_do() -> None:
    assert "read the column as text" in refusal_of(7.0)


def test_an_integer_too_long_to_write_out_is_refused() -> None:
    assert "give it as text" in refusal_of(10**5000)
    assert NEW_ID.prove([10**5000]) is None


def test_a_missing_id_is_refused() -> None:
    assert refusal_of(None) == "row 3: user_id is missing; ids are text, such as '007'"


@pytest.mark.parametrize("rule", [NEW_ID, ANY_ID])
def test_half_a_character_is_refused_by_every_rule(rule: IdRule) -> None:
    assert "is 'caf\\udce9', which holds half a character" in refusal_of("caf\udce9", rule)
    assert rule.prove(["caf\udce9"]) is None


def test_a_whole_row_given_as_an_id_is_not_spread_over_the_message() -> None:
    assert len(refusal_of({"user_id": "7", "note": "x" * 10_000})) < 220


# --- what is none --------------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", [" ", "\u00a0", "\u3000 "])
def test_a_blank_id_is_refused(user_id: str) -> None:
    assert refusal_of(user_id) == "row 3: user_id is blank; every row needs the id of its user"


@pytest.mark.parametrize("user_id", ["7\n", "7\r\n", "\t7", "a\x00b", "a\x7fb", "\x1b[0m7"])
def test_an_id_with_a_control_character_is_refused_as_an_unstripped_line(user_id: str) -> None:
    assert refusal_of(user_id) == (
        f"row 3: user_id is {user_id!r}; an id holds no control characters: take them off with strip()"
    )


@pytest.mark.parametrize("mark", INVISIBLE)
@pytest.mark.parametrize("form", ["{}42", "42{}", "4{}2"])
def test_an_id_with_a_character_that_nobody_sees_is_refused(mark: str, form: str) -> None:
    message = refusal_of(form.format(mark))
    assert f"U+{ord(mark):04X}" in message
    assert message.isascii()


@pytest.mark.parametrize("user_id", [" 7", "7 ", "\u00a07"])
def test_a_padded_id_is_refused(user_id: str) -> None:
    assert "take them off with strip()" in refusal_of(user_id)


@pytest.mark.parametrize("user_id", PLACEHOLDERS)
def test_what_programs_write_for_nothing_is_refused(user_id: str) -> None:
    assert f"is {user_id!r}, which programs write where there is no id" in refusal_of(user_id)


@pytest.mark.parametrize("user_id", NUMBERS)
def test_what_a_spreadsheet_made_of_a_number_is_refused(user_id: str) -> None:
    assert f"is {user_id!r}, which a spreadsheet made of a number" in refusal_of(user_id)


@pytest.mark.parametrize("user_id", [" 7", "7\u200b", *PLACEHOLDERS, *NUMBERS])
def test_a_rule_may_let_it_through_by_name(user_id: str) -> None:
    rule = id_rule({user_id})
    assert rule.check(user_id) == user_id
    assert "x " not in rule.allowed
    with pytest.raises(InvalidInput):
        rule.check("x ")


@pytest.mark.parametrize("user_id", [" ", " 7", "7\n", "7\u200b", *PLACEHOLDERS, *NUMBERS])
def test_where_nothing_is_made_any_id_is_taken(user_id: str) -> None:
    assert ANY_ID.check(user_id) == user_id


@pytest.mark.parametrize("rule", [NEW_ID, ANY_ID, id_rule({"x"})])
def test_an_empty_id_is_none_anywhere(rule: IdRule) -> None:
    assert refusal_of("", rule) == "row 3: user_id is empty; every row needs the id of its user"


@pytest.mark.parametrize("ids", ["null", None, 7, {"null": True}, [""], [None], [1.0]])
def test_what_is_let_through_is_a_set_of_ids(ids: Any) -> None:
    with pytest.raises(InvalidInput, match="allow_ids"):
        id_rule(ids)


# --- whole columns -------------------------------------------------------------------------------

IDS = st.one_of(
    st.text(st.characters(codec=None), max_size=6),
    st.text(st.sampled_from("aE09.,+- \u00a0\u200bé"), max_size=6),
    st.sampled_from([*PLACEHOLDERS, *NUMBERS, *INVISIBLE]),
    st.integers(),
    st.uuids(),
    st.none() | st.booleans() | st.floats() | st.binary(max_size=2),
)
RULES = st.sampled_from([NEW_ID, ANY_ID, id_rule({"nan", "12345.0", " 7"})])


@given(st.lists(IDS, max_size=4), RULES)
@example(["nan"], id_rule({"nan"}))
def test_what_is_proved_of_a_column_holds_for_each_of_its_ids(ids: list[Any], rule: IdRule) -> None:
    proved = rule.prove(ids)
    if proved is not None:
        assert list(proved) == [rule.check(one) for one in ids]


@given(st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1), min_size=1))
def test_letters_and_digits_are_proved_at_once(ids: list[str]) -> None:
    clean = [one for one in ids if one not in PLACEHOLDERS and one.isprintable()]
    fillers = "\u115f\u1160\u3164\uffa0"
    if not any(filler in one for filler in fillers for one in clean):
        assert NEW_ID.prove(clean) == clean


@given(st.characters(codec="utf-8"))
def test_every_control_or_format_character_is_refused(character: str) -> None:
    refused = unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}
    if refused:
        refusal_of(f"4{character}2")


@pytest.mark.parametrize("ids", [[7, 8], ["7", 8], [UUID(int=7), 8]])
def test_integers_and_uuids_of_a_column_become_text(ids: list[Any]) -> None:
    assert NEW_ID.prove(ids) == list(map(str, ids))


# --- the ids of one request ----------------------------------------------------------------------


@pytest.mark.parametrize("ids", [["7", "é"], ("7",), {"7"}, iter(["7"]), [7]])
def test_the_ids_of_one_request_come_from_any_iterable(ids: Any) -> None:
    assert check_user_ids(ids)[0] == "7"


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("7", "user_ids is '7'; give a list of ids, even of one"),
        (b"7", "user_ids is b'7'; give a list of ids, even of one"),
        ({"7": 1}, "user_ids is {'7': 1}; give a list of ids, even of one"),
        (None, "user_ids is None; give a list of ids, even of one"),
        ([], "user_ids is empty; give at least one id"),
        (["7", ""], "user_ids[1] is empty; every row needs the id of its user"),
    ],
)
def test_what_is_no_list_of_ids_is_refused(ids: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_user_ids(ids)
    assert str(caught.value) == message
