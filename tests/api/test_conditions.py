"""Export conditions: what Python says, as the lists that the API takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appcues_async import Condition, InvalidInput, where
from appcues_async.api.conditions import conditions_of

A = where("a") == 1
B = where("b") == 2
C = where("c") == 3


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        (where("flow_id") == "x", ["flow_id", "==", "x"]),
        (where("flow_id") != "x", ["flow_id", "!=", "x"]),
        (where("name").is_in(("a", "b")), ["name", "in", ["a", "b"]]),
        (where("name").not_in({"a"}), ["name", "not in", ["a"]]),
        (where("name").like("appcues%"), ["name", "like", "appcues%"]),
        (where("name").not_like("appcues%"), ["name", "not like", "appcues%"]),
        (where("name").ilike("appcues%"), ["name", "ilike", "appcues%"]),
        (where("name").not_ilike("appcues%"), ["name", "not ilike", "appcues%"]),
        (where("nps_feedback").is_null(), ["nps_feedback", "is null"]),
        (where("nps_feedback").is_not_null(), ["nps_feedback", "is not null"]),
    ],
)
def test_each_operator_has_its_list(condition: Condition, parts: list[Any]) -> None:
    assert conditions_of([condition]) == [parts]


def test_one_condition_stands_for_a_list_of_it() -> None:
    assert conditions_of(A) == [["a", "==", 1]]


def test_no_condition_is_all_events() -> None:
    assert conditions_of([]) == []


def test_or_is_one_list_of_its_members() -> None:
    expected = [["or", ["a", "==", 1], ["b", "==", 2]]]
    assert conditions_of(A | B) == expected


@pytest.mark.parametrize("joined", [(A | B) | C, A | (B | C)])
def test_a_chained_or_is_flat(joined: Condition) -> None:
    assert joined.as_list() == ["or", ["a", "==", 1], ["b", "==", 2], ["c", "==", 3]]


@pytest.mark.parametrize("joined", [(A & B) & C, A & (B & C)])
def test_a_chained_and_is_flat(joined: Condition) -> None:
    assert joined.as_list() == ["and", ["a", "==", 1], ["b", "==", 2], ["c", "==", 3]]


def test_an_and_at_the_top_is_the_list_itself() -> None:
    assert conditions_of(A & (B | C)) == [
        ["a", "==", 1],
        ["or", ["b", "==", 2], ["c", "==", 3]],
    ]
    assert conditions_of([A & B, C]) == [["a", "==", 1], ["b", "==", 2], ["c", "==", 3]]


def test_an_and_within_an_or_keeps_its_word() -> None:
    assert conditions_of((A & B) | C) == [
        ["or", ["and", ["a", "==", 1], ["b", "==", 2]], ["c", "==", 3]]
    ]


def test_joining_leaves_the_joined_as_they_were() -> None:
    both = A | B
    assert (both | C).as_list() != both.as_list()
    assert both.as_list() == ["or", ["a", "==", 1], ["b", "==", 2]]


def test_a_field_may_be_called_as_a_conjunction_is() -> None:
    assert conditions_of(where("and") == "x") == [["and", "==", "x"]]


@pytest.mark.parametrize(
    "raw",
    [
        [["flow_id", "==", "x"]],
        [["nps_feedback", "is not null"]],
        [["or", ["a", "==", 1], ["b", "like", "%"]]],
        [["xor", ["a", "==", 1], ["and", ["b", "==", 2], ["c", "is null"]]]],
        [["name", "in", ["a", "b"]]],
        [["a field", "an operator of tomorrow", {"k": [1]}]],
    ],
)
def test_raw_lists_of_the_right_shape_pass_whatever_their_words(raw: list[Any]) -> None:
    assert conditions_of(raw) == raw


def test_raw_lists_and_conditions_mix() -> None:
    assert conditions_of([["or", A, ["b", "==", 2]], C]) == [
        ["or", ["a", "==", 1], ["b", "==", 2]],
        ["c", "==", 3],
    ]


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ("name == x", "conditions is 'name == x'; give a list"),
        (None, "conditions is None; give a list"),
        ({"name": "x"}, "conditions is {'name': 'x'}; give a list"),
        (
            ["flow_id", "==", "x"],
            r"conditions\[0\] is 'flow_id'; a condition is .* in a list of them",
        ),
        ([[]], r"conditions\[0\] is \[\]; a condition is"),
        ([["name"]], r"conditions\[0\] is \['name'\]"),
        ([["name", 5, "x"]], r"conditions\[0\] is \['name', 5, 'x'\]"),
        ([["name", "==", "x", "y"]], r"conditions\[0\] is"),
        ([[7, "==", "x"]], r"conditions\[0\]\[0\] is 7; it must be text"),
        ([["or", ["a", "==", 1], ["b"]]], r"conditions\[0\]\[2\] is \['b'\]"),
        ([["a", "==", float("nan")]], r"conditions\[0\] is nan"),
        ([where("name")], r"conditions\[0\] is where\('name'\); a condition is"),
    ],
)
def test_any_other_shape_is_refused(raw: object, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        conditions_of(raw)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: where(""), "the name of a field is ''"),
        (lambda: where("a") == None, r"a is compared with None; use .is_null\(\)"),  # noqa: E711
        (lambda: where("a") != None, r"a is compared with None; use .is_not_null\(\)"),  # noqa: E711
        (lambda: where("a").is_in([]), "a in is given no values"),
        (lambda: where("a").is_in("abc"), "a in is given 'abc'; give a list"),
        (lambda: where("a").like(""), "the pattern of a is ''"),
        (lambda: where("a") == float("inf"), "a is inf, which JSON cannot hold"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_made(
    make: Callable[[], object], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        make()


@pytest.mark.parametrize(
    "use",
    [
        lambda: bool(A),
        lambda: A and B,  # type: ignore[redundant-expr]
        lambda: A or B,  # type: ignore[redundant-expr]
        lambda: not A,
        lambda: bool(where("a")),
        lambda: A & "b",  # type: ignore[operator]
        lambda: where("a") == 1 & where("b") == 2,
        lambda: where("a") == "x" | where("b") == "y",
    ],
)
def test_python_words_and_missing_parentheses_raise_with_a_hint(use: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"join conditions with & and \|, each in"):
        use()


def test_a_condition_shows_what_it_says() -> None:
    assert repr(A | B) == "<Condition ['or', ['a', '==', 1], ['b', '==', 2]]>"
    assert repr(where("a")) == "where('a')"
