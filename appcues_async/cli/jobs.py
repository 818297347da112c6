"""`jobs`: listed, got and waited for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.follow import Followed, follow
from appcues_async.cli.job_table import JobTable, open_job_table
from appcues_async.cli.options import DEFAULTS, Id, Options, Timeout, open_client, seconds_of
from appcues_async.cli.output import show, show_one
from appcues_async.cli.progress import open_display
from appcues_async.errors import InvalidInput
from appcues_async.models import Job, as_row, without_links
from appcues_async.notices import JobChanged

__all__ = ["app"]

app: App = App(name="jobs", help="Offline jobs: what uploads have become.")

COLUMNS = ("id", "name", "status", "started_at")
WAITED = ("job", "name", "seconds", "status", "ingested", "failed")
DOWNLOADED = ("job", "name", "seconds", "status", "file")


@app.command(name="list")
async def list_(*, options: Options = DEFAULTS) -> None:
    """List the account's recent jobs.

    Example: appcues-async jobs list
    """
    async with open_client(options) as client:
        rows = [_without_events(job) for job in await client.jobs.list()]
        show(rows, options.output, COLUMNS)


@app.command
async def get(job_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Show one job, its events included.

    Example: appcues-async jobs get 75d59048-7961-419b-95e2-018c708bdfe5 -o json
    """
    async with open_client(options) as client:
        # Whoever sees a link to a file can fetch it, so it stays out of terminals and logs.
        job = without_links(await client.jobs.get(job_id))
        if options.output == "json":
            show_one(as_row(job), "json")
            return
        counts = {
            name: getattr(job, name)
            for name in ("ingestions_completed", "ingestions_failed", "requests_failed")
        }
        show_one({**_without_events(job), **counts}, options.output)


@app.command(usage="Usage: appcues-async jobs wait JOB... [OPTIONS]")
async def wait(
    *jobs: Annotated[Id, Parameter(help="Ids, urls or tokens of jobs.")],
    timeout: Timeout = None,  # noqa: ASYNC109 - of the jobs
    options: Options = DEFAULTS,
) -> None:
    """Wait until jobs have ended; exits with 6 if one of them failed.

    When the time is over, or on Ctrl-C, the tokens of those that still run are written to stderr.

    Example: appcues-async jobs wait JOB_ID --timeout 15m
    """
    seconds = seconds_of(timeout)
    if not jobs:
        raise InvalidInput("no job is given; name at least one by its id, url or token")
    display = open_job_table(options.quiet, options.output)
    async with open_client(options, display) as client:
        handles = [client.jobs.resume(job) for job in jobs]
        if isinstance(display, JobTable):
            display.expect(handle.id for handle in handles)
        if options.dry_run:
            # What waiting begins with; a wait would go on until it had an answer.
            await (client.jobs.list() if len(handles) > 1 else handles[0].wait())
        some = [Followed(handle.id, handle=handle) for handle in handles]
        await follow(some, display, options, timeout=seconds, columns=WAITED)


@app.command
async def watch(
    *,
    every: Annotated[str, Parameter(help="How often to look, such as 5s or 1m.")] = "5s",
    idle: Annotated[
        bool, Parameter(negative="", show_default=False, help="Stop once no job is running.")
    ] = False,
    options: Options = DEFAULTS,
) -> None:
    """Follow the account's running jobs, whoever started them, until Ctrl-C.

    Jobs that had ended before the first look are left out.

    Example: appcues-async jobs watch --every 10s
    """
    pause = seconds_of(every) or 0
    if pause < 1:
        raise InvalidInput(f"--every is {every!r}; it must be at least 1s")
    display = open_job_table(options.quiet, options.output)
    known: dict[str, str] = {}
    async with open_client(options, display) as client:
        old = {job.id for job in await client.jobs.list() if job.ended}
        # Ctrl-C is how it ends: the jobs seen so far are shown then.
        with suppress(asyncio.CancelledError), display:
            while True:
                jobs = [job for job in await client.jobs.list() if job.id not in old]
                for job in jobs:
                    if known.get(job.id) != job.status:
                        known[job.id] = job.status
                        # Of one that has ended, its counts are wanted, which the list leaves out.
                        display(JobChanged(await client.jobs.get(job.id) if job.ended else job))
                if idle and all(job.ended for job in jobs):
                    break
                await asyncio.sleep(pause)
    rows = [{"id": job, "status": status} for job, status in known.items()]
    show(rows, options.output, ("id", "status"))


@app.command
async def download(
    job: Annotated[Id, Parameter(help="The url or token of an export's job.")],
    path: Path,
    /,
    *,
    timeout: Timeout = None,  # noqa: ASYNC109 - of the job
    options: Options = DEFAULTS,
) -> None:
    """Wait until an export has ended, and write its file to PATH.

    The file of an event export comes by e-mail; the API may or may not show a link to it as well.

    Example: appcues-async jobs download JOB_URL answer.ndjson
    """
    seconds = seconds_of(timeout)
    display = open_display(options.quiet, options.output)
    async with open_client(options, display) as client:
        handle = client.jobs.resume(job)
        if options.dry_run:
            await handle.wait()
        one = Followed(handle.id, handle=handle, path=path)
        await follow([one], display, options, timeout=seconds, columns=DOWNLOADED)


def _without_events(job: Job) -> dict[str, object]:
    return {name: value for name, value in as_row(without_links(job)).items() if name != "events"}
