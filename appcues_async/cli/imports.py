"""`import profiles`, `import events`: files in, jobs out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from appcues_async.cli.display import open_display
from appcues_async.cli.options import (
    DEFAULTS,
    Options,
    Timeout,
    Wait,
    open_client,
    seconds_of,
)
from appcues_async.cli.waits import Followed, follow
from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import EVENTS, PROFILES, Kind
from appcues_async.rows.sources import Format, body_of

__all__ = ["FormatOption", "app", "check_files"]

app: App = App(name="import", help="Upload profiles or events in bulk, and wait for their jobs.")

_NAMED: Final = 5
"""How many refused files one message explains."""

FormatOption = Annotated[
    Format | None, Parameter(help="How the files are written, when their names do not say.")
]


@app.command(usage="Usage: appcues-async import profiles FILE... [OPTIONS]")
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


@app.command(usage="Usage: appcues-async import events FILE... [OPTIONS]")
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
    sizes: list[int] = []
    refused: list[str] = []
    for file in files:
        try:
            sizes.append((await body_of(file, kind, format=format)).size)
        except InvalidInput as error:
            refused.append(str(error))
    if refused:
        if len(files) == 1:
            raise InvalidInput(refused[0])
        more = f"; and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        raise InvalidInput(
            f"{len(refused)} of {len(files)} files are refused, and nothing was sent: "
            f"{'; '.join(refused[:_NAMED])}{more}"
        )
    return sizes


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
    display = open_display(options.quiet, options.output)
    async with open_client(options, display) as client:
        send = client.imports.profiles if kind is PROFILES else client.imports.events
        some = [
            Followed(str(file), partial(send, file, format=format), size)
            for file, size in zip(files, sizes, strict=True)
        ]
        await follow(some, display, options, wait=wait, timeout=seconds)
