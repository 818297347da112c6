"""Batches that are kept aside, as the error of a flush."""

from __future__ import annotations

from collections.abc import Sequence

from appcues_async.bulk.report import Outcome, Report
from appcues_async.errors import AppcuesError, BulkFailed, OutcomeUnknown
from appcues_async.outbox.store import FailedBatch
from appcues_async.text import counted

__all__ = ["bulk_failed"]


def bulk_failed(aside: Sequence[FailedBatch]) -> BulkFailed:
    """Makes the error of rows that are kept aside."""
    outcomes = [_outcome_of(one) for one in aside]
    report = Report(
        kind="rows",
        rows=sum(one.rows for one in aside),
        outcomes=outcomes,
        read_to_end=True,
    )
    first, rows = aside[0], counted(report.rows, "row")
    return BulkFailed(
        f"{rows} of the outbox kept aside, the first {first.rows:,} ({first.kind}) "
        f"as {first.status}: {first.reason}; outbox.failed() lists them, and `appcues-async outbox "
        "retry` sends them again",
        report,
    )


def _outcome_of(failed: FailedBatch) -> Outcome:
    error: AppcuesError = AppcuesError(failed.reason)
    if failed.status == "unknown":
        error = OutcomeUnknown(failed.reason, chunk=failed.batch)
    return Outcome(
        chunk=failed.batch,
        source=f"outbox, {failed.kind}",
        first=1,
        last=failed.rows,
        rows=failed.rows,
        size=0,
        status=failed.status,
        error=error,
    )
