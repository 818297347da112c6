"""`jobs`: listed, got and waited for."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.display import open_display
from appcues_async.cli.imports import Timeout
from appcues_async.cli.options import DEFAULTS, Options, open_client, seconds_of
from appcues_async.cli.output import as_row, show, show_one
from appcues_async.cli.waits import Followed, follow
from appcues_async.errors import InvalidInput
from appcues_async.models import Job

__all__ = ["app"]

app = App(name="jobs", help="Offline jobs: what uploads have become.")

COLUMNS = ("id", "name", "status", "started_at")
WAITED = ("job", "name", "seconds", "status", "ingested", "failed", "error")


@app.command(name="list")
async def list_(*, options: Options = DEFAULTS) -> None:
    """List the account's recent jobs.

    Example: appcues-async jobs list
    """
    async with open_client(options) as client:
        rows = [_without_events(job) for job in await client.jobs.list()]
        show(rows, options.output, COLUMNS)


@app.command
async def get(job_id: str, /, *, options: Options = DEFAULTS) -> None:
    """Show one job, its events included.

    Example: appcues-async jobs get 75d59048-7961-419b-95e2-018c708bdfe5 -o json
    """
    async with open_client(options) as client:
        job = await client.jobs.get(job_id)
        if options.output == "json":
            show_one(as_row(job), "json")
            return
        counts = {
            name: getattr(job, name)
            for name in ("ingestions_completed", "ingestions_failed", "requests_failed")
        }
        show_one({**_without_events(job), **counts}, options.output)


@app.command
async def wait(
    *jobs: Annotated[str, Parameter(help="Ids, urls or tokens of jobs.")],
    timeout: Timeout = None,  # noqa: ASYNC109 - of the jobs
    options: Options = DEFAULTS,
) -> None:
    """Wait until jobs have ended; exits with 6 if one of them failed.

    Example: appcues-async jobs wait JOB_ID --timeout 15m
    """
    seconds = seconds_of(timeout)
    if not jobs:
        raise InvalidInput("no job is given; name at least one by its id, url or token")
    display = open_display(options.quiet)
    async with open_client(options, display) as client:
        handles = [client.jobs.resume(job) for job in jobs]
        some = [Followed(handle.id, handle=handle) for handle in handles]
        await follow(some, display, options.output, timeout=seconds, columns=WAITED)


def _without_events(job: Job) -> dict[str, object]:
    return {name: value for name, value in as_row(job).items() if name != "events"}
