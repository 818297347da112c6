"""`demo`: the main job, seen from end to end, without an account."""

from __future__ import annotations

import csv
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from appcues_async.cli.display import open_display
from appcues_async.cli.failures import UNEXPECTED, CommandFailed
from appcues_async.cli.output import Form
from appcues_async.cli.waits import Followed, follow
from appcues_async.client import AppcuesClient
from appcues_async.errors import InvalidInput
from appcues_async.sandbox import Sandbox

__all__ = ["app"]

app = App(name="demo", help="Upload 150,000 rows to a sandbox as many jobs, and wait for them all.")

COLUMNS = ("source", "rows", "bytes", "seconds", "status", "ingested", "failed", "error")
UPLOADS: Final = 6
"""Into how many uploads the users and the events are cut; the ids are two."""

_FIRST: Final = ("Harriet", "Ada", "José", "Mei", "Tariq", "Ingrid", "Olu", "Zoë", "Sam", "Priya")
_LAST: Final = ("Porber", "Lovelace", "Nuñez", "Chen", "Aziz", "Berg", "Adeyemi", "Müller", "Ng")
_COMPANIES: Final = ("Bumbleborn", "Acme, Inc.", 'The "Big" Co.', "Snabe", "Nordlicht")
_PLANS: Final = ("free", "free", "free", "pro", "team", "enterprise")
_EVENTS: Final = (
    ("Signed up", {"source": "web"}),
    ("Completed onboarding", {"steps": 5}),
    ("Invited teammate", {"count": 1}),
    ("Created report", {"template": "funnel"}),
    ("Upgraded plan", {"from": "free", "to": "pro"}),
)
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@app.default
async def demo(
    *,
    users: Annotated[int, Parameter(help="How many users to make.")] = 50_000,
    events: Annotated[int, Parameter(help="How many events to make.")] = 100_000,
    rate_limit: Annotated[
        float, Parameter(help="Requests a second that the sandbox takes; low, so that 429s happen.")
    ] = 8,
    job_seconds: Annotated[float, Parameter(help="How long each job takes, in seconds.")] = 3,
    keep: Annotated[
        Path | None, Parameter(help="Write the files to this folder and leave them there.")
    ] = None,
    output: Annotated[
        Form, Parameter(name=("--output", "-o"), help="How the results are written.")
    ] = "table",
    quiet: Annotated[
        bool, Parameter(name=("--quiet", "-q"), negative="", help="Show no progress.")
    ] = False,
) -> None:
    """Make users, events and a list of ids, upload them all at once, and wait for every job.

    It needs no account: a sandbox is served on loopback, under a request limit that is met with 429s.

    Example: appcues-async demo --rate-limit 5
    """
    if users < UPLOADS or events < UPLOADS:
        raise InvalidInput(f"--users and --events must be at least {UPLOADS}")
    with _folder(keep) as folder:
        files = _write(folder, users, events)
        for path in files:
            _say(f"{path}: {path.stat().st_size:,} bytes")
        display = open_display(quiet)
        async with (
            Sandbox(rate_limit=rate_limit, job_seconds=job_seconds) as sandbox,
            AppcuesClient(**sandbox.credentials, on_notice=display) as client,
        ):
            began = time.monotonic()
            some = await _uploads(client, files)
            await follow(some, display, output, columns=COLUMNS)
            seconds = time.monotonic() - began
            refused = sum(request.status == 429 for request in sandbox.requests)
            _say(
                f"{len(some)} jobs, {sum(one.rows or 0 for one in some):,} rows in {seconds:.1f} s; "
                f"{len(sandbox.requests)} requests, {refused} of them refused with 429"
            )
            _check(sandbox, users, events)


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


def _write(folder: Path, users: int, events: int) -> tuple[Path, Path, Path]:
    """Writes the same files every time."""
    chance = random.Random(7)
    profiles, happened, ids = (
        folder / name for name in ("users.csv", "events.ndjson", "beta-testers.csv")
    )
    with profiles.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("user_id", "name", "email", "company", "plan", "signed_up_at"))
        for number in range(users):
            first, last = chance.choice(_FIRST), chance.choice(_LAST)
            writer.writerow(
                (
                    _user_id(number),
                    f"{first} {last}",
                    f"{number}@example.com",
                    chance.choice(_COMPANIES),
                    chance.choice(_PLANS),
                    (_START + timedelta(minutes=number)).isoformat(),
                )
            )
    with happened.open("wb") as file:
        encode = msgspec.json.Encoder().encode
        for number in range(events):
            name, attributes = chance.choice(_EVENTS)
            row = {
                "user_id": _user_id(chance.randrange(users)),
                "name": name,
                "timestamp": (_START + timedelta(seconds=number)).isoformat(),
                "attributes": attributes,
            }
            file.write(encode(row) + b"\n")
    with ids.open("w", encoding="utf-8") as file:
        file.writelines(f"{_user_id(number)}\n" for number in range(0, users, 10))
    return profiles, happened, ids


def _user_id(number: int) -> str:
    return f"{number:07d}"


async def _uploads(client: AppcuesClient, files: tuple[Path, Path, Path]) -> list[Followed]:
    profiles, happened, ids = files
    segment = await client.segments.create("Beta testers", "Every tenth user")
    some = [
        Followed(
            f"{profiles.name} {number}/{UPLOADS}",
            partial(client.imports.profiles, part, format="csv"),
            len(part),
            rows,
        )
        for number, (part, rows) in enumerate(_cut(profiles, UPLOADS, header=True), 1)
    ]
    some += [
        Followed(
            f"{happened.name} {number}/{UPLOADS}",
            partial(client.imports.events, part, format="ndjson"),
            len(part),
            rows,
        )
        for number, (part, rows) in enumerate(_cut(happened, UPLOADS), 1)
    ]
    some += [
        Followed(
            f"{ids.name} {number}/2",
            partial(client.segments.add_user_ids, segment.id, part, format="csv"),
            len(part),
            rows,
        )
        for number, (part, rows) in enumerate(_cut(ids, 2), 1)
    ]
    return some


def _cut(path: Path, parts: int, *, header: bool = False) -> Iterator[tuple[bytes, int]]:
    """Cuts a file of one row a line into parts of about as many rows, each with the header."""
    lines = path.read_bytes().splitlines(keepends=True)
    first = lines.pop(0) if header else b""
    size = -(-len(lines) // parts)
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        yield first + b"".join(part), len(part)


def _check(sandbox: Sandbox, users: int, events: int) -> None:
    """Compares what the server holds with what was made."""
    (segment,) = sandbox.segments.values()
    held = (len(sandbox.profiles), len(sandbox.events), len(segment.user_ids))
    made = (users, events, -(-users // 10))
    if held != made:
        raise CommandFailed(
            f"the sandbox holds {held} users, events and members, and {made} were sent",
            kind="DemoFailed",
            exit_code=UNEXPECTED,
        )
    _say(
        f"the sandbox holds {held[0]:,} users, {held[1]:,} events and a segment of {held[2]:,}: "
        "nothing lost, nothing doubled"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
