"""What nobody can know is settled by hand, and what is long settled is forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, InvalidInput, OutcomeUnknown, PollPolicy, Timeouts
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.settling import prune_journal
from appcues_async.bulk.journal.store import Journal
from appcues_async.bulk.report import Report
from appcues_async.sandbox import JobPlan, Reset, Sandbox, Stall
from tests.conftest import SOON

SETTLE = 0.3
OFTEN = PollPolicy(first=0.01, low=0.02, high=0.05, grace=0.05)
COUNT = 20


def opened(sandbox: Sandbox, **others: Any) -> AppcuesClient:
    options: dict[str, Any] = {**sandbox.credentials, "retry": SOON, "polling": OFTEN, **others}
    return AppcuesClient(**options, timeouts=Timeouts(settle=SETTLE), throttle=None)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    async with opened(sandbox) as one:
        yield one


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    write(path, COUNT)
    return path


def write(path: Path, count: int) -> None:
    line = '{{"user_id":"{}","name":"Paid","timestamp":"2026-07-14T12:00:00Z"}}\n'
    path.write_text("".join(line.format(number) for number in range(count)))


async def imported(client: AppcuesClient, events: Path, journal: Path) -> Report:
    run = client.bulk.import_events(events, journal=journal, on_failure="report")
    return await run


async def lose(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, *, applied: bool
) -> None:
    """Leaves a chunk unknown: others have started jobs of as many rows at the same time."""
    sandbox.faults.add(Reset(applied=applied), method="POST", path="/import/events")
    # The first list is asked for before the upload, the second once its answer is lost.
    search = Stall("request")
    sandbox.faults.add(search, method="GET", path="/jobs$", skip=1)
    elsewhere = sandbox.url.replace("127.0.0.1", "localhost")
    if applied:
        sandbox.plan_next_job(JobPlan(seconds=SETTLE))
    before = posts(sandbox)
    lost = asyncio.create_task(imported(client, events, journal))
    while posts(sandbox) == before or (applied and not sandbox.jobs):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    async with opened(sandbox, base_url=elsewhere) as other:
        rows = [
            {"user_id": f"other {one}", "name": "Left", "timestamp": "2026-07-14T12:00:00Z"}
            for one in range(COUNT)
        ]
        for _ in range(1 if applied else 2):
            await other.imports.events(rows)
    search.hold.release()
    (outcome,) = (await lost).outcomes
    assert isinstance(outcome.error, OutcomeUnknown)


def posts(sandbox: Sandbox) -> int:
    return sum(one.method == "POST" for one in sandbox.requests)


def recorded(sandbox: Sandbox) -> Counter[str]:
    return Counter(event["name"] for event in sandbox.events)


async def test_the_candidates_of_an_unknown_chunk_are_shown_with_their_counts(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await lose(sandbox, client, events, journal, applied=True)
    (chunk,) = read_journal(journal).chunks
    assert chunk["status"] == "unknown"
    assert {one["job"] for one in chunk["candidates"]} == set(sandbox.jobs)
    assert {(one["completed"], one["failed"]) for one in chunk["candidates"]} == {(COUNT, 0)}


async def test_what_was_applied_is_not_sent_again(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await lose(sandbox, client, events, journal, applied=True)
    await client.bulk.settle(journal, 0, applied=True)
    report = await imported(client, events, journal)
    assert (report.ok, report.completed) == (True, COUNT)
    assert recorded(sandbox)["Paid"] == COUNT


async def test_a_chunk_that_was_applied_by_a_known_job_has_that_job(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await lose(sandbox, client, events, journal, applied=True)
    first, _ = sandbox.jobs
    await client.bulk.settle(journal, 0, applied=True, job=first)
    (outcome,) = (await imported(client, events, journal)).outcomes
    assert outcome.handle is not None
    assert (outcome.handle.id, outcome.status) == (first, "completed")


async def test_what_was_not_applied_is_sent_by_the_next_run(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await lose(sandbox, client, events, journal, applied=False)
    await client.bulk.settle(journal, 0, applied=False)
    assert (await imported(client, events, journal)).ok
    assert recorded(sandbox)["Paid"] == COUNT


async def test_only_an_unknown_chunk_is_settled_by_hand(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await imported(client, events, journal)
    with pytest.raises(InvalidInput, match=r"chunk 0 .* is not unknown"):
        await client.bulk.settle(journal, 0, applied=True)
    with pytest.raises(InvalidInput, match="no such file"):
        await client.bulk.settle(journal.with_name("none"), 0, applied=True)


async def test_a_job_that_another_chunk_has_is_not_given_twice(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    more = events.with_name("more.ndjson")
    write(more, 2 * COUNT)
    await imported(client, more, journal)
    (taken,) = sandbox.jobs
    await lose(sandbox, client, events, journal, applied=True)
    with pytest.raises(InvalidInput, match="is that of chunk 0 of run 1"):
        await client.bulk.settle(journal, 0, applied=True, job=taken)


async def test_settled_runs_are_forgotten_and_all_others_kept(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.ndjson"
    write(more, 2 * COUNT)
    await imported(client, more, journal)
    await lose(sandbox, client, events, journal, applied=True)
    heartbeat, _ = (one["heartbeat"] for one in read_journal(journal).runs)
    assert prune_journal(journal, heartbeat - 1) == []
    assert prune_journal(journal, heartbeat + 1e6) == [1]
    (run,) = read_journal(journal).runs
    assert run["sources"] == [str(events)]
    assert [chunk["status"] for chunk in read_journal(journal).chunks] == ["unknown"]


async def test_a_run_that_somebody_works_on_is_left_alone(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await lose(sandbox, client, events, journal, applied=True)
    held = Journal(journal, origin=sandbox.url, account_id="sandbox-account", now=0)
    held._locks.acquire(1)
    with pytest.raises(InvalidInput, match="another process works on run 1"):
        await client.bulk.settle(journal, 0, applied=True)
    held.close(0)
