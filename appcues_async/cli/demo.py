"""`demo`: the main job, seen from end to end, without an account."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import App, Parameter

from appcues_async.cli.demo_rows import Files, cut, difference, write_files
from appcues_async.cli.failures import UNEXPECTED, CommandFailed
from appcues_async.cli.follow import Followed, follow
from appcues_async.cli.options import Options, Output, Quiet, at_least
from appcues_async.cli.output import say
from appcues_async.cli.progress import open_display
from appcues_async.cli.sandbox import JobSeconds, RateLimit
from appcues_async.client import AppcuesClient
from appcues_async.errors import InvalidInput
from appcues_async.text import counted
from appcues_async.waiting.handle import JobHandle

if TYPE_CHECKING:
    from appcues_async.sandbox import Sandbox

__all__ = ["app"]

app: App = App(name="demo")

COLUMNS = ("source", "rows", "bytes", "seconds", "status", "ingested", "failed")
USERS_PARTS: Final = 5
EVENTS_PARTS: Final = 10
IDS_PARTS: Final = 2


@app.default
async def demo(
    *,
    users: Annotated[
        int, Parameter(validator=at_least(20), help="How many users to make.")
    ] = 50_000,
    events: Annotated[
        int, Parameter(validator=at_least(10), help="How many events to make.")
    ] = 100_000,
    rate_limit: RateLimit = 8,
    job_seconds: JobSeconds = 3,
    keep: Annotated[
        Path | None, Parameter(help="Write the files to this folder and leave them there.")
    ] = None,
    output: Output = "table",
    quiet: Quiet = False,
) -> None:
    """Upload 150,000 rows to a sandbox as many jobs at once, and wait for them all.

    It needs no account: it makes users, events and a list of ids, and serves a sandbox on loopback, with
    a low limit of requests.

    Example: appcues-async demo --rate-limit 5
    """
    # A server takes its time to import, and most commands do without it.
    from appcues_async.sandbox import Sandbox  # noqa: PLC0415

    with _folder(keep) as folder:
        files = write_files(folder, users, events)
        if not quiet:
            for path in (files.users, files.events, files.ids):
                say(f"{path}: {path.stat().st_size:,} bytes")
        display = open_display(quiet, output)
        async with (
            Sandbox(rate_limit=rate_limit or None, job_seconds=job_seconds) as sandbox,
            AppcuesClient(**sandbox.credentials, on_notice=display) as client,
        ):
            began = time.monotonic()
            segment = await client.segments.create("Beta testers", "Every tenth user")
            some = _uploads(client, files, segment.id)
            try:
                options = Options(sandbox=True, output=output)
                await follow(some, display, options, columns=COLUMNS)
            finally:
                say(_account_of(sandbox, some, time.monotonic() - began))
            _check(sandbox, segment.id, files)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="appcues-demo-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"--keep {keep} cannot be made: {error.strerror}") from None
    yield keep


def _uploads(client: AppcuesClient, files: Files, segment_id: str) -> list[Followed]:
    async def add(part: bytes) -> JobHandle:
        return await client.segments.add_user_ids(segment_id, part, format="csv")

    async def send_users(part: bytes) -> JobHandle:
        return await client.imports.profiles(part, format="csv")

    async def send_events(part: bytes) -> JobHandle:
        return await client.imports.events(part, format="ndjson")

    return [
        *_parts(files.users, USERS_PARTS, send_users, header=True),
        *_parts(files.events, EVENTS_PARTS, send_events),
        *_parts(files.ids, IDS_PARTS, add),
    ]


def _parts(
    path: Path,
    parts: int,
    send: Callable[[bytes], Coroutine[Any, Any, JobHandle]],
    *,
    header: bool = False,
) -> Iterator[Followed]:
    for number, (part, rows) in enumerate(cut(path, parts, header=header), 1):

        def start(part: bytes = part) -> Coroutine[Any, Any, JobHandle]:
            return send(part)

        yield Followed(f"{path.name} {number}/{parts}", start, len(part), rows)


def _account_of(sandbox: Sandbox, some: list[Followed], seconds: float) -> str:
    refused = sum(request.status == 429 for request in sandbox.requests)
    rows = sum(one.rows or 0 for one in some)
    return (
        f"{counted(len(some), 'job')}, {counted(rows, 'row')} in {seconds:.1f} s; "
        f"{counted(len(sandbox.requests), 'request')}, {refused} of them refused with 429"
    )


def _check(sandbox: Sandbox, segment_id: str, files: Files) -> None:
    """Compares what the server holds with what was made."""
    found = difference(sandbox, segment_id, files)
    if found is not None:
        raise CommandFailed(f"the sandbox holds {found}", kind="DemoFailed", exit_code=UNEXPECTED)
    members = sandbox.segments[segment_id].user_ids
    say(
        f"the sandbox holds exactly what was sent: {len(sandbox.profiles):,} users, "
        f"{len(sandbox.events):,} events and a segment of {len(members):,}; "
        "nothing lost, nothing doubled"
    )
