"""`mcp`: the account as tools for agents, on stdin and stdout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from attrs import evolve
from cyclopts import App, Parameter

from appcues_async.cli.failures import USAGE, CommandFailed
from appcues_async.cli.options import DEFAULTS, Options, open_client

__all__ = ["app"]

app: App = App(name="mcp")


@app.default
async def mcp(
    *,
    folder: Annotated[
        Path,
        Parameter(help="Where files are read from and written to, and nowhere else."),
    ] = Path(),
    options: Options = DEFAULTS,
) -> None:
    """Serve the account to agents as tools, over the Model Context Protocol on stdin and stdout.

    The client of the protocol never sees the credentials. With --dry-run every tool that changes
    something only shows what it would send.

    Example: appcues-async mcp --profile eu --folder exports
    """
    try:
        from appcues_async.mcp import serve  # noqa: PLC0415 - it belongs to an extra
    except ImportError as error:
        if (error.name or "").startswith("appcues_async"):
            raise
        raise CommandFailed(
            f"this needs {error.name}; run: pip install 'appcues-async[cli,mcp]'",
            kind="MissingExtra",
            exit_code=USAGE,
        ) from None
    async with open_client(evolve(options, dry_run=False)) as client:
        await serve(client, folder, preview=options.dry_run)
