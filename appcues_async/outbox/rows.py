"""Rows of an outbox: checked by the one judge when they are put, merged when they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec
from attrs import field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_ID, Kind
from appcues_async.rows.lines import encode_lines
from appcues_async.rows.values import shown

__all__ = ["BATCH_BYTES", "KINDS", "Kept", "KindName", "Line", "Row", "Rows", "lines_of"]

KindName = Literal["events", "profiles"]
"""The kind of a row."""
KINDS: Final[tuple[KindName, ...]] = ("events", "profiles")
BATCH_BYTES: Final = 8_000_000
"""The most bytes of a batch, and so of a row."""

_decode_raw: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@frozen
class Row:
    """A row that was checked.

    Attributes:
        kind: What it is.
        user: Whose it is.
        body: The row as a line of JSON.
    """

    kind: KindName
    user: str = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class Kept:
    """A row as a store has it.

    Attributes:
        seq: Its number in the order of the store.
        user: Whose it is.
        body: The row as a line of JSON.
    """

    seq: int
    user: str = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class Line:
    """A line of a batch.

    Attributes:
        user: Whose it is.
        seqs: The rows that it was made of.
        put: Their bytes.
        body: What is sent.
    """

    user: str = field(repr=False)
    seqs: tuple[int, ...]
    put: int
    body: bytes = field(repr=False)


class Rows:
    """Makes rows of what users of an outbox give."""

    def __init__(self, events: Kind = EVENTS, profiles: Kind = PROFILES) -> None:
        """Keeps which rules there are.

        Args:
            events: What events are, with the rule for ids.
            profiles: What profiles are, likewise.
        """
        self._events = events
        self._profiles = profiles

    def event(
        self, user_id: object, name: object, timestamp: object, attributes: Mapping[str, Any] | None
    ) -> Row:
        """Makes the row of an event.

        Raises:
            InvalidInput: A value is refused.
        """
        row = {"user_id": user_id, "name": name, "timestamp": timestamp}
        if attributes is not None:
            row["attributes"] = attributes
        return _row("events", self._events.check(row, "the event"))

    def profile(self, user_id: object, attributes: object) -> Row:
        """Makes the row of a profile update.

        Raises:
            InvalidInput: A value is refused, or there is nothing to change.
        """
        if not isinstance(attributes, Mapping):
            raise InvalidInput(
                f"attributes is {shown(attributes)}; give a mapping of names to values"
            )
        if not attributes:
            raise InvalidInput("attributes is empty; give what is to be changed")
        if clash := [name for name in USER_ID if name in attributes]:
            raise InvalidInput(
                f"attributes has {clash[0]}, which names the user in an upload; give it another name"
            )
        row = {"user_id": user_id, **attributes}
        return _row("profiles", self._profiles.check(row, "the profile update"))


def lines_of(kind: KindName, rows: Iterable[Kept]) -> list[Line]:
    """Makes the lines of a batch: one for each event, one for each user of profile updates.

    Updates of one user are merged in their order: of each attribute the last value counts.

    Args:
        kind: What the rows are.
        rows: The rows, in their order.
    """
    if kind == "events":
        return [Line(row.user, (row.seq,), len(row.body), row.body) for row in rows]
    of_users: dict[str, list[Kept]] = {}
    for row in rows:
        of_users.setdefault(row.user, []).append(row)
    return [
        Line(
            user,
            tuple(row.seq for row in updates),
            sum(len(row.body) for row in updates),
            _merged(updates),
        )
        for user, updates in of_users.items()
    ]


def _merged(updates: list[Kept]) -> bytes:
    if len(updates) == 1:
        return updates[0].body
    # Values stay as they were written, so that no number changes.
    merged: dict[str, msgspec.Raw] = {}
    for row in updates:
        merged.update(_decode_raw(row.body))
    return encode_lines([merged])


def _row(kind: KindName, checked: Mapping[str, Any]) -> Row:
    body = encode_lines([checked])
    if len(body) > BATCH_BYTES:
        raise InvalidInput(
            f"the row has {len(body):,} bytes, and a batch at most {BATCH_BYTES:,}; give less in it"
        )
    return Row(kind, checked["user_id"], body)
