"""Requests that are unsettled at the same time, and jobs of others."""

from __future__ import annotations

import asyncio
import gc

import pytest

from appcues_async import (
    AppcuesClient,
    JobHandle,
    OutcomeUnknown,
    Timeouts,
)
from appcues_async.sandbox import Reset, Sandbox, Stall
from appcues_async.sandbox.jobs import JobPlan
from tests.recovery.uploads import (
    LEAST,
    SETTLE,
    elsewhere,
    lose,
    ndjson,
    of_each,
    opened,
    recorded,
    rows,
    uploads,
)


async def test_of_two_at_once_neither_takes_the_others_job(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    for _ in range(5):
        lose(sandbox, Reset(applied=True), Reset())
        first, second = await asyncio.gather(
            client.imports.events(rows("Paid", 3)), client.imports.events(rows("Left", 2))
        )
        assert first.id != second.id
    assert recorded(sandbox) == {"Paid": 15, "Left": 10}
    assert len(sandbox.jobs) == 10


async def test_two_alike_of_which_one_was_recorded_are_both_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), Reset())
    ends = await of_each(
        client.imports.events(rows("Paid", 2)), client.imports.events(rows("Left", 2))
    )
    for error in ends:
        assert isinstance(error, OutcomeUnknown)
        assert [job.id for job in error.candidates] == list(sandbox.jobs)
    assert uploads(sandbox) == 2


async def test_a_rival_that_is_still_under_way_is_waited_for(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    held = Stall()
    lose(sandbox, held, Reset(applied=True))
    slow = asyncio.create_task(
        client.with_options(timeouts=Timeouts(settle=SETTLE)).imports.events(ndjson("Paid"))
    )
    while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0.001)
    lost = asyncio.create_task(client.imports.events(ndjson("Left")))
    await asyncio.sleep(2 * SETTLE)
    assert not lost.done()
    held.hold.release()
    assert (await slow).id != (await lost).id
    assert recorded(sandbox) == {"Paid": 1, "Left": 1}


async def test_clients_of_an_account_know_each_others_jobs(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async with opened(sandbox) as other:
        await other.imports.events(ndjson("Left"))
        lose(sandbox, Reset())
        await client.imports.events(ndjson("Paid"))
        await (await other.imports.events(ndjson("Left")))
    assert recorded(sandbox) == {"Paid": 1, "Left": 2}


async def test_a_job_of_a_client_that_was_left_is_not_taken_for_another(sandbox: Sandbox) -> None:
    async with opened(sandbox) as client:
        await client.imports.events(ndjson("Left"))
    del client
    gc.collect()
    lose(sandbox, Reset())
    async with opened(sandbox) as client:
        await client.imports.events(ndjson("Paid"))
    assert recorded(sandbox) == {"Left": 1, "Paid": 1}


async def test_a_job_of_another_loop_is_not_taken_for_ours(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async def start() -> None:
        async with opened(sandbox) as other:
            await other.imports.events(ndjson("Left"))

    await asyncio.to_thread(asyncio.run, start())
    lose(sandbox, Reset())
    await client.imports.events(ndjson("Paid"))
    assert recorded(sandbox) == {"Left": 1, "Paid": 1}


async def test_a_job_that_client_request_has_started_is_not_taken_for_another(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.request("POST", "export/events", json=LEAST)
    lose(sandbox, Reset())
    await client.imports.events(ndjson("Paid"))
    assert recorded(sandbox) == {"Paid": 1}


async def test_a_job_that_client_request_may_have_started_is_taken_for_nobodys(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), path="export/events")
    with pytest.raises(OutcomeUnknown):
        await client.request("POST", "export/events", json=LEAST)
    lose(sandbox, Reset())
    with pytest.raises(OutcomeUnknown) as caught:
        await client.imports.events(ndjson("Paid"))
    assert [job.id for job in caught.value.candidates] == list(sandbox.jobs)


async def test_another_producers_job_at_the_same_time_makes_it_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True))
    async with elsewhere(sandbox) as other:
        lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
        await asyncio.sleep(SETTLE / 3)
        theirs = await other.imports.events(ndjson("Left"))
        with pytest.raises(OutcomeUnknown) as caught:
            await lost
    assert {job.id for job in caught.value.candidates} == set(sandbox.jobs)
    assert theirs.id in str(caught.value)
    assert len(caught.value.attempts) == 1
    assert recorded(sandbox) == {"Paid": 1, "Left": 1}


@pytest.mark.parametrize("seconds", [0, 1.0])
async def test_the_end_of_another_producers_job_tells_it_from_ours(
    sandbox: Sandbox, client: AppcuesClient, seconds: float
) -> None:
    async with elsewhere(sandbox) as other:
        sandbox.plan_next_job(JobPlan(seconds=seconds))
        lose(sandbox, Reset(applied=True))
        lost = asyncio.create_task(client.imports.events(rows("Paid", 3)))
        while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
            await asyncio.sleep(0.001)
        sandbox.plan_next_job(JobPlan(seconds=seconds))
        theirs = await other.imports.events(rows("Left", 2))
        assert (await lost).id != theirs.id
    assert uploads(sandbox) == 2


@pytest.mark.parametrize("listed", [True, False])
async def test_another_name_tells_once_an_own_job_has_shown_its(
    sandbox: Sandbox, client: AppcuesClient, listed: bool
) -> None:
    async def lose_beside_profiles() -> JobHandle:
        lose(sandbox, Reset())
        lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
        await asyncio.sleep(SETTLE / 3)
        await other.imports.profiles([{"user_id": "1"}])
        return await lost

    async with elsewhere(sandbox) as other:
        first = await client.imports.events(ndjson("First"))
        if not listed:
            # It has been seen while it was waited for, and is not recent any more.
            await first
            del sandbox.jobs[first.id]
        await lose_beside_profiles()
    assert recorded(sandbox) == {"First": 1, "Paid": 1}


async def test_the_orphan_of_an_upload_that_was_repeated_is_not_taken_for_ours(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), path="import/profiles")
    lose(sandbox, Reset())
    await client.imports.profiles([{"user_id": "1"}])
    (orphan, _) = sandbox.jobs
    with pytest.raises(OutcomeUnknown) as caught:
        await client.imports.events(ndjson("Paid"))
    assert [job.id for job in caught.value.candidates] == [orphan]
