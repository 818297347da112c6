"""The result of a sync."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from appcues_async.bulk.rejects import Reject
from appcues_async.bulk.report import Report
from appcues_async.errors import AppcuesError, BulkFailed
from appcues_async.sync.difference import Counts
from appcues_async.text import counted

__all__ = ["SyncReport"]

_SHOWN: Final = 5
"""Failures, and rejected rows, whose reasons a summary gives."""


@define(kw_only=True)
class SyncReport:
    """A sync as a whole. Every count is of rows, save `requests`.

    Attributes:
        target: What was kept in step: `profiles`, or `segment` and its id.
        rows: Rows read, the rejected ones included.
        rejected: Rows that were not sent because something is wrong with them.
        rejects: The first 1,000 of these.
        counts: What the difference is.
        applied: Rows whose job has COMPLETED without a failure.
        first: Whether nothing was sent by this state before. Members of a segment that were added
            elsewhere stay, since no endpoint lists them.
        dry_run: Whether nothing was sent, and the state left as it was.
        refusal: Why this would be refused if it were no dry run, as a source that shrank; None if not.
        sends: The uploads: of what is new or differs, and of what is removed.
        samples: The first ids that are added, changed, in doubt or gone.
        missing: Ids that the state holds and the source does not, where they are only reported.
        missing_ids: The first 1,000 of these.
        seconds: How long it took.
    """

    target: str
    rows: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(factory=list, repr=False)
    counts: Counts = field(factory=Counts)
    applied: int = 0
    first: bool = False
    dry_run: bool = False
    refusal: str | None = None
    sends: list[Report] = field(factory=list, repr=False)
    samples: Mapping[str, Sequence[str]] = field(factory=dict, repr=False)
    missing: int = 0
    missing_ids: Sequence[str] = field(factory=list, repr=False)
    seconds: float = 0

    @property
    def is_segment(self) -> bool:
        """Whether it is of a segment."""
        return self.target.startswith("segment ")

    @property
    def unchanged(self) -> int:
        """Ids whose rows are as they were applied last."""
        return self.counts.unchanged

    @property
    def added(self) -> int:
        """Ids that are new."""
        return self.counts.added

    @property
    def changed(self) -> int:
        """Ids whose rows differ from what was applied last."""
        return self.counts.changed

    @property
    def resent(self) -> int:
        """Ids of which an earlier run has left it open whether their rows were applied."""
        return self.counts.in_doubt

    @property
    def removed(self) -> int:
        """Ids that are to be removed from the segment."""
        return self.counts.gone if self.is_segment else 0

    @property
    def duplicates(self) -> int:
        """Rows whose id came again later in the source; the last one counts."""
        return self.counts.duplicates

    @property
    def to_send(self) -> int:
        """Rows that had to be sent."""
        return self.added + self.changed + self.resent + self.removed

    @property
    def in_doubt(self) -> int:
        """Rows that are sent again next time, since nothing says that they were applied."""
        return 0 if self.dry_run else self.to_send - self.applied

    @property
    def requests(self) -> int:
        """Uploads that were sent."""
        return sum(one.chunks for one in self.sends)

    @property
    def ok(self) -> bool:
        """Whether no row was rejected, and all that had to be sent was applied."""
        return not self.rejected and not self.in_doubt

    @property
    def failures(self) -> list[AppcuesError]:
        """The failures of its uploads, in their order."""
        return [failure for one in self.sends for failure in one.failures]

    def raise_for_failures(self) -> None:
        """Raises unless all went well.

        Raises:
            BulkFailed: A row was rejected, or not all that had to be sent was applied.
        """
        if not self.ok:
            failures = self.failures
            raise BulkFailed(f"not all of {self.target} was taken: {self.summary()}", self) from (
                failures[0] if failures else None
            )

    def summary(self) -> str:
        """The sync in a few lines, for people."""
        verb = "would be sent" if self.dry_run else "sent"
        lines = [
            f"{counted(self.rows, 'row')} read in {self.seconds:.1f} s: {self.unchanged:,} unchanged, "
            f"{self.added:,} new, {self.changed:,} changed"
            + (f", {self.removed:,} to remove" if self.is_segment else "")
            + (f", {self.resent:,} to send again" if self.resent else ""),
            f"{counted(self.to_send, 'row')} {verb}"
            + (
                ""
                if self.dry_run
                else f" in {counted(self.requests, 'request')}, {self.applied:,} applied"
            ),
        ]
        if self.duplicates:
            again = counted(self.duplicates, "row")
            lines.append(f"{again} had an id that came again; the last one counts")
        if self.missing:
            gone = counted(self.missing, "id")
            lines.append(f"gone from the source, and left as before: {gone}")
        if self.first and self.is_segment:
            lines.append(
                "this state did not fill the segment: members that were added elsewhere stay, since "
                "no endpoint lists them"
            )
        if self.in_doubt:
            faulty = [
                one for send in self.sends for one in send.outcomes if one.failure is not None
            ]
            refused = bool(faulty) and all(one.status == "refused" for one in faulty)
            state = "refused" if refused else "in doubt"
            lines.append(f"{state}, and sent again next time: {counted(self.in_doubt, 'row')}")
        if self.refusal is not None:
            lines.append(f"would be refused: {self.refusal}")
        failures = self.failures
        lines += [f"failed: {failure}" for failure in failures[:_SHOWN]]
        if len(failures) > _SHOWN:
            lines.append(f"and {counted(len(failures) - _SHOWN, 'more failure')}")
        lines += [f"rejected: {one.where}: {one.reason}" for one in self.rejects[:_SHOWN]]
        if self.rejected > _SHOWN:
            lines.append(f"and {counted(self.rejected - _SHOWN, 'more rejected row')}")
        return "\n".join(lines)

    def as_row(self) -> dict[str, Any]:
        """The counts by name, as JSON takes them."""
        row: dict[str, Any] = {
            "target": self.target,
            "rows": self.rows,
            "unchanged": self.unchanged,
            "added": self.added,
            "changed": self.changed,
            "resent": self.resent,
            "removed": self.removed,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "missing": self.missing,
            "sent": 0 if self.dry_run else self.to_send,
            "applied": self.applied,
            "in_doubt": self.in_doubt,
            "requests": self.requests,
            "first": self.first,
            "dry_run": self.dry_run,
            "refusal": self.refusal,
            "seconds": round(self.seconds, 3),
        }
        return row
