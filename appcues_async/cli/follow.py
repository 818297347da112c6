"""Jobs that a command has started or taken up: followed to their ends, and shown."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from attrs import define, field

from appcues_async.cli.failures import failure_of, message_of
from appcues_async.cli.options import Options, resume_command
from appcues_async.cli.output import print_lines, say, show, show_each, show_one
from appcues_async.cli.progress import UPLOADING, Display, Label
from appcues_async.errors import AppcuesError, InvalidInput, JobPending
from appcues_async.models import IN_PROGRESS, QUEUED
from appcues_async.waiting.address import ANALYTICS
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.rehearsal import NothingSent

__all__ = [
    "COLUMNS",
    "Followed",
    "check_download",
    "follow",
    "follow_all",
    "job_row",
    "show_outcomes",
    "status_of",
    "tell_of_running",
]

AWAKE: Final = 0.2
"""Seconds after which Ctrl-C is seen at the latest."""
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

    def row(self) -> dict[str, Any]:
        """Its values by name, the same ones however far it is."""
        handle = self.handle
        job = handle and handle.job
        status = "NOT STARTED" if handle is None else None
        if handle is not None and (job is not None or self.running):
            status = status_of(handle)
        row = {
            "source": self.source,
            "job": job_row(handle),
            "name": job and job.name,
            "rows": self.rows,
            "bytes": self.size,
            "seconds": round(self.seconds, 1),
            "status": status,
            "ingested": job and job.ingestions_completed,
            "failed": job and job.ingestions_failed,
            "error": None if self.error is None else message_of(self.error),
        }
        if self.path is not None:
            row["file"] = None if self.error else str(self.path)
        return row


def status_of(handle: JobHandle) -> str:
    """Returns a job's status in the API's words: as last seen, else the one that it starts with."""
    if handle.job is not None:
        return handle.job.status
    return QUEUED if handle.kind == ANALYTICS else IN_PROGRESS


def job_row(handle: JobHandle | None) -> dict[str, str] | None:
    """Returns id, url and token of a job: in JSON always `.outcomes[].job`."""
    if handle is None:
        return None
    return {"id": handle.id, "url": handle.url, "token": handle.token}


def show_outcomes(
    rows: Sequence[dict[str, Any]],
    options: Options,
    *,
    wait: bool,
    columns: Sequence[str],
    spare: Sequence[str] = (),
    whole: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Shows what became of each upload or job.

    Args:
        rows: Their values by name.
        options: How.
        wait: Whether they were waited for; else the url and token of each are what counts.
        columns: Of a table.
        spare: Columns that a narrow one does without.
        whole: What JSON says beside them.
    """
    if options.output == "json":
        show_one({**whole, "outcomes": rows}, "json")
    elif options.output == "csv":
        show(rows, "csv", columns)
    elif wait:
        show(
            [{**row, "job": row["job"] and row["job"]["id"]} for row in rows],
            "table",
            columns,
            spare,
        )
    else:
        first = [name for name in ("chunk", "source", "rows", "status") if rows and name in rows[0]]
        show_each(
            (
                {**{name: row[name] for name in first}, **(row["job"] or {"error": row["error"]})}
                for row in rows
            ),
            "table",
        )


def check_download(path: Path | None, *, wait: bool) -> None:
    """Refuses to write a file that nobody waits for.

    Raises:
        InvalidInput: That is what was asked for.
    """
    if path is not None and not wait:
        raise InvalidInput(
            "--download and --no-wait exclude each other; `jobs download TOKEN PATH` fetches it later"
        )


async def follow_all(
    work: Sequence[Coroutine[Any, Any, None]], display: Display, stopped: Callable[[], None]
) -> None:
    """Runs everything to its end, with its progress on display.

    Args:
        work: What is under way; it keeps its results itself.
        display: Shows the progress.
        stopped: Says what is still under way, where the command is ended early.
    """
    try:
        with display:
            awake = asyncio.create_task(_stay_awake())
            try:
                async with asyncio.TaskGroup() as group:
                    for one in work:
                        group.create_task(one)
            finally:
                awake.cancel()
    except BaseException:
        stopped()
        raise


async def _stay_awake() -> None:
    """Wakes the loop now and then.

    A Ctrl-C that comes just before the loop begins to wait is only seen once something ends that wait,
    and a pipe may say nothing for hours.
    """
    while True:  # noqa: ASYNC110 - there is nothing else to wait for
        await asyncio.sleep(AWAKE)


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

    def stopped() -> None:
        _tell_of_the_unanswered(some)
        _tell_of_the_rest(some, options)

    await follow_all([one.run(wait=wait, timeout=timeout) for one in some], display, stopped)
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
    rows = [one.row() for one in some]
    show_outcomes(rows, options, wait=wait, columns=columns)
    if options.output == "table" and wait and len(some) > 1:
        # Of one alone, the line that ends the command says it.
        print_lines(f"{row['source']}: {row['error']}" for row in rows if row["error"])
