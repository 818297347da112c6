"""`flows`: listed, shown, published and unpublished."""

from __future__ import annotations

from cyclopts import App

from appcues_async.cli.options import DEFAULTS, Id, Options, open_client
from appcues_async.cli.output import as_row, show, show_one

__all__ = ["app"]

app: App = App(name="flows", help="Flows, and whether users see them.")

COLUMNS = ("id", "name", "published", "updated_at")


@app.command(name="list")
async def list_(*, options: Options = DEFAULTS) -> None:
    """List all flows.

    Example: appcues-async flows list
    """
    async with open_client(options) as client:
        show(map(as_row, await client.flows.list()), options.output, COLUMNS)


@app.command
async def get(flow_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Show one flow.

    Example: appcues-async flows get FLOW_ID
    """
    async with open_client(options) as client:
        show_one(as_row(await client.flows.get(flow_id)), options.output)


@app.command
async def publish(flow_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Publish a flow; harmless where it is published already.

    Example: appcues-async flows publish FLOW_ID
    """
    async with open_client(options) as client:
        await client.flows.publish(flow_id)
        show_one({"id": flow_id, "published": True}, options.output)


@app.command
async def unpublish(flow_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Unpublish a flow; harmless where it is not published.

    Example: appcues-async flows unpublish FLOW_ID
    """
    async with open_client(options) as client:
        await client.flows.unpublish(flow_id)
        show_one({"id": flow_id, "published": False}, options.output)
