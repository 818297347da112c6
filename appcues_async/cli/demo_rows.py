"""The rows of the demo: made, written to files, cut into uploads, and looked for in the sandbox."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import frozen

from appcues_async.errors import InvalidInput

if TYPE_CHECKING:
    from appcues_async.sandbox import Sandbox

__all__ = ["Files", "cut", "difference", "write_files"]

_FIRST: Final = ("Harriet", "Ada", "José", "Mei", "Tariq", "Ingrid", "Olu", "Zoë", "Sam", "Priya")
_LAST: Final = ("Porber", "Lovelace", "Nuñez", "Chen", "Aziz", "Berg", "Adeyemi", "Müller", "Ng")
_COMPANIES: Final = ("Bumbleborn", "Acme, Inc.", 'The "Big" Co.', "Snabe", "Nordlicht")
_PLANS: Final = ("free", "free", "free", "pro", "team", "enterprise")
_EVENTS: Final[tuple[tuple[str, Mapping[str, tuple[Any, ...]]], ...]] = (
    ("Completed onboarding", {"steps": (4, 5, 6), "skipped_tour": (True, False)}),
    ("Invited teammate", {"count": (1, 2, 3), "role": ("admin", "editor", "viewer")}),
    ("Created report", {"template": ("funnel", "retention", None), "seconds": (4.2, 9.75, 31.0)}),
    ("Upgraded plan", {"from": ("free", "pro"), "to": ("team", "enterprise")}),
    ("Exported data", {"format": ("csv", "pdf"), "scope": ({"days": 7}, {"days": 30})}),
)
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MONTH: Final = 30 * 86_400
_EVERY: Final = 10
"""Of so many users one is in the list of ids."""


@frozen
class Files:
    """The files of the demo.

    Attributes:
        users: CSV of profiles.
        events: NDJSON of events.
        ids: CSV of user ids, without a header.
    """

    users: Path
    events: Path
    ids: Path


def write_files(folder: Path, users: int, events: int) -> Files:
    """Writes the same files every time.

    Raises:
        InvalidInput: A file is there already, or cannot be written.
    """
    files = Files(folder / "users.csv", folder / "events.ndjson", folder / "user-ids.csv")
    chance = random.Random(7)
    try:
        with files.users.open("x", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("user_id", "name", "email", "company", "plan", "signed_up_at"))
            writer.writerows(_user(number, chance) for number in range(users))
        with files.events.open("xb") as lines:
            encode = msgspec.json.Encoder().encode
            for _ in range(events):
                lines.write(encode(_event(users, chance)) + b"\n")
        with files.ids.open("x", encoding="utf-8") as file:
            file.writelines(f"{_user_id(number)}\n" for number in range(0, users, _EVERY))
    except FileExistsError as error:
        raise InvalidInput(
            f"{error.filename} is there already and is not replaced; give another folder"
        ) from None
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written to: {error.strerror}") from None
    return files


def _user_id(number: int) -> str:
    return f"{number:07d}"


def _signed_up(number: int) -> datetime:
    return _START + timedelta(minutes=number)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _user(number: int, chance: random.Random) -> tuple[str, ...]:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    return (
        _user_id(number),
        f"{first} {last}",
        f"user{number}@example.com",
        chance.choice(_COMPANIES),
        chance.choice(_PLANS),
        _iso(_signed_up(number)),
    )


def _event(users: int, chance: random.Random) -> dict[str, Any]:
    number = chance.randrange(users)
    name, attributes = chance.choice(_EVENTS)
    return {
        "user_id": _user_id(number),
        "name": name,
        "timestamp": _iso(_signed_up(number) + timedelta(seconds=chance.randrange(_MONTH))),
        "attributes": {key: chance.choice(values) for key, values in attributes.items()},
    }


def cut(path: Path, parts: int, *, header: bool = False) -> Iterator[tuple[bytes, int]]:
    """Cuts a file of one row a line into parts of about as many rows, each with the header.

    Args:
        path: The file.
        parts: How many.
        header: Whether its first line is one.

    Yields:
        A part, and how many rows it has.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    first = lines.pop(0) if header else b""
    edges = [len(lines) * number // parts for number in range(parts + 1)]
    for start, end in pairwise(edges):
        yield first + b"".join(lines[start:end]), end - start


def difference(sandbox: Sandbox, segment_id: str, files: Files) -> str | None:
    """Compares what a sandbox holds with what is in the files, row by row.

    Returns:
        What is not the same, or None.
    """
    with files.users.open(newline="", encoding="utf-8") as file:
        users = {row.pop("user_id"): row for row in csv.DictReader(file)}
    if sandbox.profiles != users:
        return f"{len(sandbox.profiles):,} profiles, not the {len(users):,} that were sent"
    sent = sorted(files.events.read_bytes().splitlines())
    held = sorted(map(msgspec.json.Encoder().encode, sandbox.events))
    if held != sent:
        return f"{len(held):,} events, not the {len(sent):,} that were sent"
    ids = set(files.ids.read_text(encoding="utf-8").split())
    members = sandbox.segments[segment_id].user_ids
    if members != ids:
        return f"a segment of {len(members):,} users, not of the {len(ids):,} that were sent"
    return None
