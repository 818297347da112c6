"""`tags`: listed and shown."""

from __future__ import annotations

from cyclopts import App

from appcues_async.cli.options import DEFAULTS, Id, Options, open_client
from appcues_async.cli.output import as_row, show, show_one

__all__ = ["app"]

app: App = App(name="tags", help="Tags that experiences are sorted by.")

COLUMNS = ("id", "name", "updated_at")


@app.command(name="list")
async def list_(*, options: Options = DEFAULTS) -> None:
    """List all tags.

    Example: appcues-async tags list -o csv
    """
    async with open_client(options) as client:
        show(map(as_row, await client.tags.list()), options.output, COLUMNS)


@app.command
async def get(tag_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Show one tag.

    Example: appcues-async tags get TAG_ID
    """
    async with open_client(options) as client:
        show_one(as_row(await client.tags.get(tag_id)), options.output)
