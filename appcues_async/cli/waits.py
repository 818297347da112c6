"""Jobs that a command has started or taken up: followed to their ends, and shown."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from attrs import define, field

from appcues_async.cli.display import Display
from appcues_async.cli.failures import failure_of
from appcues_async.cli.output import Form, show
from appcues_async.errors import AppcuesError
from appcues_async.waiting.handle import JobHandle

__all__ = ["COLUMNS", "Followed", "follow"]

COLUMNS = ("source", "job", "bytes", "seconds", "status", "ingested", "failed", "error")


@define(eq=False)
class Followed:
    """One upload, or one job, on its way.

    Attributes:
        source: What it is, for people.
        start: Starts the job; None for one that was started before.
        size: Bytes uploaded, where something is.
        rows: Rows uploaded, where that is known.
        handle: The job, once it was accepted.
        error: What went wrong.
        seconds: From the start of the upload to the end of the job.
    """

    source: str
    start: Callable[[], Coroutine[Any, Any, JobHandle]] | None = None
    size: int | None = None
    rows: int | None = None
    handle: JobHandle | None = None
    error: AppcuesError | None = None
    seconds: float = field(default=0, init=False)

    async def run(self, *, wait: bool, timeout: float | None) -> None:  # noqa: ASYNC109 - a job's
        """Starts it and follows it to its end; what goes wrong is kept, not raised."""
        began = time.monotonic()
        try:
            if self.start is not None:
                self.handle = await self.start()
            if wait and self.handle is not None:
                await self.handle.wait(timeout)
                self.handle.raise_for_failures()
        except AppcuesError as error:
            self.error = error
        finally:
            self.seconds = time.monotonic() - began

    def row(self, *, waited: bool) -> dict[str, Any]:
        """What is shown of it."""
        handle = self.handle
        if handle is None:
            return {"source": self.source, "status": "NOT STARTED", "error": str(self.error)}
        if not waited:
            return {
                "source": self.source,
                "id": handle.id,
                "url": handle.url,
                "token": handle.token,
            }
        job = handle.job
        return {
            "source": self.source,
            "job": handle.id,
            "name": job.name if job else None,
            "rows": self.rows,
            "bytes": self.size,
            "seconds": round(self.seconds, 1),
            "status": job.status if job else None,
            "ingested": job.ingestions_completed if job else None,
            "failed": job.ingestions_failed if job else None,
            "error": None if self.error is None else str(self.error),
        }


async def follow(
    some: Sequence[Followed],
    display: Display,
    form: Form,
    *,
    wait: bool = True,
    timeout: float | None = None,  # noqa: ASYNC109 - of the jobs, not of a call
    columns: Sequence[str] = COLUMNS,
) -> None:
    """Follows all at once, shows what each did, and fails if one did.

    When it is interrupted or its time is over, the tokens of jobs that still run are written to stderr,
    so that the wait can go on elsewhere.

    Raises:
        CommandFailed: Something did not go well.
    """
    try:
        with display:
            async with asyncio.TaskGroup() as group:
                for one in some:
                    group.create_task(one.run(wait=wait, timeout=timeout))
    finally:
        running = [one.handle for one in some if one.handle and not one.handle.done()]
        if running and (wait or sys.exc_info()[0] is not None):
            print("still running; go on with: appcues-async jobs wait TOKEN...", file=sys.stderr)
            for handle in running:
                print(handle.token, file=sys.stderr, flush=True)
    shown = [name for name in columns if name != "error" or any(one.error for one in some)]
    show(
        [one.row(waited=wait) for one in some],
        form,
        shown if wait else ("source", "id", "url", "token"),
    )
    failure = failure_of([one.error for one in some if one.error is not None], len(some), "jobs")
    if failure is not None:
        raise failure
