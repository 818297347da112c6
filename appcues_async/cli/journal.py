"""`journal`: what bulk runs have written down."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from appcues_async.bulk.journal.file import Shown, read_journal
from appcues_async.bulk.journal.settling import prune_journal, settle_chunk
from appcues_async.cli.options import Output
from appcues_async.cli.output import print_lines, show, show_one
from appcues_async.errors import InvalidInput

__all__ = ["app"]

app: App = App(name="journal", help="Journals of bulk runs: what was sent, and what became of it.")

_RUNS: Final = ("run", "endpoint", "status", "chunks", "rows", "started", "heartbeat", "sources")
_CHUNKS: Final = ("run", "chunk", "first", "last", "rows", "bytes", "status", "job", "error")
_CANDIDATES: Final = ("run", "chunk", "job", "status", "started_at", "completed", "failed")
_MOMENTS: Final = ("started", "heartbeat", "intent_at")


@app.command(name="show")
async def show_(
    file: Annotated[Path, Parameter(help="The journal's file.")],
    /,
    *,
    output: Output = "table",
) -> None:
    """Show the runs of a journal, and how far each of their chunks is.

    A chunk is PLANNED, at INTENT (perhaps sent), ACCEPTED (no end of its job was seen), COMPLETED,
    FAILED, REFUSED, or UNKNOWN. Of an unknown one the jobs that may be its own are listed, with their
    counts. Nothing is sent, and no credentials are needed; a run that is under way is not disturbed. CSV
    has the chunks.

    Example: appcues-async journal show sync.db
    """
    shown = await asyncio.to_thread(read_journal, file)
    runs = [_run(run, shown) for run in shown.runs]
    chunks = [{**_with_moments(chunk), "status": _status_of(chunk)} for chunk in shown.chunks]
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
            candidates = [
                {**one, "run": chunk["run"], "chunk": chunk["chunk"]}
                for chunk in chunks
                for one in chunk["candidates"]
            ]
            if candidates:
                print_lines(["", "jobs that unknown chunks may have started"])
                show(candidates, "table", _CANDIDATES)


@app.command
async def settle(
    file: Annotated[Path, Parameter(help="The journal's file.")],
    chunk: Annotated[int, Parameter(help="The chunk's number.")],
    /,
    *,
    applied: Annotated[bool, Parameter(negative=(), help="It was applied.")] = False,
    resend: Annotated[bool, Parameter(negative=(), help="It was not; send it again.")] = False,
    run: Annotated[int | None, Parameter(help="Its run, where several have such a chunk.")] = None,
    job: Annotated[str | None, Parameter(help="The job that has applied it.")] = None,
) -> None:
    """Settle by hand a chunk of which nothing says whether it was applied.

    Say what became of it: --applied, or --resend. The next run with this journal goes on from there.
    Nothing is sent, and no credentials are needed.

    Example: appcues-async journal settle sync.db 14 --applied
    """
    if applied == resend:
        raise InvalidInput("give one of --applied and --resend; only you can know which is right")
    found = await asyncio.to_thread(settle_chunk, file, chunk, applied=applied, run=run, job=job)
    print_lines(
        [f"chunk {chunk} of run {found} {'was applied' if applied else 'is sent by the next run'}"]
    )


@app.command
async def prune(
    file: Annotated[Path, Parameter(help="The journal's file.")],
    /,
    *,
    before: Annotated[str, Parameter(help="Age of the last sign of life, such as 30d or 12h.")],
) -> None:
    """Forget runs that are settled: read to their end, each chunk completed or failed.

    A source whose run was forgotten is uploaded afresh if it is given again.

    Example: appcues-async journal prune sync.db --before 30d
    """
    since = datetime.now(UTC) - _age_of(before)
    pruned = await asyncio.to_thread(prune_journal, file, since.timestamp())
    print_lines([f"{len(pruned):,} runs forgotten"])


def _age_of(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dh])", text)
    if match is None:
        raise InvalidInput(f"--before is {text!r}; give days or hours, such as 30d or 12h")
    number = int(match[1])
    return timedelta(days=number) if match[2] == "d" else timedelta(hours=number)


def _run(run: dict[str, Any], shown: Shown) -> dict[str, Any]:
    mine = [chunk for chunk in shown.chunks if chunk["run"] == run["run"]]
    counts = {
        status: sum(_status_of(chunk) == status for chunk in mine)
        for status in dict.fromkeys(map(_status_of, mine))
    }
    status = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    return {
        **_with_moments(run),
        "chunks": len(mine),
        "rows": sum(chunk["rows"] for chunk in mine),
        "status": status if run["read_to_end"] else f"{status or 'nothing'} so far",
    }


def _status_of(chunk: dict[str, Any]) -> str:
    """How far a chunk is, in the API's own spelling where it has a word for it."""
    return str(chunk["status"]).upper()


def _with_moments(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromtimestamp(value, UTC) if name in _MOMENTS and value else value
        for name, value in row.items()
    }
