"""What each kind of row needs."""

from __future__ import annotations

from collections import UserDict
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from appcues_async.errors import InvalidInput
from appcues_async.rows.ids import ANY_ID
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.text import type_in_words

EVENT = {"user_id": "007", "name": "Paid", "timestamp": "2026-07-14T12:34:56Z"}


def refusal_of(kind: Kind, row: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        kind.check(row, "row 9")
    return str(caught.value)


# --- the user ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["user_id", "userId"])
def test_either_spelling_names_the_user(name: str) -> None:
    row = {name: "007", "email": "a@example.com"}
    assert PROFILES.check(row, "row 9") == row


@pytest.mark.parametrize("name", ["user_id", "userId"])
@pytest.mark.parametrize("kind", [PROFILES, EVENTS])
def test_the_users_id_is_text(kind: Kind, name: str) -> None:
    row = {key: value for key, value in EVENT.items() if key != "user_id"} | {name: 7}
    assert kind.check(row, "row 9") == {**row, name: "7"}


@pytest.mark.parametrize("kind", [PROFILES, EVENTS])
def test_a_row_without_a_user_is_refused(kind: Kind) -> None:
    message = refusal_of(kind, {"email": "a@example.com"})
    assert message == "row 9 has no user_id; every row needs user_id or userId"


@pytest.mark.parametrize("kind", [PROFILES, EVENTS])
def test_a_row_that_names_two_users_is_refused(kind: Kind) -> None:
    message = refusal_of(kind, {**EVENT, "userId": "008"})
    assert message == "row 9 has both user_id '007' and userId '008'; leave one out"


@pytest.mark.parametrize("other", ["007", None])
def test_a_row_with_both_spellings_is_refused_whatever_they_hold(other: str | None) -> None:
    assert "has both" in refusal_of(PROFILES, {"user_id": "007", "userId": other})


def test_the_rule_for_ids_is_the_kinds_own() -> None:
    assert "write where there is no id" in refusal_of(PROFILES, {"user_id": "nan"})
    assert PROFILES.with_ids(ANY_ID).check({"user_id": "nan"}, "row 9") == {"user_id": "nan"}


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PROFILES, EVENTS])
@pytest.mark.parametrize("row", ["007", ("007", "Paid"), [("user_id", "007")], None, 7, b"{}"])
def test_a_row_that_is_no_mapping_is_refused(kind: Kind, row: Any) -> None:
    message = refusal_of(kind, row)
    assert message == f"row 9 is {type_in_words(row)}; a row is a mapping of column names"


@pytest.mark.parametrize("wrap", [dict, MappingProxyType, UserDict])
def test_any_mapping_is_a_row(wrap: Any) -> None:
    assert EVENTS.check(wrap(EVENT), "row 9") == EVENT


def test_a_row_of_profiles_is_flat() -> None:
    message = refusal_of(PROFILES, {"user_id": "007", "tags": ["a"]})
    assert message.startswith("row 9.tags is a list; Appcues drops nested values")


@pytest.mark.parametrize("name", ["name", "timestamp"])
def test_an_event_without_name_or_time_is_refused(name: str) -> None:
    row = {key: value for key, value in EVENT.items() if key != name}
    assert refusal_of(EVENTS, row) == (
        f"row 9 has no {name}; every event needs user_id, name, timestamp"
    )


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": "x" * 128}, "row 9: name is 128 characters long"),
        ({"name": "appcues:x"}, "row 9: name is 'appcues:x'"),
        ({"name": None}, "row 9: name is None"),
        ({"timestamp": None}, "row 9: timestamp is None"),
        ({"timestamp": 1452854179}, "row 9: timestamp is 1452854179"),
        ({"timestamp": "2026-07-14T12:34:56"}, "row 9: timestamp is '2026-07-14T12:34:56', a time"),
        ({"timestamp": "2026-07-14"}, "row 9: timestamp is '2026-07-14'; it must be"),
        ({"attributes": "method=visa"}, "row 9: attributes is 'method=visa'; it must be a mapping"),
        ({"attributes": ["visa"]}, "row 9: attributes is ['visa']; it must be a mapping"),
    ],
)
def test_an_event_that_would_be_lost_is_refused(changes: dict[str, Any], rule: str) -> None:
    assert refusal_of(EVENTS, {**EVENT, **changes}).startswith(rule)


def test_a_datetime_becomes_the_time_of_an_event() -> None:
    row = EVENTS.check({**EVENT, "timestamp": datetime(2026, 7, 14, tzinfo=UTC)}, "row 9")
    assert row["timestamp"] == "2026-07-14T00:00:00+00:00"


@pytest.mark.parametrize("attributes", [{}, {"cart": [{"sku": "a"}]}, None])
def test_an_event_may_have_its_attributes_apart(attributes: Any) -> None:
    row = {**EVENT, "attributes": attributes, "color": "red"}
    assert EVENTS.check(row, "row 9") == row


def test_a_row_of_user_ids_is_one_id() -> None:
    assert USER_IDS.check("007", "row 9") == "007"


@pytest.mark.parametrize("row", [7.0, None, "", {"user_id": "007"}, ["007"]])
def test_a_row_of_user_ids_that_is_none_is_refused(row: Any) -> None:
    assert refusal_of(USER_IDS, row).startswith("row 9 is ")


# --- columns -------------------------------------------------------------------------------------


def test_only_user_ids_are_a_list() -> None:
    assert [kind.is_list for kind in (PROFILES, EVENTS, USER_IDS)] == [False, False, True]


@pytest.mark.parametrize(
    ("kind", "names", "missing"),
    [
        (PROFILES, ["user_id"], []),
        (PROFILES, ["email", "userId"], []),
        (PROFILES, ["userid", "User_ID"], ["user_id or userId"]),
        (EVENTS, ["user_id", "name", "timestamp"], []),
        (EVENTS, ["user_id"], ["name", "timestamp"]),
        (EVENTS, [], ["user_id or userId", "name", "timestamp"]),
        (USER_IDS, ["id"], ["user_id or userId"]),
    ],
)
def test_missing_columns_are_told(kind: Kind, names: list[str], missing: list[str]) -> None:
    assert kind.missing(names) == missing
