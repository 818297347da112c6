"""Which failure is repeated, and after how long: a table of facts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async.errors import (
    AppcuesError,
    ConnectionFailed,
    Delivery,
    InvalidInput,
    OutcomeUnknown,
    UnexpectedReply,
)
from appcues_async.settings import RetryPolicy
from appcues_async.wire.policy import backoff, pause_before_next
from appcues_async.wire.reply import Reply, error_of
from appcues_async.wire.request import Repeat

SAFE, UNSAFE = Repeat.SAFE, Repeat.UNSAFE


def answered(status: int, retry_after: str | None = None) -> AppcuesError:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    error = error_of(Reply(status, CIMultiDictProxy(CIMultiDict(headers)), b""), "GET x")
    assert error is not None
    return error


def pause(
    error: AppcuesError,
    repeat: Repeat = SAFE,
    *,
    number: int = 1,
    left: float = 60,
    policy: RetryPolicy | None = None,
    draw: float = 1.0,
) -> float | None:
    return pause_before_next(
        error,
        repeat=repeat,
        number=number,
        left=left,
        policy=policy or RetryPolicy(),
        draw=draw,
    )


UNREADABLE = UnexpectedReply("200 with a body that is not JSON")
CHANGED = InvalidInput("the file has changed", delivery=Delivery.UNKNOWN)

FAILURES = [
    (answered(429), True, True),
    (ConnectionFailed("no connection"), True, True),
    (answered(500), True, False),
    (answered(502), True, False),
    (answered(503), True, False),
    (answered(504), True, False),
    (answered(501), True, False),
    (answered(408), True, False),
    (OutcomeUnknown("the connection broke"), True, False),
    (UNREADABLE, True, False),
    (answered(302), False, False),
    (answered(400), False, False),
    (answered(401), False, False),
    (answered(403), False, False),
    (answered(404), False, False),
    (answered(409), False, False),
    (answered(413), False, False),
    (answered(415), False, False),
    (answered(422), False, False),
    (InvalidInput("a row is refused"), False, False),
    (CHANGED, False, False),
    (AppcuesError("anything else"), False, False),
]


@pytest.mark.parametrize(
    ("error", "safe", "unsafe"),
    FAILURES,
    ids=[f"{type(error).__name__}-{error.status}" for error, *_ in FAILURES],
)
def test_what_may_have_been_applied_is_repeated_only_where_twice_is_as_good_as_once(
    error: AppcuesError, safe: bool, unsafe: bool
) -> None:
    assert (pause(error, SAFE) is not None) is safe
    assert (pause(error, UNSAFE) is not None) is unsafe


# --- how often -----------------------------------------------------------------------------------


@pytest.mark.parametrize("repeat", [SAFE, UNSAFE])
def test_the_last_attempt_is_not_repeated(repeat: Repeat) -> None:
    policy = RetryPolicy(attempts=3)
    repeated = [
        pause(answered(429), repeat, number=n, policy=policy) is not None for n in (1, 2, 3)
    ]
    assert repeated == [True, True, False]


def test_one_attempt_is_never_repeated() -> None:
    assert pause(answered(429), policy=RetryPolicy(attempts=1)) is None


# --- how long ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "longest"),
    [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 20), (8, 20), (1000, 20)],
)
def test_the_longest_pause_doubles_up_to_the_cap(number: int, longest: float) -> None:
    assert backoff(RetryPolicy(), number, 1.0) == longest


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (1.0, 2.0)])
def test_the_pause_is_drawn_evenly_from_nothing_to_the_longest(draw: float, seconds: float) -> None:
    assert backoff(RetryPolicy(), 3, draw) == seconds


PAUSES = st.floats(0, 1e308) | st.integers(0, 10**300)


@given(PAUSES, PAUSES, st.integers(1, 10**9), st.floats(0, 1))
def test_a_pause_is_finite_and_within_the_cap_whatever_the_policy(
    base: float, cap: float, number: int, draw: float
) -> None:
    seconds = backoff(RetryPolicy(base=base, cap=cap), number, draw)
    assert 0 <= seconds <= cap
    assert math.isfinite(seconds)


def test_without_a_word_from_the_server_the_pause_is_the_backoff() -> None:
    assert pause(answered(503), number=3) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("2", 2), ("1.5", 1.5), ("60", 60), ("0", 0.5), ("0.1", 0.5), ("junk", 0.5), ("-100", 0.5)],
)
def test_the_pause_is_what_the_server_asks_for_but_not_below_the_backoff(
    status: int, retry_after: str, seconds: float
) -> None:
    assert pause(answered(status, retry_after)) == seconds


def test_no_jitter_shortens_what_the_server_asks_for() -> None:
    assert pause(answered(429, "7"), draw=0.0) == 7


@pytest.mark.parametrize("retry_after", ["60.001", "61", "86400"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_too_much_is_not_waited_for(status: int, retry_after: str) -> None:
    assert pause(answered(status, retry_after), left=1e9) is None


def test_how_much_is_too_much_can_be_set() -> None:
    assert pause(answered(429, "90"), left=100, policy=RetryPolicy(max_retry_after=90)) == 90


@pytest.mark.parametrize(("left", "seconds"), [(0.5, 0.5), (0.499, None), (0, None), (-1, None)])
def test_a_pause_that_would_outlast_the_budget_is_not_begun(
    left: float, seconds: float | None
) -> None:
    assert pause(answered(503), left=left) == seconds


def test_a_pause_that_the_server_asks_for_counts_against_the_budget() -> None:
    assert pause(answered(429, "30"), left=29) is None


def test_without_a_base_it_is_repeated_at_once() -> None:
    assert pause(answered(503), policy=RetryPolicy(base=0), left=0) == 0
