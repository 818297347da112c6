"""What cannot be written down, and runs that are called off."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, InvalidInput, OutcomeUnknown
from appcues_async.bulk.journal import run_journal
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.store import Journal
from appcues_async.sandbox import JobPlan, Reset, Sandbox, Stall
from tests.bulk.journal.resuming import (
    OPTIONS,
    _awaited,
    _rows,
    assert_each_once,
    assert_whole,
    client_of,
    posts,
)


async def test_cancelling_leaves_what_a_later_run_takes_up(
    sandbox: Sandbox, events: Path, journal: Path
) -> None:
    async with client_of(sandbox) as client:
        hold = Stall("headers")
        sandbox.faults.add(hold, method="POST", skip=1)
        run = client.bulk.import_events(events, journal=journal, **OPTIONS)
        waiting = asyncio.ensure_future(_awaited(run))
        while posts(sandbox) < 2:  # noqa: ASYNC110 - a server has no such event
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hold.hold.release()
    async with client_of(sandbox) as client:
        assert_whole(await client.bulk.import_events(events, journal=journal, **OPTIONS))
    assert_each_once(sandbox)


@pytest.mark.parametrize("slow", ["begin", "close"])
async def test_a_run_that_was_cancelled_has_given_its_journal_up(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch, slow: str,
) -> None:  # fmt: skip
    reached, let_go = threading.Event(), threading.Event()
    original = getattr(Journal, slow)

    def late(self: Journal, *args: Any) -> Any:
        done = original(self, *args) if slow == "begin" else None
        reached.set()
        let_go.wait(10)
        return done if slow == "begin" else original(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, slow, late)
        run = client.bulk.import_events(events, journal=journal, **OPTIONS, on_failure="report")
        waiting = asyncio.ensure_future(_awaited(run))
        await asyncio.to_thread(reached.wait)
        cancelling = asyncio.ensure_future(run.cancel())
        await asyncio.wait([cancelling], timeout=0.05)
        assert not cancelling.done()
        let_go.set()
        await cancelling
    assert_whole(
        await client.bulk.import_events(events, journal=journal, **OPTIONS, on_failure="report")
    )
    assert_each_once(sandbox)
    await waiting


async def test_a_journal_that_cannot_be_read_leaves_a_lost_answer_unknown(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def broken(self: Journal, listed: Any) -> Any:
        raise InvalidInput("the journal is damaged")

    sandbox.faults.add(Reset(applied=True), method="POST")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "whose", broken)
        run = client.bulk.import_events(events, journal=journal, chunk_bytes=9_000, concurrency=1)
        with pytest.raises(InvalidInput, match="the journal is damaged"):
            await run
    (outcome,) = run.report.outcomes[:1]
    assert outcome.status == "unknown"
    assert isinstance(outcome.error, OutcomeUnknown)
    assert "nothing says whose jobs are whose" in str(outcome.error)
    assert posts(sandbox) == 1
    assert_whole(await client.bulk.import_events(events, journal=journal, **OPTIONS))
    assert_each_once(sandbox)


@pytest.mark.parametrize("at", ["intent", "accepted", "completed"])
async def test_what_cannot_be_written_down_is_told_even_of_the_last_chunk(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    move = Journal.move

    def full(self: Journal, run: Any, number: int, status: Any, now: float, **values: Any) -> None:
        if status == at:
            raise InvalidInput("the disk is full")
        move(self, run, number, status, now, **values)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "move", full)
        run = client.bulk.import_events(_rows(50), journal=journal)
        with pytest.raises(InvalidInput, match="the disk is full"):
            await run
    (outcome,) = run.report.outcomes
    assert outcome.status == ("refused" if at == "intent" else "completed")
    assert posts(sandbox) == (at != "intent")
    assert (await client.bulk.import_events(_rows(50), journal=journal)).completed == 50
    assert_each_once(sandbox, 50)


async def test_what_could_not_be_written_for_a_while_is_written_at_the_end(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, beat = Journal.move, Journal.beat
    beats: list[float] = []
    refused: list[int] = []

    def full(self: Journal, run: Any, number: int, status: Any, now: float, **values: Any) -> None:
        if status == "accepted" and not beats:
            refused.append(number)
            raise InvalidInput("the disk is full")
        move(self, run, number, status, now, **values)

    def note(self: Journal, now: float) -> None:
        if refused:
            beats.append(now)
        beat(self, now)

    monkeypatch.setattr(run_journal, "HEARTBEAT", 0.05)
    monkeypatch.setattr(Journal, "move", full)
    monkeypatch.setattr(Journal, "beat", note)
    sandbox.plan_next_job(JobPlan(seconds=0.3))
    with pytest.raises(InvalidInput, match="the disk is full"):
        await client.bulk.import_events(_rows(50), journal=journal)
    assert len(beats) > 1
    (chunk,) = read_journal(journal).chunks
    assert (chunk["status"], chunk["job"]) == ("accepted", next(iter(sandbox.jobs)))
