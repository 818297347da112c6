"""One poller for all jobs that are waited for."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from appcues_async.errors import (
    AppcuesError,
    ConnectionFailed,
    NotFound,
    ServerError,
    Unauthorized,
)
from appcues_async.models import Job
from appcues_async.notices import PollFailed
from appcues_async.settings import PollPolicy
from tests.virtual_clock import settle
from tests.waiting.conftest import Office


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
