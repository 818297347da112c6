"""The three kinds of rows that the API takes in bulk, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.values import (
    check_event_name,
    check_user_id,
    flat_attributes,
    free_attributes,
    iso_time,
    shown,
)

__all__ = ["EVENTS", "PROFILES", "USER_IDS", "Kind"]

USER_ID: Final = ("user_id", "userId")
"""Either spelling names the user (reference, "Importing Data in Bulk")."""


@frozen
class Kind:
    """What the rows of an upload are.

    Attributes:
        name: In the plural, as in messages and file names.
        columns: The columns that every row needs, each with its spellings.
        check: Takes a row and what to call it; returns it as JSON values, or raises `InvalidInput`.
    """

    name: str
    columns: tuple[tuple[str, ...], ...]
    check: Callable[[Any, str], Any]

    @property
    def is_list(self) -> bool:
        """Whether a row is one bare id, and a CSV's header may be missing."""
        return not self.columns

    def missing(self, names: Mapping[str, Any] | list[str]) -> list[str]:
        """The columns that are needed and not among `names`."""
        return [
            " or ".join(spellings)
            for spellings in self.columns
            if not any(spelling in names for spelling in spellings)
        ]


def _user_id(row: Mapping[str, Any], where: str) -> None:
    there = [name for name in USER_ID if name in row]
    # A null beside an id names nobody.
    named = [name for name in there if row[name] is not None] or there
    given = {name: check_user_id(row[name], f"{where}: {name}") for name in named}
    if not given:
        raise InvalidInput(f"{where} has no user_id; every row needs user_id or userId")
    if len(set(given.values())) > 1:
        both = " and ".join(f"{name} {shown(value)}" for name, value in given.items())
        raise InvalidInput(f"{where} names two users, {both}; leave one out")


def _row(row: object, where: str) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise InvalidInput(f"{where} is a {type(row).__name__}; a row is a mapping of column names")
    return row


def check_profile(row: Any, where: str) -> dict[str, Any]:
    """Takes one row of profiles: the user's id, and attributes."""
    checked = _row(row, where)
    _user_id(checked, where)
    return flat_attributes(checked, where)


def check_event(row: Any, where: str) -> dict[str, Any]:
    """Takes one row of events: the user's id, name, timestamp, and attributes of any shape."""
    checked = _row(row, where)
    _user_id(checked, where)
    for name in ("name", "timestamp"):
        if name not in checked:
            raise InvalidInput(f"{where} has no {name}; every event needs user_id, name, timestamp")
    check_event_name(checked["name"], f"{where}: name")
    if not isinstance(checked.get("attributes"), Mapping | None):
        raise InvalidInput(
            f"{where}: attributes is {shown(checked['attributes'])}; it must be a mapping of names"
        )
    return {
        **free_attributes(checked, where),
        "timestamp": iso_time(checked["timestamp"], f"{where}: timestamp"),
    }


def check_id(row: Any, where: str) -> str:
    """Takes one id of a segment's user."""
    return check_user_id(row, where)


PROFILES: Final = Kind("profiles", (USER_ID,), check_profile)
EVENTS: Final = Kind("events", (USER_ID, ("name",), ("timestamp",)), check_event)
USER_IDS: Final = Kind("user ids", (), check_id)
