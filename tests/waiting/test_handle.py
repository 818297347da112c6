"""The handle is the product: any number of awaiters, one poller, and a truthful end."""

from __future__ import annotations

import asyncio

import pytest

from appcues_async.errors import (
    JobFailed,
    JobPending,
    RowsFailed,
    Unauthorized,
)
from appcues_async.models import Job, JobEvent
from appcues_async.notices import JobChanged
from appcues_async.waiting.handle import JobHandle
from tests.virtual_clock import VirtualClock
from tests.waiting.conftest import Office


async def test_awaiting_returns_the_job_when_it_is_completed(office: Office) -> None:
    handle = office.start()
    waiting = asyncio.create_task(handle.wait())
    await office.clock.advance(60)
    assert not waiting.done()
    office.complete()
    await office.clock.advance(15)
    job = waiting.result()
    assert job.status == "COMPLETED"
    assert job.ingestions_completed == 22


async def test_a_failed_job_raises_and_carries_the_job(office: Office) -> None:
    handle = office.start()
    reason = JobEvent(name="Failed", attributes={"reason": "no disk"})
    office.change(status="FAILED", events=(reason,))
    with pytest.raises(JobFailed, match="reason no disk") as caught:
        await office.clock.run(handle.wait())
    assert caught.value.job.status == "FAILED"
    assert handle.done()


async def test_a_job_that_has_ended_is_not_looked_at_again(office: Office) -> None:
    handle = office.start()
    office.complete()
    await office.clock.run(handle.wait())
    looks = len(office.looks)
    await handle
    assert len(office.looks) == looks


async def test_many_awaiters_share_one_look(office: Office) -> None:
    handle = office.start()
    waits = [asyncio.create_task(handle.wait()) for _ in range(100)]
    office.complete()
    await office.clock.advance(1)
    assert all(wait.result().ended for wait in waits)
    assert len(office.looks) == 1


async def test_cancelling_one_awaiter_leaves_the_others_waiting(office: Office) -> None:
    handle = office.start()
    one, two = (asyncio.create_task(handle.wait()) for _ in range(2))
    await office.clock.advance(1)
    one.cancel()
    office.complete()
    await office.clock.advance(5)
    assert one.cancelled()
    assert two.result().ended


async def test_a_deadline_says_that_the_job_still_runs_and_how_to_go_on(office: Office) -> None:
    handle = office.start()
    with pytest.raises(JobPending, match="still running, last seen as IN_PROGRESS") as caught:
        await office.clock.run(handle.wait(timeout=30))
    assert office.clock.time() == 1030
    assert caught.value.token == handle.token
    assert caught.value.url == handle.url
    assert isinstance(caught.value, TimeoutError)


async def test_without_a_timeout_the_wait_ends_when_patience_does(office: Office) -> None:
    office.start()
    handle = office.handle("job-1", patience=100)
    with pytest.raises(JobPending):
        await office.clock.run(handle.wait())
    assert office.clock.time() == 1100


async def test_the_wait_can_be_taken_up_again_after_a_deadline(office: Office) -> None:
    handle = office.start()
    with pytest.raises(JobPending):
        await office.clock.run(handle.wait(timeout=1))
    office.complete()
    assert (await office.clock.run(handle.wait())).ended


async def test_a_cancellation_from_outside_works(office: Office, clock: VirtualClock) -> None:
    handle = office.start()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await handle


async def test_iterating_yields_each_change_and_stops_at_the_end(office: Office) -> None:
    handle = office.start()
    seen: list[str] = []

    async def follow() -> None:
        seen.extend([job.status async for job in handle])

    following = asyncio.create_task(follow())
    await office.clock.advance(2)
    office.change(status="PAUSED")
    await office.clock.advance(20)
    office.change(status="FAILED")
    await office.clock.advance(20)
    await following
    assert seen == ["IN_PROGRESS", "PAUSED", "FAILED"]


async def test_an_unknown_status_is_still_running_and_visible(office: Office) -> None:
    handle = office.start()
    office.change(status="PONDERING")
    waiting = asyncio.create_task(handle.wait())
    await office.clock.advance(5)
    assert not waiting.done()
    assert handle.job is not None
    assert handle.job.status == "PONDERING"
    waiting.cancel()


async def test_refused_credentials_end_every_wait_at_once(office: Office) -> None:
    one, two = office.start("one"), office.start("two")
    office.failures = [Unauthorized("401")]
    waits = [asyncio.create_task(handle.wait()) for handle in (one, two)]
    await office.clock.advance(1)
    for wait in waits:
        with pytest.raises(Unauthorized):
            await wait


async def test_an_error_of_our_own_ends_the_wait_instead_of_hanging_it(office: Office) -> None:
    handle = office.handle("not in the office's books")
    with pytest.raises(KeyError):
        await office.clock.run(handle.wait())


async def test_it_works_with_task_groups_timeouts_and_gather(office: Office) -> None:
    handles = [office.start(f"job-{number}") for number in range(3)]
    for handle in handles:
        office.complete(handle.id)

    async def work() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for handle in handles:
                group.create_task(handle.wait())
        assert all(job.ended for job in await asyncio.gather(*handles))

    await office.clock.run(work())


async def test_leaving_the_client_ends_waits_and_hands_over_the_token(office: Office) -> None:
    handle = office.start()
    waiting = asyncio.create_task(handle.wait())
    await office.clock.advance(2)
    await office.watcher.close()
    with pytest.raises(JobPending, match="the client was left") as caught:
        await waiting
    assert caught.value.token == handle.token


async def test_a_wait_after_the_client_was_left_raises_at_once(office: Office) -> None:
    handle = office.start()
    await office.watcher.close()
    with pytest.raises(JobPending, match="the client was left"):
        await handle


async def test_completed_with_failed_rows_returns_and_then_raises_on_request(
    office: Office,
) -> None:
    handle = office.start()
    office.complete(failed=3)
    job = await office.clock.run(handle.wait())
    assert job.ingestions_failed == 3
    with pytest.raises(RowsFailed, match="3 rows") as caught:
        handle.raise_for_failures()
    assert caught.value.job is job


async def test_nothing_failed_raises_nothing(office: Office) -> None:
    handle = office.start()
    handle.raise_for_failures()
    office.complete()
    await office.clock.run(handle.wait())
    handle.raise_for_failures()


async def test_changes_are_told(office: Office) -> None:
    handle = office.start()
    office.complete()
    await office.clock.run(handle.wait())
    assert office.told == [JobChanged(office.jobs["job-1"])]


def test_a_handle_shows_its_state_and_nothing_else(office: Office) -> None:
    watch = office.watch("abc")
    handle = JobHandle(watch, office.shared())
    assert repr(handle) == "<JobHandle abc not looked at yet>"
    watch.record(Job(id="abc", status="IN_PROGRESS"))
    assert repr(handle) == "<JobHandle abc IN_PROGRESS>"
