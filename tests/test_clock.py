"""Time is handed in, and a sleep leaves nothing behind."""

from __future__ import annotations

import asyncio
from datetime import UTC

import pytest

from appcues_async.clock import SystemClock, sleep_on
from tests.virtual_clock import VirtualClock, settle


async def test_a_sleep_lasts_until_the_clock_says_so(clock: VirtualClock) -> None:
    sleeping = asyncio.create_task(sleep_on(clock, 10))
    await clock.advance(9.999)
    assert not sleeping.done()
    await clock.advance(0.001)
    assert sleeping.done()


@pytest.mark.parametrize("delay", [0, -1, -0.0])
async def test_no_sleep_still_lets_others_run(clock: VirtualClock, delay: float) -> None:
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    task = asyncio.create_task(other())
    await sleep_on(clock, delay)
    order.append("sleeper")
    await task
    assert order == ["other", "sleeper"]
    assert clock.seconds == 1000


async def test_a_cancelled_sleep_ends_at_once_and_leaves_no_timer(clock: VirtualClock) -> None:
    sleeping = asyncio.create_task(sleep_on(clock, 10))
    await settle()
    sleeping.cancel()
    await settle()
    assert sleeping.cancelled()
    assert clock._next() is None


async def test_a_sleep_that_is_cancelled_as_it_ends_does_no_harm(clock: VirtualClock) -> None:
    sleeping = asyncio.create_task(sleep_on(clock, 10))
    await settle()

    def cancel() -> None:
        sleeping.cancel()

    clock.call_later(10, cancel)
    await clock.advance(10)
    assert sleeping.done()


async def test_the_timer_of_a_sleep_that_was_cancelled_may_still_run() -> None:
    class Forgetful(VirtualClock):
        """A clock whose timers cannot be called off in time."""

    clock = Forgetful()
    sleeping = asyncio.create_task(sleep_on(clock, 10))
    await settle()
    due = clock._next()
    assert due is not None
    sleeping.cancel()
    await settle()
    due.callback()


def test_the_time_of_this_machine_only_goes_forward() -> None:
    clock = SystemClock()
    times = [clock.time() for _ in range(100)]
    assert times == sorted(times)


def test_the_moment_of_this_machine_is_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


async def test_a_timer_of_this_machine_runs_on_the_loop() -> None:
    ran = asyncio.Event()
    SystemClock().call_later(0, ran.set)
    await ran.wait()


async def test_a_timer_of_this_machine_can_be_called_off() -> None:
    ran = asyncio.Event()
    SystemClock().call_later(0, ran.set).cancel()
    await settle()
    assert not ran.is_set()
