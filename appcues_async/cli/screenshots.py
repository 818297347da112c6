"""`screenshots`: pictures of flows and experiences."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from appcues_async.cli.options import DEFAULTS, Id, Options, open_client
from appcues_async.cli.output import show_one

__all__ = ["app"]

app: App = App(name="screenshots", help="Pictures of flows and experiences.")


@app.command
async def download(resource_id: Id, path: Path, /, *, options: Options = DEFAULTS) -> None:
    """Write the pictures of a flow or an experience to PATH, as a ZIP file.

    Example: appcues-async screenshots download FLOW_ID pictures.zip
    """
    async with open_client(options) as client:
        written = await client.screenshots.download(resource_id, path)
        show_one(
            {"id": resource_id, "file": str(written), "bytes": written.stat().st_size},
            options.output,
        )
