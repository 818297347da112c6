"""Reruns that are not what the journal has, and journals that are no good."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.store import Journal
from appcues_async.bulk.spec import RunSpec
from appcues_async.sandbox import Answer, Sandbox
from tests.bulk.journal.resuming import (
    COUNT,
    OPTIONS,
    _rows,
    assert_each_once,
    assert_whole,
    posts,
    write_events,
)


async def _later() -> AsyncIterator[dict[str, str]]:
    yield {"user_id": "1"}


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: iter([{"user_id": "1"}]), "list_iterator"),
        (lambda: ({"user_id": str(one)} for one in range(3)), "generator"),
        (_later, "async_generator"),
        (lambda: "-", "the standard input"),
        (lambda: {"1", "2"}, "set"),
        (lambda: pa.table({"user_id": ["1"]}).to_reader(), "RecordBatchReader"),
    ],
)
async def test_a_source_that_can_be_read_only_once_is_refused(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, make: Any, what: str
) -> None:
    with pytest.raises(InvalidInput, match=rf"{what}, which can be read only once"):
        await client.bulk.import_profiles(make(), journal=journal)
    assert not sandbox.requests
    with pytest.raises(InvalidInput, match="no such file"):
        read_journal(journal)


async def test_a_file_that_has_changed_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await client.bulk.import_events(events, journal=journal, **OPTIONS)
    before = len(sandbox.requests)
    write_events(events, COUNT + 1)
    with pytest.raises(InvalidInput, match=r"events.ndjson has changed: it had .* bytes"):
        await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert len(sandbox.requests) == before


@pytest.mark.parametrize(
    "change", [{"check": "none"}, {"chunk_bytes": 8_000}, {"format": "ndjson"}, {"types": "infer"}]
)
async def test_other_options_are_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, change: dict[str, Any]
) -> None:
    await client.bulk.import_events(events, journal=journal, **OPTIONS)
    before = len(sandbox.requests)
    (name,) = change
    with pytest.raises(InvalidInput, match=f"{name} was .*, and is"):
        await client.bulk.import_events(events, journal=journal, **{**OPTIONS, **change})
    assert len(sandbox.requests) == before


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (_rows(COUNT, "Left"), "chunk 0 has other content"),
        (_rows(COUNT, "Paid more"), "chunk 0 has "),
        (_rows(100), "and has 2|last"),
        (_rows(2 * COUNT), "chunk|and has more"),
    ],
)
async def test_other_rows_in_memory_are_refused_before_they_are_sent(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, other: Any, words: str
) -> None:
    await client.bulk.import_events(_rows(COUNT), journal=journal, **OPTIONS)
    before = posts(sandbox)
    with pytest.raises(InvalidInput, match=words):
        await client.bulk.import_events(other, journal=journal, **OPTIONS)
    assert posts(sandbox) == before


async def test_a_journal_that_cannot_be_written_ends_the_run_and_says_what_was_accepted(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    move = Journal.move

    def full(self: Journal, run: Any, number: int, status: Any, now: float, **values: Any) -> None:
        if (number, status) == (1, "accepted"):
            self._db.execute("PRAGMA max_page_count = 1")
            raise InvalidInput("the disk is full")
        move(self, run, number, status, now, **values)

    monkeypatch.setattr(Journal, "move", full)
    run = client.bulk.import_events(events, journal=journal, chunk_bytes=9_000, concurrency=1)
    with pytest.raises(InvalidInput, match="the disk is full"):
        await run
    assert posts(sandbox) == 2
    assert [one.status for one in run.report.outcomes][:2] == ["completed", "completed"]
    monkeypatch.setattr(Journal, "move", move)
    assert_whole(await client.bulk.import_events(events, journal=journal, **OPTIONS))
    assert_each_once(sandbox)


def _no_good(journal: Path, what: str, origin: str) -> None:
    match what:
        case "corrupt":
            journal.write_bytes(os.urandom(5000))
        case "folder":
            journal.mkdir()
        case "other":
            Journal(journal, origin=origin, account_id="other", now=0).close(0)
        case _:
            one = Journal(journal, origin=origin, account_id="sandbox-account", now=0)
            one._db.execute("PRAGMA user_version = 99")
            one.close(0)


@pytest.mark.parametrize("what", ["corrupt", "newer", "other", "folder"])
async def test_a_journal_that_is_no_good_ends_the_run_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, what: str
) -> None:
    _no_good(journal, what, sandbox.url)
    with pytest.raises(InvalidInput, match="journal"):
        await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert not sandbox.requests


async def test_no_secret_and_no_row_is_in_a_journal(
    sandbox: Sandbox, client: AppcuesClient, journal: Path
) -> None:
    rows = [{**row, "user_id": f"agent-{row['user_id']}"} for row in _rows(300)]
    sandbox.faults.add(Answer(400, body="agent-u0007 is odd"), method="POST")
    await client.bulk.import_events(rows, journal=journal, **OPTIONS, on_failure="report")
    key, secret = sandbox.credentials["api_key"], sandbox.credentials["api_secret"]
    both = base64.b64encode(f"{key}:{secret}".encode()).decode()
    for file in journal.parent.iterdir():
        held = file.read_bytes()
        for word in ("agent-", "Paid", key, secret, both):
            assert word.encode() not in held, (file, word)


async def test_a_file_that_changes_as_the_run_begins_is_not_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    key = RunSpec.key

    def changed(self: RunSpec, sources: Any) -> Any:
        found = key(self, sources)
        write_events(events, COUNT + 1)
        return found

    monkeypatch.setattr(RunSpec, "key", changed)
    with pytest.raises(InvalidInput, match="has changed since the run began"):
        await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert not posts(sandbox)
