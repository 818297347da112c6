"""Jobs that a command has started or taken up: followed to their ends, and shown."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from appcues_async.cli.dry_run import NothingSent
from appcues_async.cli.failures import failure_of, message_of
from appcues_async.cli.options import Options, resume_command
from appcues_async.cli.output import print_lines, say, show, show_each
from appcues_async.cli.progress import UPLOADING, Display, Label
from appcues_async.errors import AppcuesError, InvalidInput, JobPending
from appcues_async.waiting.handle import JobHandle

__all__ = ["COLUMNS", "Followed", "check_download", "follow", "tell_of_running"]

COLUMNS = ("source", "bytes", "seconds", "status", "ingested", "failed", "job")


@define(eq=False)
class Followed:
    """One upload, or one job, on its way.

    Attributes:
        source: What it is, for people.
        start: Starts the job; None for one that was started before.
        size: Bytes uploaded, where something is.
        rows: Rows uploaded, where that is known.
        handle: The job, once it was accepted.
        path: Where to write the file that the job makes, if it is to be fetched.
        error: What went wrong.
        rehearsed: Whether nothing was sent, as was asked for.
        seconds: From the start of the upload to the end of the job.
    """

    source: str
    start: Callable[[], Coroutine[Any, Any, JobHandle]] | None = None
    size: int | None = None
    rows: int | None = None
    handle: JobHandle | None = None
    path: Path | None = None
    error: AppcuesError | None = field(default=None, init=False)
    rehearsed: bool = field(default=False, init=False)
    seconds: float = field(default=0, init=False)

    async def run(self, *, wait: bool, timeout: float | None) -> None:  # noqa: ASYNC109 - a job's
        """Starts it and follows it to its end; what goes wrong is kept, not raised."""
        began = time.monotonic()
        if self.start is not None:
            UPLOADING.set(Label(self.source))
        try:
            if self.start is not None:
                self.handle = await self.start()
            if wait and self.handle is not None:
                await self.handle.wait(timeout)
                self.handle.raise_for_failures()
                if self.path is not None:
                    await self.handle.download(self.path)
        except AppcuesError as error:
            self.error = error
        except NothingSent:
            self.rehearsed = True
        finally:
            self.seconds = time.monotonic() - began

    @property
    def running(self) -> bool:
        """Whether the job was started and may still run, as far as is known."""
        if self.handle is None or self.handle.done():
            return False
        return self.error is None or isinstance(self.error, JobPending)

    def row(self, *, waited: bool) -> dict[str, Any]:
        """What is shown of it."""
        handle = self.handle
        error = None if self.error is None else message_of(self.error)
        if handle is None:
            return {"source": self.source, "status": "NOT STARTED", "error": error}
        if not waited:
            return {
                "source": self.source,
                "id": handle.id,
                "url": handle.url,
                "token": handle.token,
            }
        job = handle.job
        row = {
            "source": self.source,
            "job": handle.id,
            "name": job.name if job else None,
            "rows": self.rows,
            "bytes": self.size,
            "seconds": round(self.seconds, 1),
            "status": job.status if job else None,
            "ingested": job.ingestions_completed if job else None,
            "failed": job.ingestions_failed if job else None,
            "error": error,
        }
        if self.path is not None:
            row["file"] = None if self.error else str(self.path)
        return row


def check_download(path: Path | None, *, wait: bool) -> None:
    """Refuses to write a file that nobody waits for.

    Raises:
        InvalidInput: That is what was asked for.
    """
    if path is not None and not wait:
        raise InvalidInput(
            "--download and --no-wait exclude each other; `jobs download TOKEN PATH` fetches it later"
        )


async def follow(
    some: Sequence[Followed],
    display: Display,
    options: Options,
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
        NothingSent: That is what was asked for.
    """
    try:
        with display:
            async with asyncio.TaskGroup() as group:
                for one in some:
                    group.create_task(one.run(wait=wait, timeout=timeout))
    except asyncio.CancelledError:
        _tell_of_the_unanswered(some)
        _tell_of_the_rest(some, options)
        raise
    if any(one.rehearsed for one in some):
        raise NothingSent
    if wait:
        _tell_of_the_rest(some, options)
    _show(some, options, wait=wait, columns=columns)
    failure = failure_of([one.error for one in some if one.error is not None], len(some), "jobs")
    if failure is not None:
        raise failure


def _tell_of_the_rest(some: Sequence[Followed], options: Options) -> None:
    tell_of_running([one.handle for one in some if one.handle and one.running], options)


def tell_of_running(handles: Sequence[JobHandle], options: Options) -> None:
    """Writes how to go on waiting for jobs that still run, in words that a shell takes as they are."""
    command = resume_command(options)
    if handles and command is not None:
        say(f"still running; go on with: {command} TOKEN...")
        for handle in handles:
            say(shlex.quote(handle.token))


def _tell_of_the_unanswered(some: Sequence[Followed]) -> None:
    for one in some:
        if one.handle is None and one.error is None and not one.rehearsed:
            say(
                f"{one.source}: stopped before it was known to be accepted; "
                "its job may be in: appcues-async jobs list"
            )


def _show(
    some: Sequence[Followed], options: Options, *, wait: bool, columns: Sequence[str]
) -> None:
    rows = [one.row(waited=wait) for one in some]
    if not wait:
        show_each(rows, options.output)
        return
    show(rows, options.output, columns)
    if options.output == "table" and len(some) > 1:
        # Of one alone, the line that ends the command says it.
        print_lines(f"{row['source']}: {row['error']}" for row in rows if row["error"])
