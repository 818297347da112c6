"""`analytics`: questions, answered at once or in a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from appcues_async.cli.follow import Followed, check_download, follow
from appcues_async.cli.inputs import object_of
from appcues_async.cli.options import DEFAULTS, Options, Timeout, Wait, open_client, seconds_of
from appcues_async.cli.output import say, show
from appcues_async.cli.progress import open_display

__all__ = ["app"]

app: App = App(name="analytics", help="Questions to the account's analytics.")

COLUMNS = ("source", "seconds", "status", "job", "file")

SpecFile: TypeAlias = Annotated[
    str,
    Parameter(
        name="SPEC_FILE", allow_leading_hyphen=True, help="The question as JSON; - reads stdin."
    ),
]


@app.command
async def query(spec_file: SpecFile, /, *, options: Options = DEFAULTS) -> None:
    """Ask a question and have it answered at once, 1,000 rows at the most.

    The question is a JSON object of metrics and dimensions, or of columns; start_time, end_time,
    conditions and more.

    Example: appcues-async analytics query question.json -o csv
    """
    spec = object_of(spec_file)
    async with open_client(options) as client:
        rows = await client.analytics.query(spec)
        show(rows, options.output)
        if rows.truncated:
            say("there are more rows than these; `analytics export` has them all")


@app.command
async def export(
    spec_file: SpecFile,
    /,
    *,
    download: Annotated[Path | None, Parameter(help="Write the file here.")] = None,
    wait: Wait = True,
    timeout: Timeout = None,  # noqa: ASYNC109 - of the job
    options: Options = DEFAULTS,
) -> None:
    """Ask a question and have it answered in a file, however many rows it takes.

    Without --download, or with --no-wait, `jobs download TOKEN PATH` fetches the file.

    Example: appcues-async analytics export question.json --download answer.ndjson
    """
    seconds = seconds_of(timeout)
    check_download(download, wait=wait)
    spec = object_of(spec_file)
    display = open_display(options.quiet, options.output)
    async with open_client(options, display) as client:
        one = Followed(
            "analytics" if spec_file == "-" else spec_file,
            partial(client.analytics.export, spec),
            path=download,
        )
        await follow([one], display, options, wait=wait, timeout=seconds, columns=COLUMNS)
