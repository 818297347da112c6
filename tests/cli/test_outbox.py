"""`outbox show` and `outbox retry`: without a network and without credentials."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, BulkFailed
from appcues_async.sandbox import Answer, JobPlan, Reset, Sandbox
from tests.cli.conftest import Command
from tests.conftest import AT_ONCE, SOON


class World:
    """An outbox with rows that are kept aside, and the server that they are for."""

    def __init__(self, sandbox: Sandbox, path: Path) -> None:
        self.sandbox = sandbox
        self.path = path

    def run(self, *rows: tuple[str, str], expect: str | None = None) -> None:
        """Opens it, puts events, and waits until what is there is applied."""

        async def run() -> None:
            client = AppcuesClient(
                **self.sandbox.credentials,
                retry=SOON,
                polling=AT_ONCE,
                throttle=None,
                on_unknown="raise",
            )
            async with client, client.outbox(self.path, every=60) as outbox:
                for user, name in rows:
                    await outbox.track(user, name)
                if expect is None:
                    await outbox.flush(wait=True)
                else:
                    with pytest.raises(BulkFailed, match=expect):
                        await outbox.flush(wait=True)

        asyncio.run(run())

    @property
    def events(self) -> list[str]:
        return [event["name"] for event in self.sandbox.events]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Sandbox(rate_limit=None) as sandbox:
        yield World(sandbox, tmp_path / "outbox.db")


@pytest.fixture
def refused(world: World) -> World:
    world.sandbox.faults.add(Answer(400, body="no ink"), path="import/events", times=1)
    world.run(("u1", "Refused"), expect="refused")
    return world


@pytest.fixture
def unknown(world: World) -> World:
    world.sandbox.faults.add(Reset(applied=True), path="import/events", times=1)
    world.run(("u1", "Lost"), expect="unknown")
    return world


def test_a_table_shows_what_is_kept_aside(command: Command, refused: World) -> None:
    shown = command("outbox", "show", refused.path)
    assert shown.code == 0
    for words in ("sandbox-account", "kept aside", "refused", "no ink", "events"):
        assert words in shown.out, words
    assert "Refused" not in shown.out
    assert "Refused" in command("outbox", "show", refused.path, "--rows").out


def test_json_has_all_of_it(command: Command, refused: World) -> None:
    shown: dict[str, Any] = command("outbox", "show", refused.path, "--rows", "-o", "json").json
    assert (shown["waiting"], shown["failed"], shown["sent"]) == (0, 1, 0)
    (batch,) = shown["batches"]
    assert (batch["kind"], batch["status"], batch["rows"]) == ("events", "refused", 1)
    assert shown["rows"][0]["row"]["user_id"] == "u1"


def test_csv_has_the_batches(command: Command, refused: World) -> None:
    shown = command("outbox", "show", refused.path, "-o", "csv").out
    (row,) = csv.DictReader(io.StringIO(shown))
    assert (row["status"], row["rows"]) == ("refused", "1")


def test_showing_changes_nothing(command: Command, refused: World) -> None:
    before = refused.path.read_bytes()
    command("outbox", "show", refused.path)
    assert refused.path.read_bytes() == before


def test_what_was_refused_is_sent_again(command: Command, refused: World) -> None:
    ran = command("outbox", "retry", refused.path)
    assert (ran.code, ran.out) == (
        0,
        "1 row of 1 batch: sent again by the process that has the outbox open, "
        "or by the next one that opens it\n",
    )
    refused.run()
    assert refused.events == ["Refused"]


def test_what_no_job_has_taken_is_sent_again(command: Command, world: World) -> None:
    world.sandbox.plan_next_job(JobPlan(status="FAILED", rows_applied=0))
    world.run(("u1", "Failed"), expect="failed")
    assert "1 row of 1 batch" in command("outbox", "retry", world.path).out
    world.run()
    assert world.events == ["Failed"]


def test_what_a_job_has_taken_in_part_waits_for_somebodys_word(
    command: Command, world: World
) -> None:
    world.sandbox.plan_next_job(JobPlan(rows_applied=1))
    world.run(("u1", "One"), ("u2", "Two"), expect="failed")
    ran = command("outbox", "retry", world.path)
    assert "0 rows of 0 batches" in ran.out
    assert "2 rows kept aside" in ran.out


def test_what_is_unknown_is_sent_by_nobody_on_its_own(command: Command, unknown: World) -> None:
    assert "1 row kept aside" in command("outbox", "retry", unknown.path).out
    unknown.run(expect="unknown")
    assert unknown.events == ["Lost"]


@pytest.mark.parametrize(("word", "events"), [("--applied", 1), ("--resend", 2)])
def test_what_is_unknown_is_settled_by_hand(
    command: Command, unknown: World, word: str, events: int
) -> None:
    ran = command("outbox", "retry", unknown.path, "1", word)
    assert ran.code == 0, ran.err
    unknown.run()
    assert unknown.events == ["Lost"] * events
    assert command("outbox", "show", unknown.path, "-o", "json").json["failed"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["1"], "give one of --applied and --resend"),
        (["1", "--applied", "--resend"], "give one of"),
        (["--applied"], "name the batch"),
        (["7", "--applied"], "batch 7 .* is not kept aside"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    command: Command, refused: World, arguments: list[str], says: str
) -> None:
    ran = command("outbox", "retry", refused.path, *arguments)
    assert ran.code == 2

    assert re.search(says, ran.error["message"])


def test_a_journal_of_bulk_runs_is_no_outbox(
    command: Command, tmp_path: Path, world: World
) -> None:
    path = tmp_path / "journal.db"

    async def run() -> None:
        async with AppcuesClient(**world.sandbox.credentials) as client:
            await client.bulk.import_profiles([{"user_id": "u1", "a": 1}], journal=path)

    asyncio.run(run())
    assert "no outbox" in command("outbox", "show", path).error["message"]
