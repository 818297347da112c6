"""`segments`: made, changed, filled and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.bulk import run_bulk
from appcues_async.cli.bulk_options import BULK_DEFAULTS, BulkOptions
from appcues_async.cli.confirm import confirm
from appcues_async.cli.inputs import InputSource, one_way, source_of, split_ids
from appcues_async.cli.options import (
    DEFAULTS,
    Id,
    InputFile,
    Options,
    UserIds,
    Yes,
    asks_first,
    open_client,
)
from appcues_async.cli.output import show, show_one
from appcues_async.models import as_row
from appcues_async.rows.kinds import USER_IDS

__all__ = ["app"]

app: App = App(name="segments", help="Segments of users.")

SegmentId = Annotated[Id, Parameter(help="The segment's id.")]
IdsFile = Annotated[
    InputFile,
    Parameter(
        help="User ids, CSV of one column or NDJSON, of any size: paths or URLs; - is stdin."
    ),
]

COLUMNS = ("id", "name", "description", "updated_at")


@app.command(name="list")
async def list_(*, options: Options = DEFAULTS) -> None:
    """List all segments.

    Example: appcues-async segments list -o csv
    """
    async with open_client(options) as client:
        show(map(as_row, await client.segments.list()), options.output, COLUMNS)


@app.command
async def get(segment_id: SegmentId, /, *, options: Options = DEFAULTS) -> None:
    """Show one segment.

    Example: appcues-async segments get -MEK2A2q927bUIuhpIFT
    """
    async with open_client(options, segment_id=segment_id) as client:
        show_one(as_row(await client.segments.get(segment_id)), options.output)


@app.command
async def create(
    name: Annotated[str | None, Parameter(help="Its name.")] = None,
    /,
    *,
    named: Annotated[
        str | None, Parameter(name="--name", help="Its name, where it is not given before.")
    ] = None,
    description: str | None = None,
    options: Options = DEFAULTS,
) -> None:
    """Make a segment.

    Example: appcues-async segments create "Beta testers" --description "All of them"
    """
    title = one_way("the name", name, "--name", named)
    async with open_client(options) as client:
        show_one(as_row(await client.segments.create(title, description)), options.output)


@app.command
async def update(
    segment_id: SegmentId,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    options: Options = DEFAULTS,
) -> None:
    """Change a segment's name or description.

    Example: appcues-async segments update SEGMENT_ID --name "Best friends"
    """
    async with open_client(options, segment_id=segment_id) as client:
        segment = await client.segments.update(segment_id, name=name, description=description)
        show_one(as_row(segment), options.output)


@app.command
def delete(
    segment_id: SegmentId,
    /,
    *,
    yes: Yes = False,
    options: Options = DEFAULTS,
) -> None:
    """Delete a segment for good.

    Example: appcues-async segments delete SEGMENT_ID --yes
    """
    confirm(f"delete segment {segment_id} for good", options, yes=yes)
    asyncio.run(_delete(segment_id, options))


async def _delete(segment_id: str, options: Options) -> None:
    async with open_client(options, segment_id=segment_id) as client:
        await client.segments.delete(segment_id)
        show_one({"id": segment_id, "deleted": True}, options.output)


@app.command
async def add_users(
    segment_id: SegmentId,
    file: IdsFile | None = None,
    /,
    *,
    user_ids: UserIds = (),
    bulk: BulkOptions = BULK_DEFAULTS,
    options: Options = DEFAULTS,
) -> None:
    """Add the users of a file, or those that are named, to a segment.

    The file is a CSV of one column, or NDJSON with each id in double quotes.

    Example: appcues-async segments add-users SEGMENT_ID ids.csv
    """
    await run_bulk(
        _source_of(file, user_ids),
        USER_IDS,
        lambda made: made.add_user_ids,
        bulk,
        options,
        segment_id=segment_id,
    )


@app.command
def remove_users(
    segment_id: SegmentId,
    file: IdsFile | None = None,
    /,
    *,
    user_ids: UserIds = (),
    yes: Yes = False,
    bulk: BulkOptions = BULK_DEFAULTS,
    options: Options = DEFAULTS,
) -> None:
    """Remove the users of a file from a segment that they were added to in this way.

    Example: appcues-async segments remove-users SEGMENT_ID ids.csv
    """
    source = _source_of(file, user_ids)
    if asks_first(options):
        confirm(f"remove users from segment {segment_id}", options, yes=yes)
    asyncio.run(
        run_bulk(
            source,
            USER_IDS,
            lambda made: made.remove_user_ids,
            bulk,
            options,
            segment_id=segment_id,
        )
    )


def _source_of(file: str | None, user_ids: Sequence[str]) -> Sequence[InputSource | str]:
    """The file, or the ids that are named.

    Raises:
        InvalidInput: Both are given, or neither.
    """
    files: Sequence[InputSource | str] | None = None if file is None else [source_of(file)]
    ids: Sequence[InputSource | str] | None = split_ids(user_ids) or None
    return one_way("the source of ids", files, "--user-ids", ids)
