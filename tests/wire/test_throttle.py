"""One account, one pace: the gate, the pace and the slots, on a clock that only the test moves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from itertools import pairwise

import pytest
from attrs import evolve

from appcues_async.notices import Gauges, Notice, PauseBegan, PauseEnded
from appcues_async.settings import Pace
from appcues_async.wire import throttle as throttles
from appcues_async.wire.request import Lane
from appcues_async.wire.throttle import SLOTS, LocalThrottle, shared_throttle
from appcues_async.wire.turn import Feedback, Signal, Turn
from tests.virtual_clock import VirtualClock, settle

ANSWERED = Feedback(Signal.ANSWERED)
REFUSED = Feedback(Signal.THROTTLED)
DOWN = Feedback(Signal.DOWN)
SILENT = Feedback(Signal.SILENT)
TURN = 1 / 45
"""Seconds of a turn after the first refusal at a pace of 50."""


def make(clock: VirtualClock, rate: float = 50, draw: float = 1.0) -> LocalThrottle:
    return LocalThrottle(Pace(rate), clock=clock, draw=lambda: draw)


class Caller:
    """A task that wants one turn, and remembers when it came."""

    def __init__(
        self, throttle: LocalThrottle, clock: VirtualClock, lane: Lane = Lane.CALL
    ) -> None:
        self.turn: Turn | None = None
        self.at: float | None = None
        self.throttle, self.clock, self.lane = throttle, clock, lane
        self.task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        self.turn = await self.throttle.acquire(self.lane)
        self.at = self.clock.time()

    def end(self, feedback: Feedback = ANSWERED) -> None:
        assert self.turn is not None
        self.throttle.feedback(self.turn, feedback)


async def callers(number: int, throttle: LocalThrottle, clock: VirtualClock) -> list[Caller]:
    started = [Caller(throttle, clock) for _ in range(number)]
    await settle()
    return started


def served(some: list[Caller]) -> int:
    return sum(one.turn is not None for one in some)


async def test_the_first_turn_comes_at_once(clock: VirtualClock) -> None:
    throttle = make(clock)
    await throttle.acquire(Lane.CALL)
    assert clock.time() == 1000


async def test_turns_keep_the_pace(clock: VirtualClock) -> None:
    throttle = make(clock, rate=50)
    some = await callers(100, throttle, clock)
    await clock.advance(0.5)
    assert 25 <= served(some) <= 26


async def test_turns_are_evenly_spaced_after_a_pause_too(clock: VirtualClock) -> None:
    throttle = make(clock, rate=50)
    throttle.feedback(await throttle.acquire(Lane.CALL), ANSWERED)
    await clock.advance(10)
    some = await callers(12, throttle, clock)
    await clock.advance(1)
    at = [one.at or 0 for one in some]
    assert min(after - before for before, after in pairwise(at)) > 0.9 / 50


async def test_a_server_that_takes_everything_is_sent_more(clock: VirtualClock) -> None:
    throttle = make(clock, rate=50)
    sent = 0

    async def work() -> None:
        nonlocal sent
        while clock.time() < 1010:
            throttle.feedback(await throttle.acquire(Lane.CALL), ANSWERED)
            sent += 1

    await clock.run(work())
    assert sent > 1.1 * 50 * 10


async def test_turns_are_first_come_first_served(clock: VirtualClock) -> None:
    throttle = make(clock, rate=1)
    some = await callers(4, throttle, clock)
    await clock.advance(10)
    assert [one.at for one in some] == sorted(one.at or 0 for one in some)


async def test_a_cancelled_waiter_gives_its_turn_to_the_next(clock: VirtualClock) -> None:
    throttle = make(clock, rate=1)
    first, second, third = await callers(3, throttle, clock)
    assert first.turn is not None
    second.task.cancel()
    await clock.advance(1.0)
    assert third.at == pytest.approx(1001.0, abs=0.01)


async def test_a_waiter_cancelled_in_the_moment_of_its_turn_gives_back_its_slot(
    clock: VirtualClock,
) -> None:
    throttle = make(clock, rate=1e6)
    held = await callers(SLOTS[Lane.CALL], throttle, clock)
    late, last = await callers(2, throttle, clock)
    held[0].end()
    late.task.cancel()
    await clock.advance(1)
    assert late.turn is None
    assert last.turn is not None


async def test_a_429_stops_the_other_tasks_before_they_send(clock: VirtualClock) -> None:
    throttle = make(clock)
    (first,) = await callers(1, throttle, clock)
    first.end(Feedback(Signal.THROTTLED, retry_after=5))
    others = await callers(10, throttle, clock)
    await clock.advance(4.9)
    assert served(others) == 0


async def test_after_the_pause_one_probe_goes_alone(clock: VirtualClock) -> None:
    throttle = make(clock)
    (first,) = await callers(1, throttle, clock)
    first.end(Feedback(Signal.THROTTLED, retry_after=5))
    others = await callers(10, throttle, clock)
    await clock.advance(30)
    assert served(others) == 1


async def test_a_probe_that_is_answered_lets_the_rest_in_at_the_pace(clock: VirtualClock) -> None:
    throttle = make(clock, rate=10)
    (first,) = await callers(1, throttle, clock)
    first.end(Feedback(Signal.THROTTLED, retry_after=5))
    others = await callers(10, throttle, clock)
    await clock.advance(5)
    others[0].end()
    await clock.advance(1)
    assert 1 + 8 <= served(others) <= 1 + 10


async def test_a_probe_that_is_refused_closes_the_gate_for_longer(clock: VirtualClock) -> None:
    throttle = make(clock)
    (first,) = await callers(1, throttle, clock)
    first.end(REFUSED)
    one, two = await callers(2, throttle, clock)
    await clock.advance(3 * TURN)
    one.end(REFUSED)
    await clock.advance(4.9 * TURN)
    assert two.turn is None
    await clock.advance(0.2 * TURN)
    assert two.turn is not None


async def test_a_cancelled_probe_hands_its_part_to_the_next(clock: VirtualClock) -> None:
    throttle = make(clock)
    (first,) = await callers(1, throttle, clock)
    first.end(REFUSED)
    others = await callers(3, throttle, clock)
    await clock.advance(1)
    others[0].end(SILENT)
    await settle()
    assert served(others) == 2


async def test_a_later_429_only_extends_the_pause(clock: VirtualClock) -> None:
    throttle = make(clock, rate=1000)
    first, second, third = await callers(3, throttle, clock)
    await clock.advance(0.1)
    first.end(Feedback(Signal.THROTTLED, retry_after=10))
    second.end(Feedback(Signal.THROTTLED, retry_after=2))
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(9.9)
    assert waiting.turn is None
    third.end(Feedback(Signal.THROTTLED, retry_after=5))
    await clock.advance(1)
    assert waiting.turn is None
    await clock.advance(4)
    assert waiting.turn is not None


async def test_a_success_that_was_under_way_does_not_open_the_gate(clock: VirtualClock) -> None:
    throttle = make(clock, rate=1000)
    first, second = await callers(2, throttle, clock)
    await clock.advance(0.1)
    first.end(Feedback(Signal.THROTTLED, retry_after=10))
    second.end(ANSWERED)
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(9)
    assert waiting.turn is None


async def test_refusals_under_way_together_count_as_one(clock: VirtualClock) -> None:
    throttle = make(clock, rate=1000)
    some = await callers(20, throttle, clock)
    await clock.advance(1)
    for one in some:
        one.end(REFUSED)
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(3.01 / 700)
    assert waiting.turn is not None


@pytest.mark.parametrize(("failures", "closed"), [(2, False), (3, True)])
async def test_an_outage_is_three_failures_in_a_row(
    clock: VirtualClock, failures: int, closed: bool
) -> None:
    throttle = make(clock, rate=1000)
    some = await callers(failures, throttle, clock)
    await clock.advance(1)
    for one in some:
        one.end(DOWN)
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(0.5)
    assert (waiting.turn is None) is closed


async def test_a_success_between_failures_is_no_outage(clock: VirtualClock) -> None:
    throttle = make(clock, rate=1000)
    some = await callers(5, throttle, clock)
    await clock.advance(1)
    for one, feedback in zip(some, (DOWN, DOWN, ANSWERED, DOWN, DOWN), strict=True):
        one.end(feedback)
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(0.1)
    assert waiting.turn is not None


async def test_hold_lets_nothing_begin(clock: VirtualClock) -> None:
    throttle = make(clock)
    throttle.hold(3)
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(2.9)
    assert waiting.turn is None
    await clock.advance(0.1)
    assert waiting.turn is not None


async def test_small_calls_and_polls_pass_uploads_that_fill_their_lane(clock: VirtualClock) -> None:
    throttle = make(clock, rate=1e6)
    uploads = [Caller(throttle, clock, Lane.UPLOAD) for _ in range(SLOTS[Lane.UPLOAD] + 5)]
    await clock.advance(1)
    assert served(uploads) == SLOTS[Lane.UPLOAD]
    call, poll = Caller(throttle, clock), Caller(throttle, clock, Lane.POLL)
    await clock.advance(1)
    assert call.turn is not None
    assert poll.turn is not None


async def test_a_small_call_probes_rather_than_an_upload(clock: VirtualClock) -> None:
    throttle = make(clock)
    throttle.hold(5)
    upload, call = Caller(throttle, clock, Lane.UPLOAD), Caller(throttle, clock)
    await clock.advance(5)
    assert call.turn is not None
    assert upload.turn is None


async def test_a_small_call_does_not_wait_for_an_upload_that_probes(clock: VirtualClock) -> None:
    throttle = make(clock)
    throttle.hold(5)
    upload = Caller(throttle, clock, Lane.UPLOAD)
    await clock.advance(5)
    assert upload.turn is not None
    call = Caller(throttle, clock)
    await clock.advance(0.1)
    assert call.turn is not None
    call.end()
    (after,) = await callers(1, throttle, clock)
    await clock.advance(0.1)
    assert after.turn is not None


async def test_a_probe_that_is_answered_does_not_end_a_longer_hold(clock: VirtualClock) -> None:
    throttle = make(clock)
    throttle.hold(1)
    (probe,) = await callers(1, throttle, clock)
    await clock.advance(1)
    throttle.hold(100)
    probe.end()
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(99)
    assert waiting.turn is None
    await clock.advance(1)
    assert waiting.turn is not None


async def test_a_listener_that_fails_does_not_stop_the_turns(clock: VirtualClock) -> None:
    def fail(notice: Notice) -> None:
        raise ZeroDivisionError

    throttle = make(clock)
    throttle.listen(fail)
    throttle.hold(1)
    (waiting,) = await callers(1, throttle, clock)
    await clock.advance(1)
    assert waiting.turn is not None


async def test_lanes_take_turns_at_the_pace(clock: VirtualClock) -> None:
    throttle = make(clock, rate=10)
    calls = await callers(50, throttle, clock)
    poll = Caller(throttle, clock, Lane.POLL)
    await clock.advance(0.5)
    assert poll.turn is not None
    assert served(calls) < 10


async def test_uploads_are_bounded_by_their_bytes(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttles, "BYTES_IN_FLIGHT", 1000)
    throttle = make(clock, rate=1e6)
    first = await throttle.acquire(Lane.UPLOAD, 600)
    second = asyncio.create_task(throttle.acquire(Lane.UPLOAD, 600))
    await clock.advance(1)
    assert not second.done()
    throttle.feedback(first, ANSWERED)
    await clock.advance(1)
    assert second.done()


async def test_an_upload_larger_than_the_bound_goes_alone(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttles, "BYTES_IN_FLIGHT", 1000)
    throttle = make(clock, rate=1e6)
    await throttle.acquire(Lane.UPLOAD, 5000)


async def test_pauses_are_told(clock: VirtualClock) -> None:
    throttle = make(clock)
    told: list[Notice] = []
    stop: Callable[[], None] = throttle.listen(told.append)
    (first,) = await callers(1, throttle, clock)
    first.end(Feedback(Signal.THROTTLED, retry_after=5))
    (probe,) = await callers(1, throttle, clock)
    await clock.advance(5)
    probe.end()
    closed = Gauges(waiting=0, in_flight=0, pace=45, gate="429")
    assert told == [PauseBegan(5, "429", closed), PauseEnded(evolve(closed, gate="open"))]
    stop()
    throttle.hold(1)
    assert len(told) == 2


async def test_an_account_has_one_throttle_on_a_loop() -> None:
    assert shared_throttle("https://a", "1") is shared_throttle("https://a", "1")


async def test_other_accounts_and_servers_have_their_own() -> None:
    mine = shared_throttle("https://a", "1")
    assert mine is not shared_throttle("https://a", "2")
    assert mine is not shared_throttle("https://b", "1")


def test_another_loop_has_its_own() -> None:
    async def get() -> LocalThrottle:
        return shared_throttle("https://a", "1")

    assert asyncio.run(get()) is not asyncio.run(get())


async def test_a_throttle_that_nobody_holds_is_gone() -> None:
    throttle = shared_throttle("https://a", "3")
    throttle.hold(1000)
    del throttle
    gc.collect()
    await asyncio.wait_for(shared_throttle("https://a", "3").acquire(Lane.CALL), 1)
