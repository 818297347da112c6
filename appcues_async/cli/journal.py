"""`journal`: what bulk runs have written down."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from appcues_async.bulk.journal.file import Shown, read_journal
from appcues_async.cli.options import Output
from appcues_async.cli.output import print_lines, show, show_one

__all__ = ["app"]

app: App = App(name="journal", help="Journals of bulk runs: what was sent, and what became of it.")

_RUNS: Final = ("run", "endpoint", "status", "chunks", "rows", "started", "heartbeat", "sources")
_CHUNKS: Final = ("run", "chunk", "first", "last", "rows", "bytes", "status", "job", "error")
_MOMENTS: Final = ("started", "heartbeat", "intent_at")


@app.command(name="show")
async def show_(
    file: Annotated[Path, Parameter(help="The journal's file.")],
    /,
    *,
    output: Output = "table",
) -> None:
    """Show the runs of a journal, and how far each of their chunks is.

    A chunk is planned, at intent (perhaps sent), accepted, completed, failed, refused, or unknown.
    Nothing is sent, and no credentials are needed; a run that is under way is not disturbed. CSV has
    the chunks.

    Example: appcues-async journal show sync.db
    """
    shown = await asyncio.to_thread(read_journal, file)
    runs = [_run(run, shown) for run in shown.runs]
    chunks = [_with_moments(chunk) for chunk in shown.chunks]
    match output:
        case "json":
            about = {name: shown.about[name] for name in ("account", "origin")}
            show_one({**about, "runs": runs, "chunks": chunks}, "json")
        case "csv":
            show(chunks, "csv", _CHUNKS)
        case _:
            print_lines([f"account {shown.about['account']} at {shown.about['origin']}", ""])
            show([{**run, "sources": ", ".join(run["sources"])} for run in runs], "table", _RUNS)
            print_lines([""])
            show(chunks, "table", _CHUNKS)


def _run(run: dict[str, Any], shown: Shown) -> dict[str, Any]:
    mine = [chunk for chunk in shown.chunks if chunk["run"] == run["run"]]
    counts = {
        status: sum(chunk["status"] == status for chunk in mine)
        for status in dict.fromkeys(chunk["status"] for chunk in mine)
    }
    status = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    return {
        **_with_moments(run),
        "chunks": len(mine),
        "rows": sum(chunk["rows"] for chunk in mine),
        "status": status if run["read_to_end"] else f"{status or 'nothing'} so far",
    }


def _with_moments(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromtimestamp(value, UTC) if name in _MOMENTS and value else value
        for name, value in row.items()
    }
