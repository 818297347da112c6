"""`import profiles`, `import events`: files of any size in, jobs out."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from appcues_async.cli.bulk import run_bulk
from appcues_async.cli.bulk_options import BULK_DEFAULTS, BulkOptions
from appcues_async.cli.inputs import source_of
from appcues_async.cli.options import DEFAULTS, InputFile, Options
from appcues_async.rows.kinds import EVENTS, PROFILES

__all__ = ["app"]

app: App = App(name="import", help="Upload profiles or events in bulk, and wait for their jobs.")

Files: TypeAlias = Annotated[
    InputFile,
    Parameter(
        help="CSV or NDJSON of any size, plain, gzip or zstd: paths, or URLs of objects, globs and "
        "folders; - is stdin."
    ),
]


@app.command(usage="Usage: appcues-async import profiles FILE... [OPTIONS]")
async def profiles(
    *files: Files, bulk: BulkOptions = BULK_DEFAULTS, options: Options = DEFAULTS
) -> None:
    """Upload profile updates, in as few jobs as they need.

    Every row needs user_id or userId; its other columns are attributes of that user.

    Example: appcues-async import profiles users.csv --rejects rejects.ndjson
    """
    await run_bulk(
        [*map(source_of, files)], PROFILES, lambda made: made.import_profiles, bulk, options
    )


@app.command(usage="Usage: appcues-async import events FILE... [OPTIONS]")
async def events(
    *files: Files, bulk: BulkOptions = BULK_DEFAULTS, options: Options = DEFAULTS
) -> None:
    """Upload events, in as few jobs as they need.

    Every row needs user_id or userId, name, and timestamp (ISO 8601 with a zone).

    Example: appcues-async import events events.ndjson.gz --timeout 30m
    """
    await run_bulk([*map(source_of, files)], EVENTS, lambda made: made.import_events, bulk, options)
