"""The pace finds the server's limit: hours of virtual time against a server that counts tokens."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from attrs import define

from appcues_async.settings import Pace
from appcues_async.wire.pace import Pacer

HOUR = 3600.0


@define
class Bucket:
    """A server with one second's worth of tokens."""

    limit: Callable[[float], float]
    tokens: float = 0
    at: float = 0

    def takes(self, now: float) -> bool:
        allowed = self.limit(now)
        self.tokens = min(allowed, self.tokens + (now - self.at) * allowed)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


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
    limit: Callable[[float], float] | float, *, clients: int = 1, seconds: float = HOUR
) -> Outcome:
    """Every client always has something to send; a 429 stops one for 0 to 1 seconds."""
    chance = random.Random(1)
    bucket = Bucket(limit if callable(limit) else lambda _: float(limit))
    pacers = [Pacer(Pace()) for _ in range(clients)]
    free = [0.0] * clients
    outcome = Outcome([], [])
    while True:
        number = min(range(clients), key=lambda one: max(pacers[one].due(), free[one]))
        pacer = pacers[number]
        now = max(pacer.due(), free[number])
        if now >= seconds:
            return outcome
        pacer.take(now, waited=True)
        if bucket.takes(now):
            pacer.took()
            outcome.taken.append(now)
        else:
            pacer.refused(now)
            outcome.refused.append(now)
            free[number] = now + chance.random()


@pytest.mark.parametrize("limit", [20, 40, 60, 200])
def test_the_limit_is_found_and_kept_to(limit: int) -> None:
    outcome = simulate(limit)
    assert outcome.goodput(10, HOUR) >= 0.98 * limit
    assert outcome.share_refused <= 0.015


def test_the_vendors_60_a_second_are_reached_by_the_tenth_second() -> None:
    outcome = simulate(60, seconds=60)
    assert outcome.goodput(10, 60) >= 0.95 * 60
    assert outcome.share_refused <= 0.01


def test_clients_that_know_nothing_of_each_other_share_the_limit() -> None:
    outcome = simulate(40, clients=2)
    assert outcome.goodput(0, HOUR) >= 0.95 * 40
    assert outcome.share_refused <= 0.03


def test_a_dip_is_followed_down_and_up() -> None:
    outcome = simulate(lambda now: 15 if 20 <= now < 40 else 60, seconds=60)
    assert len(outcome.taken) >= 0.8 * (40 * 60 + 20 * 15)


def test_a_limit_that_rises_is_found_within_half_a_minute() -> None:
    outcome = simulate(lambda now: 10 if now < 600 else 300, seconds=660)
    assert outcome.goodput(630, 660) >= 0.9 * 300


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
    assert pacer.rate == pytest.approx(50 * 0.7 * 0.7)


def test_a_pace_that_nobody_waits_for_does_not_climb() -> None:
    pacer = Pacer(Pace(50))
    for number in range(10_000):
        pacer.take(number * 0.03, waited=False)
    assert pacer.rate == 50


def test_turns_are_as_far_apart_as_the_rate_says() -> None:
    pacer = Pacer(Pace(50))
    pacer.take(1000.0, waited=False)
    pacer.take(1000.0, waited=False)
    assert pacer.due() == pytest.approx(1000 - 0.1 + 2 / 50)


def test_turns_that_started_late_are_caught_up_a_little() -> None:
    pacer = Pacer(Pace(50))
    at_once = 0
    while pacer.due() <= 1000:
        pacer.take(1000.0, waited=False)
        at_once += 1
    assert at_once == 6
