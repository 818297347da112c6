"""The three kinds of rows that the API takes in bulk, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, Final

from attrs import evolve, field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.attributes import flat_attributes, free_attributes
from appcues_async.rows.ids import NEW_ID, IdRule
from appcues_async.rows.values import check_event_name, iso_time, shown
from appcues_async.text import type_in_words

__all__ = ["EVENTS", "PROFILES", "USER_IDS", "Kind"]

USER_ID: Final = ("user_id", "userId")
"""Either spelling names the user (reference, "Importing Data in Bulk")."""


@frozen
class Kind:
    """The kind of an upload's rows.

    Attributes:
        name: In the plural, as in messages and file names.
        columns: The columns that every row needs, each with its spellings.
        ids: Which ids are taken.
        zone: The zone of times that have none; without it, such times are refused.
    """

    name: str
    columns: tuple[tuple[str, ...], ...]
    _check: Callable[[Any, str, Kind], Any] = field(repr=False)
    ids: IdRule = NEW_ID
    zone: tzinfo | None = None

    @property
    def is_list(self) -> bool:
        """Whether a row is one bare id, and a CSV's header may be missing."""
        return not self.columns

    @property
    def is_events(self) -> bool:
        """Whether a row is an event, with a name and a timestamp."""
        return self.name == EVENTS.name

    def check(self, row: Any, where: str) -> Any:
        """Takes a row as JSON values.

        Args:
            row: The row.
            where: What to call it, for the message.

        Raises:
            InvalidInput: It is refused.
        """
        return self._check(row, where, self)

    def with_ids(self, ids: IdRule) -> Kind:
        """The same kind, with another rule for ids."""
        return evolve(self, ids=ids)

    def with_zone(self, zone: tzinfo | None) -> Kind:
        """The same kind, with another zone for times that have none."""
        return evolve(self, zone=zone)

    def missing(self, names: Mapping[str, Any] | list[str]) -> list[str]:
        """The columns that are needed and not among `names`; of a list of ids in a table, theirs."""
        return [
            " or ".join(spellings)
            for spellings in self.columns or (USER_ID,)
            if not any(spelling in names for spelling in spellings)
        ]


def _user_id(row: Mapping[str, Any], where: str, ids: IdRule) -> dict[str, str]:
    """The id of a row's user, as text, under its name."""
    there = [name for name in USER_ID if name in row]
    if not there:
        raise InvalidInput(f"{where} has no user_id; every row needs user_id or userId")
    if len(there) > 1:
        # Which of them is meant, nobody can say.
        both = " and ".join(f"{name} {shown(row[name])}" for name in there)
        raise InvalidInput(f"{where} has both {both}; leave one out")
    return {there[0]: ids.check(row[there[0]], f"{where}: {there[0]}")}


def _row(row: object, where: str) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise InvalidInput(f"{where} is {type_in_words(row)}; a row is a mapping of column names")
    return row


def check_profile(row: Any, where: str, kind: Kind) -> dict[str, Any]:
    """Takes one row of profiles: the user's id, and attributes."""
    checked = _row(row, where)
    user = _user_id(checked, where, kind.ids)
    return flat_attributes({**checked, **user}, where, zone=kind.zone)


def check_event(row: Any, where: str, kind: Kind) -> dict[str, Any]:
    """Takes one row of events: the user's id, name, timestamp, and attributes of any shape."""
    checked = _row(row, where)
    user = _user_id(checked, where, kind.ids)
    for name in ("name", "timestamp"):
        if name not in checked:
            raise InvalidInput(f"{where} has no {name}; every event needs user_id, name, timestamp")
    check_event_name(checked["name"], f"{where}: name")
    if not isinstance(checked.get("attributes"), Mapping | None):
        raise InvalidInput(
            f"{where}: attributes is {shown(checked['attributes'])}; it must be a mapping of names"
        )
    return {
        **free_attributes({**checked, **user}, where, zone=kind.zone),
        "timestamp": iso_time(checked["timestamp"], f"{where}: timestamp", zone=kind.zone),
    }


def check_id(row: Any, where: str, kind: Kind) -> str:
    """Takes one id of a segment's user."""
    return kind.ids.check(row, where)


PROFILES: Final = Kind("profiles", (USER_ID,), check_profile)
EVENTS: Final = Kind("events", (USER_ID, ("name",), ("timestamp",)), check_event)
USER_IDS: Final = Kind("user ids", (), check_id)
