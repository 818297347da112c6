"""The result of a bulk run: an outcome for every chunk, a reason for every rejected row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from attrs import define, field, frozen

from appcues_async.bulk.rejects import Reject
from appcues_async.errors import AppcuesError, BulkFailed, RowsFailed
from appcues_async.models import Job
from appcues_async.text import counted
from appcues_async.waiting.handle import JobHandle

__all__ = ["Outcome", "Report", "Retried", "Status", "failure_of"]

Status = Literal["completed", "accepted", "refused", "failed", "unknown"]
"""How a chunk ended, or how far it got.

Its job completed; it was accepted, and its job still runs; it was not accepted; its job failed; or
nothing says whether it was accepted.
"""


_SHOWN: Final = 5
"""Chunks, and rejected rows, whose reasons a summary gives."""


@frozen(kw_only=True)
class Retried:
    """The result of sending the rows of a failed chunk again, in parts (`retry_failed`).

    Attributes:
        jobs: How many more jobs that took.
        rejected: The numbers of the rows that the server rejected, each by a job of it alone.
        left: Rows that were not seen to be taken, of which nobody knows which are at fault.
    """

    jobs: int = 0
    rejected: tuple[int, ...] = ()
    left: int = 0


@frozen(kw_only=True)
class Outcome:
    """The end of one chunk.

    Attributes:
        chunk: Its number in the run, from 0.
        source: Where its rows are from.
        first: The number of its first row in that source, from 1.
        last: The number of its last row; rows between that were rejected are not in the chunk.
        rows: How many rows it has.
        size: Bytes that were sent.
        status: How it ended.
        handle: Its job, if it was accepted.
        error: What went wrong, if something did.
        seconds: From its turn to its end.
        resumed: Whether it was sent in an earlier run of the same journal, and not in this one.
        retried: What came of sending its rows again, where its job failed and that was asked for.
    """

    chunk: int
    source: str
    first: int
    last: int
    rows: int
    size: int
    status: Status
    handle: JobHandle | None = None
    error: AppcuesError | None = None
    seconds: float = 0
    resumed: bool = False
    retried: Retried | None = None

    @property
    def job(self) -> Job | None:
        """Its job as last seen."""
        return None if self.handle is None else self.handle.job

    @property
    def ingested(self) -> int:
        """Rows that its jobs say they have taken."""
        job = self.job
        if job is None or self.status not in {"completed", "failed"}:
            return 0
        taken = self.rows if self.status == "completed" else 0
        if job.ingestions_completed is not None:
            taken = job.ingestions_completed
        if self.retried is None:
            return taken
        sent_again = self.rows - self.rejected - self.retried.left
        return max(sent_again, min(taken, self.rows - self.rejected))

    @property
    def rejected(self) -> int:
        """Rows that the server is known to reject; see `Retried`."""
        return 0 if self.retried is None else len(self.retried.rejected)

    @property
    def lost(self) -> int:
        """Rows that are known not to have been taken, those that are `rejected` not among them."""
        match self.status:
            case "refused":
                return self.rows
            case "failed" | "completed":
                return max(0, self.rows - self.rejected - self.ingested)
            case _:
                return 0

    @property
    def failure(self) -> AppcuesError | None:
        """Why not every row of it was taken; None where all were, or may yet be."""
        if self.error is not None or self.handle is None or self.status != "completed":
            return self.error
        if self.retried is not None and not self.retried.left:
            return None
        return failure_of(self.handle, self.rows)


def failure_of(handle: JobHandle, rows: int) -> AppcuesError | None:
    """Why a job that has ended has not taken all of its rows; None if it has.

    Args:
        handle: The job.
        rows: How many rows it was sent.
    """
    try:
        handle.raise_for_failures()
    except AppcuesError as error:
        return error
    job = handle.job
    if job is None or job.ingestions_completed is None or job.ingestions_completed >= rows:
        return None
    missing = rows - job.ingestions_completed
    return RowsFailed(
        f"job {job.id} ({job.name}) completed, and {missing:,} of {counted(rows, 'row')} not among "
        "those that it says it took",
        job,
    )


@define(kw_only=True)
class Report:
    """A bulk run as a whole. Every count is of rows, save `bytes`, `chunks` and `empty`.

    Attributes:
        kind: What the rows are.
        rows: Rows read, the rejected ones included.
        bytes: Bytes sent and accepted.
        rejected: Rows that were not sent because something is wrong with them, and those of which a
            run with `retry_failed` has found that the server rejects them.
        rejects: The first 1,000 of these.
        empty: Sources without a row.
        outcomes: The chunks in their order, save those that had not been sent when a run was cancelled.
        seconds: How long the run took.
        read_to_end: Whether every chunk of its sources has had its turn.
        cancelled: Whether it was stopped before that, or before all its jobs had ended.
    """

    kind: str
    rows: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(factory=list, repr=False)
    empty: int = 0
    outcomes: list[Outcome] = field(factory=list, repr=False)
    seconds: float = 0
    read_to_end: bool = False
    cancelled: bool = False

    @property
    def chunks(self) -> int:
        """Chunks that were sent."""
        return len(self.outcomes)

    @property
    def bytes(self) -> int:
        """Bytes of the chunks that were accepted."""
        return sum(one.size for one in self.outcomes if one.handle is not None)

    @property
    def accepted(self) -> int:
        """Rows of the chunks that the server accepted, whatever became of their jobs."""
        return sum(one.rows for one in self.outcomes if one.handle is not None)

    @property
    def completed(self) -> int:
        """Rows that jobs say they have taken."""
        return sum(one.ingested for one in self.outcomes)

    @property
    def failed(self) -> int:
        """Rows that are known not to have been taken: refused, or failed by their job."""
        return sum(one.lost for one in self.outcomes)

    @property
    def unknown(self) -> int:
        """Rows of chunks of which nothing says whether they were accepted."""
        return sum(one.rows for one in self.outcomes if one.status == "unknown")

    @property
    def resumed(self) -> int:
        """Rows of chunks that were sent in an earlier run of the same journal, and not in this one."""
        return sum(one.rows for one in self.outcomes if one.resumed)

    @property
    def handles(self) -> list[JobHandle]:
        """The jobs of the chunks that were accepted."""
        return [one.handle for one in self.outcomes if one.handle is not None]

    @property
    def rows_per_second(self) -> float:
        """Rows read a second, the waiting for jobs included."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def failures(self) -> list[AppcuesError]:
        """The failures of its chunks, in their order."""
        found = [one.failure for one in self.outcomes]
        return [failure for failure in found if failure is not None]

    @property
    def ok(self) -> bool:
        """Whether the sources were read to their end and every row was taken.

        Rows of jobs that were not waited for (`wait=False`) count as taken.
        """
        whole = self.read_to_end and not self.cancelled
        return whole and not self.rejected and not self.failures

    def raise_for_failures(self) -> None:
        """Raises unless all went well.

        Raises:
            BulkFailed: Not every row was taken.
        """
        if self.ok:
            return
        failures = self.failures
        raise BulkFailed(f"not all {self.kind} were taken: {self.summary()}", self) from (
            failures[0] if failures else None
        )

    def summary(self) -> str:
        """The run in a few lines, for people."""
        lines = [
            f"{counted(self.rows, self.kind)} read in {self.seconds:.1f} s "
            f"({self.rows_per_second:,.0f} a second)",
            f"{counted(self.chunks, 'chunk')}, {counted(self.bytes, 'byte')} accepted",
            self._counts(),
        ]
        if self.empty:
            lines.append(
                f"{self.empty:,} {'source has' if self.empty == 1 else 'sources have'} no rows"
            )
        if self.resumed:
            lines.append(f"{self.resumed:,} of them had been sent in an earlier run")
        retried = [one.retried for one in self.outcomes if one.retried is not None]
        if jobs := sum(one.jobs for one in retried):
            found = sum(len(one.rejected) for one in retried)
            lines.append(
                f"{counted(jobs, 'more job')} found {counted(found, 'row')} that the server rejects"
            )
        if self.cancelled or not self.read_to_end:
            rest = "all its jobs had ended" if self.read_to_end else "the end of the source"
            lines.append(f"stopped before {rest}")
        failed = [(one, one.failure) for one in self.outcomes]
        reasons = [(one, failure) for one, failure in failed if failure is not None]
        lines += [
            f"chunk {one.chunk}, rows {one.first:,} to {one.last:,} of {one.source}: "
            f"{one.status}: {failure}"
            for one, failure in reasons[:_SHOWN]
        ]
        if len(reasons) > _SHOWN:
            lines.append(f"and {counted(len(reasons) - _SHOWN, 'more chunk')}")
        lines += [f"rejected: {one.where}: {one.reason}" for one in self.rejects[:_SHOWN]]
        if self.rejected > _SHOWN:
            lines.append(f"and {counted(self.rejected - _SHOWN, 'more rejected row')}")
        return "\n".join(lines)

    def as_row(self) -> dict[str, Any]:
        """The counts by name, as JSON takes them."""
        return {
            "kind": self.kind,
            "rows": self.rows,
            "bytes": self.bytes,
            "chunks": self.chunks,
            "accepted": self.accepted,
            "completed": self.completed,
            "failed": self.failed,
            "rejected": self.rejected,
            "unknown": self.unknown,
            "resumed": self.resumed,
            "empty": self.empty,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second, 1),
            "read_to_end": self.read_to_end,
            "cancelled": self.cancelled,
        }

    def _counts(self) -> str:
        counts: Sequence[tuple[str, int]] = (
            ("accepted", self.accepted),
            ("completed", self.completed),
            ("failed", self.failed),
            ("rejected", self.rejected),
            ("unknown", self.unknown),
        )
        return ", ".join(f"{count:,} {name}" for name, count in counts)
