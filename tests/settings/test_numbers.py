"""Timeouts, policies and paces take finite numbers in range only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from appcues_async.settings import (
    Pace,
    PollPolicy,
    RetryPolicy,
    Timeouts,
)
from tests.settings.conftest import (
    refusal_of,
)


def test_defaults_are_as_documented() -> None:
    assert attrs.astuple(Timeouts()) == (10, 60, 60, 86_400, 15, None)
    assert attrs.astuple(RetryPolicy()) == (5, 0.5, 20, 60, 600)
    assert attrs.astuple(PollPolicy()) == (0.5, 1, 15, 5)
    assert attrs.astuple(Pace()) == (50, None)


UNFIT_SECONDS: list[Any] = [
    -1,
    float("nan"),
    float("inf"),
    float("-inf"),
    10**400,
    "10",
    None,
    True,
    b"1",
    1 + 0j,
]
SETTINGS = [
    *((Timeouts, field) for field in ("connect", "idle", "budget", "wait")),
    *((RetryPolicy, field) for field in ("base", "cap", "max_retry_after")),
    *((PollPolicy, field) for field in ("first", "low", "high", "grace")),
    (Pace, "rate"),
]


@pytest.mark.parametrize("value", UNFIT_SECONDS, ids=lambda value: str(value)[:10])
@pytest.mark.parametrize(("cls", "name"), SETTINGS)
def test_a_number_that_is_none_or_not_finite_is_refused(
    cls: Callable[..., object], name: str, value: Any
) -> None:
    error = refusal_of(lambda: cls(**{name: value}))
    assert f".{name} is {value!r}; it must be a finite number" in str(error)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Timeouts, "connect"),
        (Timeouts, "idle"),
        (Timeouts, "budget"),
        (Timeouts, "wait"),
        (PollPolicy, "low"),
        (PollPolicy, "high"),
        (Pace, "rate"),
    ],
)
def test_zero_is_refused_where_nothing_could_happen_in_it(
    cls: Callable[..., object], name: str
) -> None:
    assert "above 0" in str(refusal_of(lambda: cls(**{name: 0})))


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (RetryPolicy, "base"),
        (RetryPolicy, "cap"),
        (RetryPolicy, "max_retry_after"),
        (PollPolicy, "first"),
        (PollPolicy, "grace"),
    ],
)
def test_zero_is_taken_where_it_means_at_once(cls: Callable[..., object], name: str) -> None:
    assert getattr(cls(**{name: 0}), name) == 0


@pytest.mark.parametrize("attempts", [0, -1, 1.5, 2.0, "2", True, None])
def test_attempts_are_a_whole_number_of_at_least_one(attempts: Any) -> None:
    message = str(refusal_of(lambda: RetryPolicy(attempts=attempts)))
    assert message == (
        f"RetryPolicy.attempts is {attempts!r}; it must be a whole number of at least 1"
    )


def test_one_attempt_means_never_again() -> None:
    assert RetryPolicy(attempts=1).attempts == 1


def test_the_longest_pause_between_looks_is_not_below_the_shortest() -> None:
    message = str(refusal_of(lambda: PollPolicy(low=2, high=1)))
    assert message == "PollPolicy.high is 1; it must be at least low, 2"


def test_equal_pauses_between_looks_are_fine() -> None:
    assert PollPolicy(low=2, high=2).high == 2


def test_settings_do_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Timeouts().connect = 1  # type: ignore[misc]


def test_a_setting_that_was_changed_is_checked_again() -> None:
    refusal_of(lambda: attrs.evolve(Pace(), rate=0))
