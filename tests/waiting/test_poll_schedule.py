"""When to look next: a pure rule."""

from __future__ import annotations

import pytest

from appcues_async.settings import PollPolicy
from appcues_async.waiting.poll_schedule import Durations, pause_after

POLICY = PollPolicy(low=1, high=15)


@pytest.mark.parametrize(
    ("age", "pause"), [(0, 1), (2, 1), (10, 1.5), (28, 4.2), (100, 15), (10_000, 15)]
)
def test_the_pause_grows_with_the_age_up_to_its_highest(age: float, pause: float) -> None:
    assert pause_after(age, POLICY) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("age", "pause"), [(0, 15), (30, 15), (40, 8), (47.5, 1), (48, 1), (50, 2), (90, 13.5)]
)
def test_a_job_that_takes_48_seconds_is_looked_at_around_then(age: float, pause: float) -> None:
    assert pause_after(age, POLICY, expected=48) == pause


def test_what_is_expected_is_what_the_soonest_of_the_last_jobs_took() -> None:
    durations = Durations()
    for seconds in (50, 40, 60):
        durations.add("import/profiles", seconds)
    assert durations.expected("import/profiles") == 40
    assert durations.expected("import/events") == 0


def test_what_was_long_ago_is_forgotten() -> None:
    durations = Durations()
    durations.add("import/profiles", 1)
    for _ in range(20):
        durations.add("import/profiles", 30)
    assert durations.expected("import/profiles") == 30


def test_a_clock_that_went_backwards_is_no_duration() -> None:
    durations = Durations()
    durations.add("import/profiles", -3600)
    assert durations.expected("import/profiles") == 0
