"""`checklists`: listed, shown, published and unpublished."""

from __future__ import annotations

from cyclopts import App

from appcues_async.cli.options import DEFAULTS, Id, Options, open_client
from appcues_async.cli.output import as_row, show, show_one

__all__ = ["app"]

app: App = App(name="checklists", help="Checklists, and whether users see them.")

COLUMNS = ("id", "internal_name", "title", "published", "updated_at")


@app.command(name="list")
async def list_(*, options: Options = DEFAULTS) -> None:
    """List all checklists.

    Example: appcues-async checklists list
    """
    async with open_client(options) as client:
        show(map(as_row, await client.checklists.list()), options.output, COLUMNS)


@app.command
async def get(checklist_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Show one checklist.

    Example: appcues-async checklists get CHECKLIST_ID
    """
    async with open_client(options) as client:
        show_one(as_row(await client.checklists.get(checklist_id)), options.output)


@app.command
async def publish(checklist_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Publish a checklist; harmless where it is published already.

    Example: appcues-async checklists publish CHECKLIST_ID
    """
    async with open_client(options) as client:
        await client.checklists.publish(checklist_id)
        show_one({"id": checklist_id, "published": True}, options.output)


@app.command
async def unpublish(checklist_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Unpublish a checklist; harmless where it is not published.

    Example: appcues-async checklists unpublish CHECKLIST_ID
    """
    async with open_client(options) as client:
        await client.checklists.unpublish(checklist_id)
        show_one({"id": checklist_id, "published": False}, options.output)
