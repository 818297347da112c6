"""`outbox`: what outboxes hold, and what is kept aside in them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from appcues_async.cli.options import Output
from appcues_async.cli.output import print_lines, show, show_one
from appcues_async.errors import InvalidInput
from appcues_async.outbox.settling import ShownOutbox, read_outbox, retry_batches, settle_batch
from appcues_async.outbox.store import FailedBatch
from appcues_async.text import counted

__all__ = ["app"]

app: App = App(name="outbox", help="Outboxes: what waits to be sent, and what is kept aside.")

_SENT_BY: Final = (
    "sent again by the process that has the outbox open, or by the next one that opens it"
)
_FAILED: Final = ("batch", "kind", "rows", "status", "job", "at", "reason")


@app.command(name="show")
async def show_(
    file: Annotated[Path, Parameter(help="The outbox's file.")],
    /,
    *,
    rows: Annotated[
        bool, Parameter(negative=(), help="Show the first 100 rows of each too.")
    ] = False,
    output: Output = "table",
) -> None:
    """Show how many rows an outbox holds, and the batches that are kept aside, each with its reason.

    A batch is refused, failed (its job did not take all rows) or unknown (nothing says whether it was
    accepted). Nothing is sent, and no credentials are needed; who has the outbox open is not disturbed.
    CSV has the batches.

    Example: appcues-async outbox show outbox.db
    """
    shown = await asyncio.to_thread(read_outbox, file)
    about, failed = _about(shown), [_failed(one) for one in shown.failed]
    samples = [{"batch": one.batch, "row": row} for one in shown.failed for row in one.sample]
    match output:
        case "json":
            show_one({**about, "batches": failed, **({"rows": samples} if rows else {})}, "json")
        case "csv":
            show(failed, "csv", _FAILED)
        case _:
            show_one(about, "table")
            if failed:
                print_lines(["", "kept aside"])
                show(failed, "table", _FAILED)
            if samples and rows:
                print_lines([""])
                show(samples, "table", ("batch", "row"))


@app.command
async def retry(
    file: Annotated[Path, Parameter(help="The outbox's file.")],
    batch: Annotated[int | None, Parameter(help="One batch; all when left out.")] = None,
    /,
    *,
    resend: Annotated[bool, Parameter(negative=(), help="It was not applied; send it.")] = False,
    applied: Annotated[bool, Parameter(negative=(), help="It was applied; let it go.")] = False,
) -> None:
    """Send again what is kept aside: by the process that has the outbox open, or by the next one.

    Without a number these are the batches of which nothing is doubled by that: refused ones, those
    whose job has taken no row, and profile updates. Of any other, say what became of it: --resend or
    --applied.
    Nothing is sent from here, and no credentials are needed.

    Example: appcues-async outbox retry outbox.db
    """
    if batch is None:
        if resend or applied:
            raise InvalidInput("name the batch; only you can know what became of it")
        again, left = await asyncio.to_thread(retry_batches, file)
        print_lines(_retried(again, left))
        return
    if applied == resend:
        raise InvalidInput("give one of --applied and --resend; only you can know which is right")
    settled = await asyncio.to_thread(settle_batch, file, batch, applied=applied)
    what = "applied, and let go" if applied else _SENT_BY
    print_lines([f"batch {batch}, {counted(settled.rows, settled.kind)}: {what}"])


def _retried(again: Sequence[FailedBatch], left: Sequence[FailedBatch]) -> list[str]:
    rows = counted(sum(one.rows for one in again), "row")
    lines = [
        f"{rows} of {counted(len(again), 'batch')}: {_SENT_BY if again else 'nothing to send'}"
    ]
    if left:
        numbers = ", ".join(str(one.batch) for one in left)
        rows = counted(sum(one.rows for one in left), "row")
        lines.append(
            f"{rows} kept aside, which may have been applied; say what became of each batch with "
            f"--resend or --applied: batches {numbers}"
        )
    return lines


def _about(shown: ShownOutbox) -> dict[str, Any]:
    oldest = shown.about["oldest"]
    return {
        **shown.about,
        "oldest": None if oldest is None else datetime.fromtimestamp(oldest, UTC),
    }


def _failed(failed: FailedBatch) -> dict[str, Any]:
    return {name: getattr(failed, name) for name in _FAILED}
