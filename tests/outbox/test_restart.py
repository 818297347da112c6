"""What one process has left, the next one goes on with: nothing lost, nothing doubled."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput
from appcues_async.notices import Notice, OutboxStalled
from appcues_async.outbox import journal as outbox_journal
from appcues_async.outbox import sender as outbox_sender
from appcues_async.outbox import tables
from appcues_async.outbox.journal import OutboxJournal
from appcues_async.outbox.rows import Row
from appcues_async.recovery import ownership
from appcues_async.sandbox import Answer, Hold, JobPlan, Reset, Sandbox, Stall
from tests.outbox.conftest import SOONER, names, open_client, until, uploads


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found)


def forget() -> None:
    """Lets what comes next know no more than another process would."""
    ownership.of_this_process.clear()


async def test_rows_that_were_not_sent_are_sent_by_the_next_process(
    client: AppcuesClient, sandbox: Sandbox, path: Path
) -> None:
    async with client.outbox(path, every=60, drain=0) as outbox:
        await outbox.track("u1", "Signed up")
        await outbox.update_profile("u1", {"plan": "pro"})
    assert uploads(sandbox) == []

    forget()
    async with client.outbox(path, every=60) as outbox:
        await outbox.flush(wait=True)
    assert names(sandbox) == ["Signed up"]
    assert sandbox.profiles == {"u1": {"plan": "pro"}}


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
async def test_a_batch_that_was_being_sent_is_recorded_once(
    client: AppcuesClient, sandbox: Sandbox, path: Path, applied: bool
) -> None:
    hold = Hold()
    # Applied and not answered, or not even read.
    fault = Stall("body" if applied else "headers", hold=hold)
    sandbox.faults.add(fault, path="import/events", times=1)
    async with client.outbox(path, every=SOONER, drain=0) as outbox:
        await outbox.track("u1", "Signed up")
        await outbox.track("u2", "Signed up")
        await hold.reached()
    hold.release()

    forget()
    async with client.outbox(path, every=SOONER) as outbox:
        await outbox.flush(wait=True)
    assert len(names(sandbox)) == 2
    assert count(path, "rows") == 0


async def test_the_job_of_an_accepted_batch_is_waited_for(
    client: AppcuesClient, sandbox: Sandbox, path: Path
) -> None:
    sandbox.plan_next_job(JobPlan(seconds=1_000))
    async with client.outbox(path, every=SOONER) as outbox:
        await outbox.update_profile("u1", {"plan": "free"})
        await outbox.flush()
    assert count(path, "rows") == 1

    forget()
    async with client.outbox(path, every=SOONER) as outbox:
        await outbox.update_profile("u1", {"plan": "pro"})
        sandbox.advance(1_000)
        await outbox.flush(wait=True)
    assert sandbox.profiles == {"u1": {"plan": "pro"}}
    assert uploads(sandbox) == ["profiles", "profiles"]
    assert count(path, "rows") == 0


async def test_a_job_that_failed_while_nobody_looked_is_told(
    client: AppcuesClient, sandbox: Sandbox, path: Path
) -> None:
    sandbox.plan_next_job(JobPlan(status="FAILED", seconds=1_000, rows_applied=0))
    async with client.outbox(path, every=SOONER) as outbox:
        await outbox.track("u1", "Signed up")
        await outbox.flush()
    sandbox.advance(1_000)

    forget()
    async with client.outbox(path, every=SOONER) as outbox:
        with pytest.raises(BulkFailed, match="failed"):
            await outbox.flush(wait=True)


async def test_what_stays_unknown_is_not_sent_by_the_next_process(
    sandbox: Sandbox, path: Path
) -> None:
    sandbox.faults.add(Reset(applied=True), path="import/events")
    async with open_client(sandbox, on_unknown="raise") as client:
        for _ in range(2):
            async with client.outbox(path, every=SOONER) as outbox:
                if not await outbox.failed():
                    await outbox.track("u1", "Signed up")
                with pytest.raises(BulkFailed, match="unknown"):
                    await outbox.flush()
            forget()
    assert uploads(sandbox) == ["events"]


async def test_rows_that_were_kept_aside_stay_there(
    client: AppcuesClient, sandbox: Sandbox, path: Path
) -> None:
    sandbox.faults.add(Answer(400), path="import/events")
    async with client.outbox(path, every=SOONER) as outbox:
        await outbox.track("u1", "Signed up")
    forget()
    async with client.outbox(path, every=SOONER) as outbox:
        await outbox.track("u2", "Signed up")
        with pytest.raises(BulkFailed, match="1 row "):
            await outbox.flush(wait=True)
        assert [one.status for one in await outbox.failed()] == ["refused"]
    assert [event["user_id"] for event in sandbox.events] == ["u2"]


@pytest.mark.parametrize("step", ["mark_rows", "end_planning", "clear_rows", "forget_batch"])
async def test_a_sender_that_fails_half_way_is_taken_up(
    client: AppcuesClient,
    sandbox: Sandbox,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    monkeypatch.setattr(outbox_sender, "_RECOVER", 0.05)
    told: list[Notice] = []
    whole = getattr(tables, step)

    def fail(*_: object) -> None:
        monkeypatch.setattr(tables, step, whole)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(tables, step, fail)
    async with client.outbox(path, every=60, on_notice=told.append) as outbox:
        await outbox.track("u1", "Signed up")
        await outbox.update_profile("u1", {"plan": "pro"})
        await outbox.flush(wait=True)
        await until(lambda: count(path, "rows") == 0)
        gauges = await outbox.gauges()
    assert OutboxStalled("InvalidInput") in told
    assert (gauges.sent, gauges.waiting, gauges.bytes) == (2, 0, 0)
    assert names(sandbox) == ["Signed up"]
    assert sandbox.profiles == {"u1": {"plan": "pro"}}
    assert count(path, "batches") == 0


async def test_the_store_does_not_grow(
    client: AppcuesClient, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_journal, "KEPT", 3)
    async with client.outbox(path, every=60) as outbox:
        for _ in range(8):
            await outbox.track("u1", "Signed up")
            await outbox.flush(wait=True)
        opened = outbox._opened
        assert opened is not None
        await until(lambda: count(path, "batches") == 0)
        await opened.store.tidy()
    assert {
        name: count(path, name) for name in ("rows", "batches", "aside", "chunks", "requests")
    } == {
        **dict.fromkeys(("rows", "batches", "aside", "requests"), 0),
        "chunks": 3,
    }


def test_the_room_of_rows_that_were_sent_is_given_back(path: Path) -> None:
    journal = OutboxJournal(path, origin="https://api.appcues.com", account_id="1", now=0)
    with journal.change() as db:
        tables.make_tables(db)
        rows = [Row("events", "u1", b"x" * 2_000)] * 4_000
        tables.add_rows(db, rows, 0)
        kept, body = db.execute("SELECT min(seq), body FROM rows").fetchone()
    journal.empty_log(0)
    full = path.stat().st_size
    journal.give_back_room(0)
    assert path.stat().st_size == full > 8_000_000
    with journal.change() as db:
        db.execute("DELETE FROM rows WHERE seq > ?", (kept,))
    for _ in range(10):
        journal.give_back_room(1_000_000)
    journal.empty_log(0)
    assert path.stat().st_size < 2_000_000
    assert journal.read().execute("SELECT body FROM rows").fetchall() == [(body,)]
    journal.close(0)


async def test_a_file_of_another_account_is_refused(
    client: AppcuesClient, sandbox: Sandbox, path: Path
) -> None:
    async with client.outbox(path):
        pass
    credentials = {**sandbox.credentials, "account_id": "another"}
    async with AppcuesClient(**credentials) as other:  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="belongs to account"):
            await other.outbox(path).__aenter__()


@pytest.fixture
def letter(tmp_path: Path) -> Iterator[Path]:
    """A file that is no store, and stays as it is."""
    letter, text = tmp_path / "letter", "Dear Sir or Madam, " * 100
    letter.write_text(text)
    yield letter
    assert letter.read_text() == text


async def test_what_is_no_store_is_refused(client: AppcuesClient, letter: Path) -> None:
    with pytest.raises(InvalidInput, match="no journal"):
        await client.outbox(letter).__aenter__()


async def test_the_file_is_for_its_owner_alone(client: AppcuesClient, path: Path) -> None:
    async with client.outbox(path) as outbox:
        await outbox.track("u1", "Signed up")
        modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
