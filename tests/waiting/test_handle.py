"""The handle is the product: any number of awaiters, one poller, and a truthful end."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.errors import (
    AppcuesError,
    ConnectionFailed,
    InvalidInput,
    JobFailed,
    JobPending,
    NotFound,
    RowsFailed,
    ServerError,
    Unauthorized,
)
from appcues_async.models import Job, JobEvent
from appcues_async.notices import JobChanged, PollFailed
from appcues_async.settings import PollPolicy
from appcues_async.waiting.address import JobAddress
from appcues_async.waiting.handle import JobHandle
from tests.virtual_clock import VirtualClock, settle
from tests.waiting.conftest import ORIGIN, Office


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


async def test_the_first_look_is_soon_and_later_ones_grow_apart(office: Office) -> None:
    handle = office.start()
    waiting = asyncio.create_task(handle.wait())
    await office.clock.advance(60)
    times = [when - 1000 for _, when in office.looks]
    assert times[:4] == pytest.approx([0.5, 1.5, 2.5, 3.5])
    assert max(b - a for a, b in itertools.pairwise(times)) <= 15
    waiting.cancel()


async def test_nothing_is_polled_when_nobody_waits(office: Office) -> None:
    handle = office.start()
    waiting = asyncio.create_task(handle.wait())
    await office.clock.advance(2)
    waiting.cancel()
    await settle()
    looks = len(office.looks)
    await office.clock.advance(100)
    assert len(office.looks) == looks


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


@pytest.mark.parametrize("error", [ServerError("500"), ConnectionFailed("gone"), NotFound("404")])
async def test_a_look_that_fails_does_not_end_a_wait(office: Office, error: AppcuesError) -> None:
    handle = office.start()
    office.complete()
    office.failures = [error, error]
    job = await office.clock.run(handle.wait())
    assert job.ended
    assert PollFailed("job-1", type(error).__name__) in office.told


async def test_a_five_minute_outage_does_not_end_a_wait(office: Office) -> None:
    handle = office.start()
    office.failures = [ServerError("503") for _ in range(1000)]
    waiting = asyncio.create_task(handle.wait())
    await office.clock.advance(300)
    assert not waiting.done()
    office.failures.clear()
    office.complete()
    await office.clock.advance(15)
    assert waiting.result().ended


async def test_a_job_that_stays_unknown_beyond_its_grace_raises(office: Office) -> None:
    handle = office.handle("nowhere", PollPolicy(grace=5))
    office.failures = [NotFound("404") for _ in range(100)]
    with pytest.raises(NotFound):
        await office.clock.run(handle.wait())
    assert 5 <= office.clock.time() - 1000 <= 10


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


async def test_a_wait_that_is_taken_up_after_an_error_is_not_ended_by_its_neighbours(
    office: Office,
) -> None:
    handle = office.start()
    office.failures = [Unauthorized("401")]

    async def twice() -> Job:
        with pytest.raises(Unauthorized):
            await handle
        return await handle

    async def once() -> None:
        with pytest.raises(Unauthorized):
            await handle

    again, neighbour = asyncio.create_task(twice()), asyncio.create_task(once())
    await office.clock.advance(2)
    assert neighbour.done()
    office.complete()
    await office.clock.advance(10)
    assert again.result().ended


async def test_several_jobs_are_served_by_one_list(office: Office) -> None:
    handles = [office.start(f"job-{number}") for number in range(50)]
    waits = [asyncio.create_task(handle.wait()) for handle in handles]
    await office.clock.advance(4)
    assert office.asked("list") == 4
    assert len(office.looks) == 4
    for handle in handles:
        office.complete(handle.id)
    await office.clock.advance(4)
    assert all(wait.result().ingestions_completed == 22 for wait in waits)
    assert len(office.looks) == 5 + 50


async def test_a_job_that_the_list_does_not_show_is_asked_for_alone_after_its_grace(
    office: Office,
) -> None:
    shown, hidden = office.start("shown"), office.start("hidden")
    office.hidden = {"hidden"}
    waits = [asyncio.create_task(handle.wait()) for handle in (shown, hidden)]
    office.complete("hidden")
    await office.clock.advance(4.9)
    assert office.asked("hidden") == 0
    await office.clock.advance(5)
    assert waits[1].result().ended
    assert not waits[0].done()
    waits[0].cancel()


async def test_a_job_that_the_list_never_shows_is_asked_for_more_seldom_than_the_list(
    office: Office,
) -> None:
    shown, hidden = office.start("shown"), office.start("hidden")
    office.hidden = {"hidden"}
    waits = [asyncio.create_task(handle.wait()) for handle in (shown, hidden)]
    await office.clock.advance(300)
    assert 5 <= office.asked("hidden") <= 0.6 * office.asked("list")
    for wait in waits:
        wait.cancel()


async def test_a_list_that_cannot_be_had_does_not_ask_for_each_job_instead(
    office: Office,
) -> None:
    handles = [office.start(f"job-{number}") for number in range(50)]
    waits = [asyncio.create_task(handle.wait()) for handle in handles]
    office.failures = [ServerError("503") for _ in range(1000)]
    await office.clock.advance(300)
    assert {what for what, _ in office.looks} == {"list"}
    for wait in waits:
        wait.cancel()


async def test_a_list_that_cannot_be_read_does_not_hide_the_jobs(office: Office) -> None:
    handles = [office.start(f"job-{number}") for number in range(2)]
    waits = [asyncio.create_task(handle.wait()) for handle in handles]
    for handle in handles:
        office.complete(handle.id)
    office.unreadable = True
    await office.clock.advance(30)
    assert all(wait.result().ended for wait in waits)


async def test_the_detail_of_a_job_is_fetched_once_when_it_has_ended(office: Office) -> None:
    one, two = office.start("one"), office.start("two")
    waits = [asyncio.create_task(handle.wait()) for handle in (one, two)]
    await office.clock.advance(20)
    assert office.asked("one") == 0
    office.complete("one")
    await office.clock.advance(60)
    assert waits[0].result().events
    assert office.asked("one") == 1
    waits[1].cancel()


async def test_a_slow_detail_does_not_hold_up_the_others(office: Office) -> None:
    one, two = office.start("one"), office.start("two")
    waits = [asyncio.create_task(handle.wait()) for handle in (one, two)]
    office.slow = {"one"}
    office.complete("one")
    await office.clock.advance(2)
    office.complete("two")
    await office.clock.advance(10)
    assert waits[1].result().ended
    assert not waits[0].done()
    office.slow.clear()
    await office.clock.advance(1)
    assert waits[0].result().ended


async def test_jobs_are_not_looked_at_much_before_earlier_ones_of_their_kind_had_ended(
    office: Office,
) -> None:
    first = office.start("first")
    waiting = asyncio.create_task(first.wait())
    await office.clock.advance(40)
    office.complete("first")
    await office.clock.advance(15)
    assert waiting.result().ended
    office.looks.clear()
    began = office.clock.time()
    second = asyncio.create_task(office.start("second").wait())
    await office.clock.advance(38)
    assert len(office.looks) <= 4, "the first look, and then no more than one each 15 s"
    office.complete("second")
    await office.clock.advance(15)
    assert second.result().ended
    assert office.clock.time() - began <= 56


async def test_a_last_look_comes_in_time_for_the_deadline(office: Office) -> None:
    handle = office.start()
    waiting = asyncio.create_task(handle.wait(timeout=100))
    await office.clock.advance(98.5)
    office.complete()
    await office.clock.advance(1)
    assert waiting.result().ended


async def test_the_cadence_follows_the_youngest_job(office: Office) -> None:
    old = asyncio.create_task(office.start("old").wait())
    await office.clock.advance(300)
    office.looks.clear()
    young = asyncio.create_task(office.start("young").wait())
    await office.clock.advance(4)
    assert len(office.looks) >= 3
    old.cancel()
    young.cancel()


async def test_ten_thousand_handles_are_served_by_one_list_a_tick(office: Office) -> None:
    handles = [office.start(f"job-{number}") for number in range(10_000)]
    waits = [asyncio.create_task(handle.wait()) for handle in handles]
    await office.clock.advance(8)
    assert len(office.looks) == office.asked("list") <= 9
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)


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


async def test_a_handle_that_joins_later_is_looked_at_soon(office: Office) -> None:
    old = office.start("old")
    first = asyncio.create_task(old.wait())
    await office.clock.advance(60)
    new = office.start("new")
    office.complete("new")
    second = asyncio.create_task(new.wait())
    await office.clock.advance(0.6)
    assert second.result().ended
    first.cancel()


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


def parse(text: str) -> JobAddress:
    return JobAddress.of(text, origin=ORIGIN, account_id="123")


@pytest.mark.parametrize(
    "text",
    [
        "fee890bf-8984-4502-ad47-14f1074e831c",
        " fee890bf-8984-4502-ad47-14f1074e831c\n",
        "https://api.appcues.com/v2/accounts/123/jobs/fee890bf-8984-4502-ad47-14f1074e831c",
        "https://elsewhere.example/v2/accounts/123/jobs/fee890bf-8984-4502-ad47-14f1074e831c/",
    ],
)
def test_a_job_is_named_by_id_or_url_and_always_asked_for_at_our_origin(text: str) -> None:
    address = parse(text)
    assert address.id == "fee890bf-8984-4502-ad47-14f1074e831c"
    assert address.url == f"{ORIGIN}/v2/accounts/123/jobs/{address.id}"


def test_a_token_names_the_same_job_again() -> None:
    address = JobAddress(ORIGIN, "123", "abc", "import/events")
    assert parse(address.token) == address


def test_a_token_is_versioned_json_without_credentials() -> None:
    content = json.loads(JobAddress(ORIGIN, "123", "abc", "import/events").token)
    assert content == {
        "version": 1,
        "origin": ORIGIN,
        "account_id": "123",
        "job_id": "abc",
        "kind": "import/events",
    }


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "no job id"),
        ("../../accounts/9", "no job id"),
        ("https://api.appcues.com/v2/accounts/123/flows/1", "no job id"),
        ("https://api.appcues.com/v2/accounts/999/jobs/abc", "account '999'"),
        (JobAddress(ORIGIN, "999", "abc").token, "account '999'"),
        (JobAddress("https://api.eu.appcues.com", "123", "abc").token, "eu.appcues.com"),
        (JobAddress(ORIGIN, "123", "a/b").token, "no job token"),
        ('{"version": 2, "job_id": "abc"}', "version 2"),
        ("{", "no job token"),
        ("{}", "no job token"),
    ],
)
def test_what_names_no_job_of_this_account_is_refused(text: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        parse(text)


@given(st.text())
def test_any_text_is_an_address_or_a_clear_refusal(text: str) -> None:
    try:
        address = parse(text)
    except InvalidInput:
        return
    assert address.url.startswith(f"{ORIGIN}/v2/accounts/123/jobs/")


def test_a_handle_shows_its_state_and_nothing_else(office: Office) -> None:
    watch = office.watch("abc")
    handle = JobHandle(watch, office.shared())
    assert repr(handle) == "<JobHandle abc not looked at yet>"
    watch.record(Job(id="abc", status="IN_PROGRESS"))
    assert repr(handle) == "<JobHandle abc IN_PROGRESS>"
