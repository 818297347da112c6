"""`journal show`: what is in a journal, without a network and without credentials."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path

import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Answer, Reset, Sandbox
from tests.cli.conftest import Command


@pytest.fixture
def journal(users: Path, tmp_path: Path) -> Path:
    """One of a run of two profiles and one that was refused."""
    path = tmp_path / "sync.db"

    async def run() -> None:
        async with Sandbox() as sandbox, AppcuesClient(**sandbox.credentials) as client:
            await client.bulk.import_profiles(users, journal=path)
            sandbox.faults.add(Answer(400), method="POST")
            await client.bulk.import_profiles(
                [{"user_id": "009"}], journal=path, on_failure="report"
            )

    asyncio.run(run())
    return path


def test_a_table_shows_runs_and_chunks(command: Command, journal: Path, users: Path) -> None:
    shown = command("journal", "show", journal)
    assert shown.code == 0
    assert "account sandbox-account at http://127.0.0.1" in shown.out
    for words in (str(users), "1 COMPLETED", "the rows", "1 REFUSED", "BadRequest (400)"):
        assert words in shown.out, words
    assert "import/profiles" in shown.out


def test_json_has_all_of_it(command: Command, journal: Path, users: Path) -> None:
    shown = command("journal", "show", journal, "-o", "json").json
    assert shown["account"] == "sandbox-account"
    first, second = shown["runs"]
    assert first["sources"] == [str(users)]
    assert (first["rows"], first["status"], second["status"]) == (2, "1 COMPLETED", "1 REFUSED")
    assert first["started"].endswith("+00:00")
    chunk, refused = shown["chunks"]
    assert (chunk["completed"], chunk["failed"], refused["job"]) == (2, 0, None)


def test_csv_has_the_chunks(command: Command, journal: Path) -> None:
    rows = [*csv.DictReader(io.StringIO(command("journal", "show", journal, "-o", "csv").out))]
    assert [row["status"] for row in rows] == ["COMPLETED", "REFUSED"]


def test_it_changes_nothing(command: Command, journal: Path) -> None:
    before = journal.read_bytes()
    command("journal", "show", journal)
    assert journal.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"user_id\n7\n" * 200])
def test_what_is_no_journal_is_a_wrong_use(
    command: Command, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    error = command("journal", "show", path).error
    assert error["exit_code"] == 2
    assert "other.db" in error["message"]
    assert (path.read_bytes() if path.exists() else None) == content


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """A journal of an upload of which nothing says whether it was applied."""
    path = tmp_path / "unknown.db"

    async def run() -> None:
        async with Sandbox() as sandbox, AppcuesClient(**sandbox.credentials) as client:
            sandbox.faults.add(Reset(applied=True), method="POST")
            event = {"user_id": "007", "name": "Paid", "timestamp": "2026-07-14T12:00:00Z"}
            await client.bulk.import_events(
                [event], journal=path, on_unknown="raise", on_failure="report"
            )

    asyncio.run(run())
    return path


@pytest.mark.parametrize(
    ("how", "status"), [("--applied", "1 COMPLETED"), ("--resend", "1 PLANNED")]
)
def test_an_unknown_chunk_is_settled_by_hand(
    command: Command, unknown: Path, how: str, status: str
) -> None:
    assert command("journal", "settle", unknown, "0", how).code == 0
    (run,) = command("journal", "show", unknown, "-o", "json").json["runs"]
    assert run["status"] == status


def test_settling_takes_a_word_on_what_became_of_it(command: Command, unknown: Path) -> None:
    for words in ([], ["--applied", "--resend"]):
        error = command("journal", "settle", unknown, "0", *words).error
        assert error["exit_code"] == 2
        assert "--applied" in error["message"]


def test_settled_runs_are_forgotten(command: Command, journal: Path) -> None:
    assert "0 runs" in command("journal", "prune", journal, "--before", "1d").out
    assert "1 runs" in command("journal", "prune", journal, "--before", "0h").out
    assert len(command("journal", "show", journal, "-o", "json").json["runs"]) == 1
    error = command("journal", "prune", journal, "--before", "soon").error
    assert (error["exit_code"], "30d" in error["message"]) == (2, True)
