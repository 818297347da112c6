"""`import profiles`, `import events`: files in, jobs out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.display import open_display
from appcues_async.cli.options import DEFAULTS, Options, open_client, seconds_of
from appcues_async.cli.waits import Followed, follow
from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import EVENTS, PROFILES, Kind
from appcues_async.rows.sources import Format, body_of

__all__ = ["app", "check_files"]

app = App(name="import", help="Upload profiles or events in bulk, and wait for their jobs.")

Wait = Annotated[
    bool, Parameter(help="Wait until the jobs have ended; else print their ids, urls and tokens.")
]
Timeout = Annotated[str | None, Parameter(help="Wait no longer than this, such as 90s, 15m or 2h.")]
FormatOption = Annotated[
    Format | None, Parameter(help="How the files are written, when their names do not say.")
]


@app.command
async def profiles(
    *files: Annotated[
        Path, Parameter(help="CSV or NDJSON files, of up to 200,000,000 bytes each.")
    ],
    format: FormatOption = None,  # noqa: A002 - the option's name
    wait: Wait = True,
    timeout: Timeout = None,  # noqa: ASYNC109 - of the jobs
    options: Options = DEFAULTS,
) -> None:
    """Upload profile updates, a job for each file.

    Every row needs user_id or userId; its other columns are attributes of that user.

    Example: appcues-async import profiles users.csv
    """
    await _upload(files, PROFILES, options, format=format, wait=wait, timeout=timeout)


@app.command
async def events(
    *files: Annotated[
        Path, Parameter(help="CSV or NDJSON files, of up to 200,000,000 bytes each.")
    ],
    format: FormatOption = None,  # noqa: A002 - the option's name
    wait: Wait = True,
    timeout: Timeout = None,  # noqa: ASYNC109 - of the jobs
    options: Options = DEFAULTS,
) -> None:
    """Upload events, a job for each file.

    Every row needs user_id or userId, name, and timestamp (ISO 8601 with a zone).

    Example: appcues-async import events events.ndjson --timeout 30m
    """
    await _upload(files, EVENTS, options, format=format, wait=wait, timeout=timeout)


async def check_files(files: tuple[Path, ...], kind: Kind, format: Format | None) -> list[int]:  # noqa: A002
    """Refuses what can be known to fail, before any file is sent; returns their sizes in bytes.

    Raises:
        InvalidInput: There are no files, or one of them is refused.
    """
    if not files:
        raise InvalidInput("no FILE is given; name at least one CSV or NDJSON file")
    return [(await body_of(file, kind, format=format)).size for file in files]


async def _upload(
    files: tuple[Path, ...],
    kind: Kind,
    options: Options,
    *,
    format: Format | None,  # noqa: A002
    wait: bool,
    timeout: str | None,  # noqa: ASYNC109
) -> None:
    seconds = seconds_of(timeout)
    sizes = await check_files(files, kind, format)
    display = open_display(options.quiet)
    async with open_client(options, display) as client:
        send = client.imports.profiles if kind is PROFILES else client.imports.events
        some = [
            Followed(str(file), partial(send, file, format=format), size)
            for file, size in zip(files, sizes, strict=True)
        ]
        await follow(some, display, options.output, wait=wait, timeout=seconds)
