"""The pace finds the server's limit: hours of virtual time against limiters as people run them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from attrs import define, field

from appcues_async.settings import Pace
from appcues_async.wire.pace import Pacer

HOUR = 3600.0


Limiter = Callable[[float], bool]
"""Whether a server takes a request at a moment."""


@define
class Bucket:
    """Counts tokens: one second's worth, or so many."""

    limit: Callable[[float], float]
    size: float | None = None
    tokens: float = 60
    at: float = 0

    def __call__(self, now: float) -> bool:
        allowed = self.limit(now)
        self.tokens = min(self.size or allowed, self.tokens + (now - self.at) * allowed)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@define
class Spaced:
    """Takes one request per interval, in whole milliseconds, as nginx does without a burst."""

    limit: float
    at: int = -1000

    def __call__(self, now: float) -> bool:
        milliseconds = int(now * 1000)
        if self.limit * (milliseconds - self.at) < 1000:
            return False
        self.at = milliseconds
        return True


@define
class Sliding:
    """Takes so many in any second, as haproxy counts them: what it refuses counts as well."""

    limit: float
    seen: list[float] = field(factory=list)

    def __call__(self, now: float) -> bool:
        self.seen = [when for when in self.seen if when > now - 1]
        self.seen.append(now)
        return len(self.seen) <= self.limit


@define
class Noisy:
    """Refuses a share at random, besides its limit."""

    limiter: Limiter
    share: float
    chance: random.Random = field(factory=lambda: random.Random(7))

    def __call__(self, now: float) -> bool:
        return self.chance.random() >= self.share and self.limiter(now)


def bucket(limit: float, size: float | None = None) -> Bucket:
    return Bucket(lambda _: limit, size)


@define
class Outcome:
    taken: list[float]
    refused: list[float]

    def goodput(self, since: float, until: float) -> float:
        return sum(since <= when < until for when in self.taken) / (until - since)

    @property
    def share_refused(self) -> float:
        return len(self.refused) / (len(self.refused) + len(self.taken))


def simulate(
    limiter: Limiter, *, clients: int = 1, seconds: float = HOUR, pace: Pace | None = None
) -> Outcome:
    """Every client always has something to send; its turns come up to 2 ms late, as from a busy loop.

    A limit stops it for one to three turns, as the throttle does, and longer for each refused probe.
    """
    chance = random.Random(1)
    pacers = [Pacer(pace or Pace()) for _ in range(clients)]
    free, pauses, base = [0.0] * clients, [0] * clients, [0.0] * clients
    due = list(free)
    outcome = Outcome([], [])
    while True:
        number = min(range(clients), key=due.__getitem__)
        pacer, now = pacers[number], due[number]
        if now >= seconds:
            return outcome
        pacer.take(now, waited=True)
        if limiter(now):
            pacer.took()
            outcome.taken.append(now)
            pauses[number] = 0
        else:
            outcome.refused.append(now)
            turn = 1 / pacer.rate
            if pacer.refused(now, again=pauses[number] > 0):
                base[number] = base[number] if pauses[number] else turn
                pauses[number] += 1
                free[number] = now + base[number] * (1 + chance.random() * 2 ** pauses[number])
        due[number] = max(pacer.due(), free[number]) + chance.random() * 0.002


@pytest.mark.parametrize(
    "limit",
    [20, 60, pytest.param(40, marks=pytest.mark.long), pytest.param(200, marks=pytest.mark.long)],
)
def test_the_limit_is_found_and_kept_to(limit: int) -> None:
    outcome = simulate(bucket(limit))
    assert outcome.goodput(100, HOUR) >= 0.98 * limit
    assert outcome.share_refused <= 0.015


