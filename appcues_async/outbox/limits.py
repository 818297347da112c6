"""The limits of an outbox, and rows that find no room within them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from attrs import define

from appcues_async.bulk.journal.run_journal import OnStep
from appcues_async.clock import Clock
from appcues_async.errors import OutboxFull
from appcues_async.notices import Listener, OutboxFilled, notify
from appcues_async.outbox.rows import Row

__all__ = ["Limits", "OnFull"]

OnFull = Literal["wait", "raise", "drop"]
"""A row that finds no room: its caller waits, the call raises, or the row is dropped."""
_QUIET: Final = 1.0
"""Seconds between two notices of a full outbox."""


@define(kw_only=True, eq=False)
class Limits:
    """How much is held at the most.

    Attributes:
        most_rows: Rows, in whatever state.
        most_bytes: Their bytes.
        on_full: What becomes of rows that find no room.
        patience: Seconds that a row waits for room.
        clock: What to measure by.
        listener: Receives a notice when there is no room.
        on_step: Is called at each step of a batch, for tests that stop there.
        dropped: Rows that were dropped so far.
    """

    most_rows: int
    most_bytes: int
    on_full: OnFull
    patience: float
    clock: Clock
    listener: Listener | None = None
    on_step: OnStep | None = None
    dropped: int = 0
    _told: float | None = None
    _untold: int = 0

    def fit(self, rows: Sequence[Row], held: int, size: int) -> int:
        """How many of these rows find room beside what is held.

        Args:
            rows: Rows that come next.
            held: How many rows are held.
            size: Their bytes.
        """
        for index, row in enumerate(rows):
            size += len(row.body)
            if held + index + 1 > self.most_rows or size > self.most_bytes:
                return index
        return len(rows)

    def drop(self) -> None:
        """Counts a row that is dropped."""
        self.dropped += 1
        self._untold += 1

    def error(self) -> OutboxFull:
        """Makes the error of a row that finds no room."""
        return OutboxFull(
            f"the outbox holds all it may, {self.most_rows:,} rows or {self.most_bytes:,} bytes, and "
            "this row was not taken; see outbox.gauges() for what it waits for, or raise most_rows"
        )

    def tell_full(self) -> None:
        """Tells that it is full, once a second at the most."""
        now = self.clock.time()
        if self._told is None or now >= self._told + _QUIET:
            notify(self.listener, OutboxFilled(self.on_full, self._untold))
            self._told, self._untold = now, 0

    def tell_rest(self) -> None:
        """Tells of rows that were dropped since the last notice."""
        if self._untold:
            notify(self.listener, OutboxFilled(self.on_full, self._untold))
            self._untold = 0
