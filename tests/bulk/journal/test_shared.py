"""Runs that share a journal, and chunks that stay unknown."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, InvalidInput, OutcomeUnknown, Timeouts
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.store import Journal
from appcues_async.notices import Notice
from appcues_async.sandbox import Reset, Sandbox, Stall
from tests.bulk.journal.resuming import (
    ACCOUNT,
    COUNT,
    OPTIONS,
    _run,
    assert_each_once,
    assert_whole,
    client_of,
    posts,
    write_events,
)


async def test_the_second_of_two_on_one_run_is_told_and_sends_nothing(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    hold = Stall("request")
    sandbox.faults.add(hold, method="POST")
    first = asyncio.ensure_future(_run(client, events, journal=journal))
    while not posts(sandbox):  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0.001)
    seen: list[Notice] = []
    async with client_of(sandbox, on_notice=seen.append) as second:
        with pytest.raises(InvalidInput, match="another run of this process, since"):
            await second.bulk.import_events(events, journal=journal, **OPTIONS)
    assert not seen
    hold.hold.release()
    assert_whole(await first)
    assert_each_once(sandbox)


async def test_runs_of_different_files_share_a_journal_at_the_same_time(
    sandbox: Sandbox, tmp_path: Path, journal: Path
) -> None:
    paths = [write_events(tmp_path / f"{name}.ndjson", user=name) for name in "abcd"]
    async with client_of(sandbox) as one, client_of(sandbox) as two:
        reports = await asyncio.gather(
            *(_run(one, path, journal=journal) for path in paths[:2]),
            *(_run(two, path, journal=journal) for path in paths[2:]),
        )
    for report in reports:
        assert_whole(report)
    assert len(sandbox.events) == 4 * COUNT
    assert len(read_journal(journal).runs) == 4


async def test_a_worker_that_dies_owing_an_answer_does_not_lose_it_to_another(
    sandbox: Sandbox, tmp_path: Path, journal: Path, kill_at: Any
) -> None:
    mine, theirs = (write_events(tmp_path / f"{name}.ndjson", user=name) for name in "mt")
    kill_at("sent", 1)
    async with client_of(sandbox) as client:
        with pytest.raises(BaseExceptionGroup):
            await _run(client, mine, journal=journal)
    kill_at(None, 0)
    # While that is owed, another's answers are lost, applied and not applied.
    sandbox.faults.add(Reset(applied=True), method="POST", path="/import/events")
    sandbox.faults.add(Reset(after="headers"), method="POST", path="/import/events", skip=1)
    async with client_of(sandbox) as client:
        assert_whole(await _run(client, theirs, journal=journal))
        assert_whole(await _run(client, mine, journal=journal))
    times = Counter(event["user_id"] for event in sandbox.events)
    assert set(times.values()) == {1}
    assert len(times) == 2 * COUNT


@pytest.mark.parametrize("applied", [True, False])
async def test_what_stayed_unknown_is_settled_by_a_later_run(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, applied: bool
) -> None:
    sandbox.faults.add(Reset(applied=applied), method="POST", path="/import/events", skip=1)
    first = await client.bulk.import_events(
        events, journal=journal, on_unknown="raise", **OPTIONS, on_failure="report"
    )
    (lost,) = [one for one in first.outcomes if one.status == "unknown"]
    assert isinstance(lost.error, OutcomeUnknown)
    assert (lost.error.chunk, lost.error.rows) == (lost.chunk, (lost.first, lost.last))
    asked = await client.bulk.import_events(
        events, journal=journal, on_unknown="raise", **OPTIONS, on_failure="report"
    )
    assert asked.unknown == lost.rows
    again = await client.bulk.import_events(events, journal=journal, **OPTIONS, on_failure="report")
    assert_whole(again)
    assert again.outcomes[lost.chunk].resumed == applied
    assert_each_once(sandbox)


async def test_resend_sends_what_stayed_unknown_once_more(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    sandbox.faults.add(Reset(applied=True), method="POST", path="/import/events")
    first = await client.bulk.import_events(
        events, journal=journal, on_unknown="raise", **OPTIONS, on_failure="report"
    )
    again = await client.bulk.import_events(
        events, journal=journal, on_unknown="resend", **OPTIONS, on_failure="report"
    )
    assert again.ok
    assert len(sandbox.events) == COUNT + first.unknown


async def test_others_go_on_while_a_chunk_is_being_settled(
    sandbox: Sandbox, events: Path, journal: Path, kill_at: Any
) -> None:
    kill_at("intent", 0)
    async with client_of(sandbox) as client:
        with pytest.raises(BaseExceptionGroup):
            await client.bulk.import_events(events, journal=journal, **OPTIONS)
    kill_at(None)
    async with client_of(sandbox, timeouts=Timeouts(settle=2)) as client:
        run = client.bulk.import_events(events, journal=journal, chunk_bytes=9_000, concurrency=1)
        ended = [outcome.chunk async for outcome in run]
        assert_whole(await run)
    assert ended[0] != 0
    assert_each_once(sandbox)


def lost(journal: Path) -> list[tuple[str, int]]:
    """The requests of which nobody will find out what they started: kind and rows."""
    one = Journal(journal, origin=read_journal(journal).about["origin"], account_id=ACCOUNT, now=0)
    found = [(claim.kind, claim.rows or 0) for claim in one.whose([]).claims]
    one.close(0)
    return found


async def test_what_is_sent_once_more_may_have_started_a_job_that_is_nobodys(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, kill_at: Any
) -> None:
    rows = [{"user_id": f"{number:04}"} for number in range(100)]
    kill_at("intent", 0)
    with pytest.raises(BaseExceptionGroup):
        await client.bulk.import_profiles(rows, journal=journal)
    assert lost(journal) == [("import/profiles", 100)]
    kill_at(None)
    assert (await client.bulk.import_profiles(rows, journal=journal)).ok
    assert lost(journal) == [("import/profiles", 100)]


async def test_an_attempt_that_was_lost_may_have_started_a_job_that_is_nobodys(
    sandbox: Sandbox, client: AppcuesClient, journal: Path
) -> None:
    rows = [{"user_id": f"{number:04}"} for number in range(100)]
    sandbox.faults.add(Reset(applied=True), method="POST")
    assert (await client.bulk.import_profiles(rows, journal=journal)).ok
    assert len(sandbox.jobs) == 2
    assert lost(journal) == [("import/profiles", 100)]
