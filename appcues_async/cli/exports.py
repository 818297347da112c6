"""`exports`: events in bulk, as a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.api.exports import ExportFormat
from appcues_async.cli.conditions import conditions_of
from appcues_async.cli.follow import Followed, check_download, follow
from appcues_async.cli.options import DEFAULTS, Options, Timeout, Wait, open_client, seconds_of
from appcues_async.cli.progress import open_display

__all__ = ["app"]

app: App = App(name="exports", help="Events in bulk, as a file.")

COLUMNS = ("source", "seconds", "status", "job", "file")


@app.command
async def events(
    *,
    start: Annotated[
        str, Parameter(help="The beginning: a date, ISO 8601, or milliseconds since 1970.")
    ],
    end: Annotated[str | None, Parameter(help="The end, likewise.")] = None,
    email: Annotated[
        list[str] | None,
        Parameter(negative="", help="Where to send the link to the file; may be repeated."),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        ExportFormat, Parameter(help="How the file is written.")
    ] = "csv",
    condition: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="Which events, such as 'name like appcues%'; may be repeated, and all must hold.",
        ),
    ] = None,
    conditions: Annotated[
        str | None, Parameter(help="The same as the JSON list that the API takes.")
    ] = None,
    time_zone: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="The zone of times in the file, such as -04:00; else UTC.",
        ),
    ] = None,
    limit: Annotated[int | None, Parameter(help="How many events, up to 10,000,000.")] = None,
    offset: Annotated[int | None, Parameter(help="How many to leave out first.")] = None,
    download: Annotated[
        Path | None, Parameter(help="Write the file here, where the job shows a link to it.")
    ] = None,
    wait: Wait = True,
    timeout: Timeout = None,  # noqa: ASYNC109 - of the job
    options: Options = DEFAULTS,
) -> None:
    """Export events to a file; a link to it comes by e-mail.

    Example: appcues-async exports events --email harriet@example.com --start 2026-08-11
    """
    seconds = seconds_of(timeout)
    check_download(download, wait=wait)
    asked = conditions_of(condition or (), conditions)
    display = open_display(options.quiet, options.output)
    async with open_client(options, display) as client:
        start_export = partial(
            client.exports.events,
            email=email,
            format=format,
            conditions=asked,
            start_time=_moment(start),
            end_time=None if end is None else _moment(end),
            time_zone=time_zone,
            limit=limit,
            offset=offset,
        )
        one = Followed("events", start_export, path=download)
        await follow([one], display, options, wait=wait, timeout=seconds, columns=COLUMNS)


def _moment(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdecimal() else text