@pytest.mark.parametrize(
    ("limiter", "limit", "share"),
    [
        (Spaced(60), 60, 0.8),
        (Spaced(40), 40, 0.8),
        (bucket(60, size=20), 60, 0.95),
        (Sliding(60), 60, 0.85),
    ],
    ids=["nginx", "nginx at 40", "nginx with a burst of 20", "haproxy"],
)
def test_limiters_that_let_no_bursts_through_are_used_well_too(
    limiter: Limiter, limit: float, share: float
) -> None:
    outcome = simulate(limiter, seconds=600)
    assert outcome.goodput(0, 24) >= share * limit
    assert outcome.goodput(60, 600) >= share * limit
    assert outcome.share_refused <= 0.02


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_refusals_that_come_regardless_are_no_limit(share: float) -> None:
    outcome = simulate(Noisy(bucket(60), share), seconds=600)
    assert outcome.goodput(30, 600) >= 0.8 * 60


def test_a_limit_is_found_below_the_noise_too() -> None:
    outcome = simulate(Noisy(bucket(20), 0.05), seconds=600)
    assert outcome.goodput(60, 600) >= 0.8 * 20
    assert outcome.share_refused <= 0.15


def test_the_vendors_60_a_second_are_reached_by_the_tenth_second() -> None:
    outcome = simulate(bucket(60), seconds=60)
    assert outcome.goodput(10, 60) >= 0.95 * 60
    assert outcome.share_refused <= 0.01


def test_the_vendors_60_a_second_are_passed_only_after_a_minute_without_refusals() -> None:
    outcome = simulate(bucket(1000), seconds=120)
    at_60 = next(now for now in range(120) if outcome.goodput(now, now + 1) >= 59)
    assert outcome.goodput(at_60, at_60 + 55) <= 60.5
    assert outcome.goodput(at_60 + 70, 120) > 66


def test_the_most_that_was_given_is_never_passed() -> None:
    outcome = simulate(bucket(1000), seconds=300, pace=Pace(most=20))
    first = outcome.taken[0]
    assert all(outcome.goodput(first + n, first + n + 1) <= 20 for n in range(290))
    assert outcome.goodput(10, 300) >= 0.9 * 20


def test_clients_that_know_nothing_of_each_other_share_the_limit() -> None:
    outcome = simulate(bucket(40), clients=2)
    assert outcome.goodput(0, HOUR) >= 0.95 * 40
    assert outcome.share_refused <= 0.03


def test_a_dip_is_followed_down_and_up() -> None:
    outcome = simulate(Bucket(lambda now: 15 if 20 <= now < 40 else 60), seconds=60)
    assert len(outcome.taken) >= 0.85 * (40 * 60 + 20 * 15)


def test_a_limit_that_rises_is_found_within_half_a_minute() -> None:
    outcome = simulate(Bucket(lambda now: 10 if now < 600 else 50), seconds=660)
    assert outcome.goodput(630, 660) >= 0.9 * 50


def test_the_pace_never_gives_up_trying() -> None:
    pacer = Pacer(Pace(50))
    for moment in range(1000):
        pacer.refused(float(moment))
    assert pacer.rate == 0.5


def test_what_an_idle_client_sent_says_nothing_about_the_limit() -> None:
    pacer = Pacer(Pace(50))
    pacer.refused(0)
    for number in range(600):
        pacer.take(float(number), waited=False)
        pacer.took()
    pacer.refused(600)
    assert pacer.rate == pytest.approx(50 * 0.9 * 0.7)


def test_a_pace_that_nobody_waits_for_does_not_climb() -> None:
    pacer = Pacer(Pace(50))
    for number in range(10_000):
        pacer.take(number * 0.03, waited=False)
    assert pacer.rate == 50


def test_turns_are_as_far_apart_as_the_rate_says() -> None:
    pacer = Pacer(Pace(50))
    pacer.take(1000.0, waited=False)
    assert pacer.due() == pytest.approx(1000 + 1 / 50)


def test_after_a_pause_nothing_is_caught_up() -> None:
    pacer = Pacer(Pace(50))
    pacer.take(1000.0, waited=True)
    pacer.take(1010.0, waited=True)
    assert pacer.due() == pytest.approx(1010 + 1 / 50)


def test_turns_that_come_late_are_caught_up_without_a_burst() -> None:
    pacer = Pacer(Pace(50))
    pacer.take(1000.0, waited=True)
    pacer.take(1000.035, waited=True)
    assert pacer.due() == pytest.approx(1000.035 + 0.9 / 50, abs=1e-3)
