"""Whether a failed request is sent again, and when: a pure function of facts that the error carries."""

from __future__ import annotations

from appcues_async.errors import (
    AppcuesError,
    ConnectionFailed,
    Delivery,
    InvalidInput,
    Throttled,
)
from appcues_async.settings import RetryPolicy
from appcues_async.wire.request import Repeat

__all__ = ["backoff", "pause_before_next"]


def backoff(policy: RetryPolicy, number: int, draw: float) -> float:
    """The pause after attempt `number`: evenly from 0 to min(cap, base * 2**(number-1)) seconds.

    Args:
        policy: Base and cap.
        number: The attempt that failed, from 1.
        draw: From 0 to 1, at random.
    """
    # Beyond 2**64 the cap has long been reached, and a float would overflow.
    return draw * min(policy.cap, policy.base * 2.0 ** min(number - 1, 64))


def pause_before_next(
    error: AppcuesError,
    *,
    repeat: Repeat,
    number: int,
    left: float,
    policy: RetryPolicy,
    draw: float,
) -> float | None:
    """Seconds to wait before the request is sent again; None when it must not be.

    A refusal for its pace (429) and a request that never left are repeated whatever they were. What may
    have been applied is repeated only where twice is as good as once. Any other refusal is final, and so
    is a body that could not be read to its end: the next attempt would meet the same file.

    Args:
        error: What went wrong.
        repeat: Whether the endpoint may be repeated.
        number: Which attempt failed, from 1.
        left: Seconds left of the request's budget; a pause that would outlast it is not begun.
        policy: How often and how long.
        draw: From 0 to 1, at random.
    """
    if number >= policy.attempts or error.final or isinstance(error, InvalidInput):
        return None
    refused_for_now = isinstance(error, Throttled | ConnectionFailed)
    harmless = error.delivery is Delivery.UNKNOWN and repeat is Repeat.SAFE
    if not refused_for_now and not harmless:
        return None
    pause = backoff(policy, number, draw)
    if error.retry_after is not None:
        if error.retry_after > policy.max_retry_after:
            return None
        pause = max(pause, error.retry_after)
    return pause if pause <= left else None
