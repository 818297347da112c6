"""Every call ends: how long a call waits for its turn, on a clock that only the test moves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from attrs import define, field
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async.errors import (
    AppcuesError,
    ConnectionFailed,
    Delivery,
    NoTurn,
    ServerError,
    Throttled,
)
from appcues_async.settings import RetryPolicy, Timeouts
from appcues_async.wire.connections import Connections
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Endpoint, Lane, Repeat, Request
from appcues_async.wire.sender import Sender
from appcues_async.wire.throttle import SLOTS, LocalThrottle
from tests.virtual_clock import VirtualClock, settle

CALL = Endpoint("PATCH", "users/profile").request(b"{}")
TRACK = Endpoint("POST", "users/events", Repeat.UNSAFE).request(b"{}")
UPLOAD = Endpoint("POST", "import/profiles", lane=Lane.UPLOAD)
BUDGET = 60.0


def answer(status: int, **headers: str) -> Reply:
    return Reply(status, CIMultiDictProxy(CIMultiDict(headers)), b"")


def refuse() -> Reply:
    raise ConnectionFailed("no connection: Connection refused")


@define
class Server:
    """Stands in for the transport: answers at once, with what it is told to."""

    answer: Callable[[], Reply]
    seconds: float = 0.0
    clock: VirtualClock | None = None
    asked_at: list[float] = field(factory=list)

    async def attempt(self, request: Request, within: float | None = None) -> Reply:
        assert self.clock is not None
        self.asked_at.append(self.clock.time())
        await asyncio.sleep(0)
        return self.answer()


class NoConnections(Connections):
    """Counts calls, and needs no sessions."""

    def check(self) -> None:
        pass


class Calls:
    """Calls of one client, and how and when each has ended."""

    def __init__(self, clock: VirtualClock, server: Server, **options: object) -> None:
        self.clock, self.server = clock, server
        server.clock = clock
        connections = NoConnections(Timeouts())
        connections.usable = True
        timeouts = options.pop("timeouts", Timeouts(budget=BUDGET))
        retry = options.pop("retry", RetryPolicy())
        self.throttle = LocalThrottle(clock=clock)
        self.sender = Sender(
            transport=server,  # type: ignore[arg-type]
            connections=connections,
            throttle=self.throttle,
            clock=clock,
            retry=retry,  # type: ignore[arg-type]
            timeouts=timeouts,  # type: ignore[arg-type]
        )
        self.began = clock.time()
        self.ended: list[tuple[float, AppcuesError | None]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, number: int, request: Request = CALL) -> None:
        self.tasks += [asyncio.create_task(self._call(request)) for _ in range(number)]
        await settle()

    async def _call(self, request: Request) -> None:
        error = None
        try:
            await self.sender.send(request, lambda _: None)
        except AppcuesError as caught:
            error = caught
        self.ended.append((self.clock.time() - self.began, error))

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await settle()

    @property
    def last(self) -> float:
        return max(seconds for seconds, _ in self.ended)

    @property
    def errors(self) -> list[AppcuesError]:
        return [error for _, error in self.ended if error is not None]


# --- the server answers nobody -------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 3, 200])
@pytest.mark.parametrize("attempts", [1, 5])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refuse, ConnectionFailed),
        (lambda: answer(503), ServerError),
        (lambda: answer(500), ServerError),
        (lambda: answer(429), Throttled),
        (lambda: answer(429, **{"Retry-After": "30"}), Throttled),
    ],
    ids=["dead port", "503", "500", "429", "429 with Retry-After"],
)
async def test_every_call_ends_within_the_budget(
    clock: VirtualClock,
    number: int,
    attempts: int,
    fault: Callable[[], Reply],
    kind: type[AppcuesError],
) -> None:
    calls = Calls(clock, Server(fault), retry=RetryPolicy(attempts=attempts))
    await calls.start(number)
    await clock.advance(BUDGET + 5)
    assert Counter(map(type, calls.errors)) == {kind: number}


async def test_a_call_that_was_never_sent_says_so_and_why(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(lambda: answer(503)), retry=RetryPolicy(attempts=1))
    await calls.start(200)
    await clock.advance(BUDGET + 5)
    error = calls.errors[-1]
    assert error.delivery is Delivery.NOT_SENT
    assert error.status == 503
    assert "not sent: nothing was answered for 60 s" in str(error)
    assert len(error.attempts) == 1


async def test_a_call_that_may_have_been_applied_does_not_end_as_not_sent(
    clock: VirtualClock,
) -> None:
    calls = Calls(clock, Server(lambda: answer(500)))
    await calls.start(3)
    await clock.advance(BUDGET + 5)
    assert {error.delivery for error in calls.errors} == {Delivery.UNKNOWN}


async def test_uploads_of_a_run_wait_as_long_as_an_outage_may_last(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(refuse))
    request = Request(UPLOAD, "import/profiles", b"{}", retry_through_outage=True)
    await calls.start(20, request)
    # The next pause, of up to 20 s, must fit as well.
    await clock.advance(575)
    assert calls.ended == []
    # One that was the probe near the end has the time of an outage from its own failure on.
    await clock.advance(625)
    assert len(calls.errors) == 20


async def test_a_server_that_hangs_ends_the_wait_for_a_slot_too(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(refuse))
    for _ in range(SLOTS[Lane.CALL]):
        await clock.run(calls.throttle.acquire(Lane.CALL))
    calls.began = clock.time()
    await calls.start(1)
    await clock.advance(BUDGET + 1)
    (error,) = calls.errors
    assert isinstance(error, NoTurn)
    assert error.delivery is Delivery.NOT_SENT


# --- it answers others ---------------------------------------------------------------------------


async def test_a_call_waits_while_the_server_answers_others(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(lambda: answer(200)), timeouts=Timeouts(budget=5))
    await calls.start(1500)
    await clock.advance(60)
    assert calls.errors == []
    assert len(calls.ended) == 1500
    assert calls.last > 20


async def test_a_call_does_not_wait_longer_than_it_may_for_its_turn(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(lambda: answer(200)), timeouts=Timeouts(turn=2))
    await calls.start(500)
    await clock.advance(3)
    assert len(calls.ended) == 500
    assert 90 <= 500 - len(calls.errors) <= 110
    assert {type(error) for error in calls.errors} == {NoTurn}
    assert {error.delivery for error in calls.errors} == {Delivery.NOT_SENT}
    assert calls.last == pytest.approx(2)
    assert "no turn within 2 s" in str(calls.errors[0])


async def test_uploads_of_a_run_are_not_hurried(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(lambda: answer(202)), timeouts=Timeouts(turn=0.01))
    request = Request(UPLOAD, "import/profiles", b"{}", retry_through_outage=True)
    await calls.start(20, request)
    await clock.advance(3)
    assert calls.errors == []


async def test_one_users_permanent_failure_ends_alone(clock: VirtualClock) -> None:
    number = 0

    def one_in_ten() -> Reply:
        nonlocal number
        number += 1
        return answer(500 if number % 10 == 0 else 200)

    calls = Calls(clock, Server(one_in_ten))
    await calls.start(300)
    await clock.advance(30)
    assert len(calls.ended) == 300
    assert calls.throttle.gauges.pace >= 50


# --- an outage and its end -----------------------------------------------------------------------


async def test_probes_are_at_most_ten_seconds_apart(clock: VirtualClock) -> None:
    server = Server(refuse)
    calls = Calls(clock, server, timeouts=Timeouts(budget=600))
    await calls.start(600)
    await clock.advance(300)
    assert max(after - before for before, after in pairwise(server.asked_at)) <= 10
    assert len(server.asked_at) < 120


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 5))]
)
async def test_calls_go_on_soon_after_an_outage(clock: VirtualClock, seed: int) -> None:
    server = Server(refuse)
    calls = Calls(clock, server)
    await calls.start(2500)
    await clock.advance(40)
    server.answer = lambda: answer(200)
    await clock.advance(12)
    succeeded = [seconds for seconds, error in calls.ended if error is None]
    assert succeeded
    await clock.advance(10)
    before = sum(error is None for _, error in calls.ended)
    await clock.advance(1)
    assert sum(error is None for _, error in calls.ended) - before >= 45


async def test_those_who_gave_up_leave_the_gate_shut_no_longer(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(refuse))
    await calls.start(200)
    await clock.advance(50)
    await calls.leave()
    after = Calls(clock, calls.server, retry=RetryPolicy(attempts=1))
    after.sender.throttle = calls.throttle
    await after.start(1)
    await clock.advance(10.1)
    assert len(after.errors) == 1


# --- a limit that speaks 503 ---------------------------------------------------------------------


async def test_a_503_among_answers_that_succeed_lowers_the_pace(clock: VirtualClock) -> None:
    number = 0

    def now_and_then() -> Reply:
        nonlocal number
        number += 1
        return answer(503 if number % 40 == 0 else 200)

    calls = Calls(clock, Server(now_and_then))
    await calls.start(100)
    await clock.advance(1.5)
    assert calls.throttle.gauges.pace < 45


@pytest.mark.parametrize("status", [500, 501, 502, 504])
async def test_no_other_failure_of_the_server_lowers_it(clock: VirtualClock, status: int) -> None:
    number = 0

    def now_and_then() -> Reply:
        nonlocal number
        number += 1
        return answer(status if number % 40 == 0 else 200)

    calls = Calls(clock, Server(now_and_then))
    await calls.start(300)
    await clock.advance(1.5)
    assert calls.throttle.gauges.pace >= 50


async def test_an_outage_of_503s_does_not_lower_it(clock: VirtualClock) -> None:
    server = Server(lambda: answer(503))
    calls = Calls(clock, server, retry=RetryPolicy(attempts=50))
    await calls.start(100)
    await clock.advance(20)
    server.answer = lambda: answer(200)
    await clock.advance(20)
    assert calls.throttle.gauges.pace >= 50


async def test_gauges_tell_how_the_throttle_stands(clock: VirtualClock) -> None:
    calls = Calls(clock, Server(refuse))
    await calls.start(10)
    await clock.advance(0.5)
    gauges = calls.throttle.gauges
    assert (gauges.gate, gauges.in_flight) == ("outage", 0)
    assert gauges.waiting > 0
