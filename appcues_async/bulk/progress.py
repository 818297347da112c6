"""Tracks how far a run is, for its report and for listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appcues_async.bulk.report import Outcome, Report
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.notices import (
    BulkProgressed,
    ChunkEnded,
    Listener,
    Notice,
    RunEnded,
    RunStarted,
    notify,
)

__all__ = ["Progress"]


class Progress:
    """The outcomes of a run so far, with running totals, so that a notice costs O(1)."""

    def __init__(
        self,
        kind: str,
        counter: RowCounter,
        listeners: Sequence[Listener],
        on_end: Callable[[Outcome], None] | None = None,
    ) -> None:
        """Begins with nothing.

        Args:
            kind: What the rows are.
            counter: Counts the rows that are read.
            listeners: Receive notices of how far it is.
            on_end: Receives each outcome as its chunk ends.
        """
        self._kind = kind
        self._counter = counter
        self._listeners = listeners
        self._on_end = on_end
        self._rows = self._bytes = self._ingested = 0
        self._started = False
        self._outcomes: dict[int, Outcome] = {}
        self.bytes_in_all: int | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes in the order of their chunks."""
        return [self._outcomes[number] for number in sorted(self._outcomes)]

    def keep(self, outcome: Outcome) -> None:
        """Takes in what is known of a chunk now, in place of what was."""
        if (former := self._outcomes.get(outcome.chunk)) is not None:
            self._add(former, -1)
        self._add(outcome, 1)
        self._outcomes[outcome.chunk] = outcome
        self.tell()

    def end(self, outcome: Outcome) -> None:
        """Takes in how a chunk has ended."""
        self.keep(outcome)
        job = None if outcome.handle is None else outcome.handle.id
        ended = ChunkEnded(outcome.chunk, outcome.rows, outcome.size, outcome.status, job)
        self._notify(ended)
        if self._on_end is not None:
            self._on_end(outcome)

    def start_run(self) -> None:
        """Tells that the run has begun: nothing has refused it."""
        self._started = True
        self._notify(RunStarted(self._kind))

    def end_run(self, report: Report) -> None:
        """Tells that the run has ended, if it had begun."""
        if not self._started:
            return
        self._notify(
            RunEnded(
                kind=self._kind,
                rows=report.rows,
                rejected=report.rejected,
                chunks=report.chunks,
                accepted=report.accepted,
                ingested=report.completed,
                seconds=report.seconds,
            )
        )

    def tell(self) -> None:
        """Tells how far it is."""
        if not self._listeners:
            return
        self._notify(
            BulkProgressed(
                kind=self._kind,
                rows_read=self._counter.rows,
                bytes_read=self._counter.bytes,
                rows_rejected=self._counter.rejected,
                rows_sent=self._rows,
                bytes_sent=self._bytes,
                rows_ingested=self._ingested,
                bytes_in_all=self.bytes_in_all,
            )
        )

    def _add(self, outcome: Outcome, sign: int) -> None:
        if outcome.handle is not None:
            self._rows += sign * outcome.rows
            self._bytes += sign * outcome.size
            self._ingested += sign * outcome.ingested

    def _notify(self, notice: Notice) -> None:
        for listener in self._listeners:
            notify(listener, notice)
