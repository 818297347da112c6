"""When to poll a job next, and when to stop.

The first poll comes soon. After it the pause grows with the job's age, from `low` to 15% of the age and
at most `high`, so that the end of a job is not seen much later than it came. Where earlier jobs of the
same kind have ended, a job is seldom polled before the shortest of them had ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from attrs import define, field

from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import BadRequest, Forbidden, Unauthorized
from appcues_async.settings import PollPolicy

__all__ = ["HOPELESS", "Durations", "pause_after", "wait_or_sleep"]

HOPELESS: Final = (BadRequest, Unauthorized, Forbidden)
"""Errors of a poll that no later poll can do better than."""
GROWTH: Final = 0.5
"""Seconds of pause for each second beyond what is expected..."""
SHARE: Final = 0.15
"""...and for each second of age, whichever is less."""
REMEMBERED: Final = 20
"""Jobs of a kind whose durations are kept."""


def pause_after(age: float, policy: PollPolicy, expected: float = 0) -> float:
    """Seconds until the next poll.

    Args:
        age: Seconds since the wait for the job began.
        policy: The shortest pause and the longest.
        expected: Seconds that such a job takes at least, as far as is known.
    """
    if age < expected:
        return min(policy.high, max(policy.low, expected - age))
    grown = policy.low + GROWTH * (age - expected)
    return min(policy.high, grown, max(policy.low, SHARE * age))


async def wait_or_sleep(clock: Clock, event: asyncio.Event, seconds: float) -> None:
    """Waits until an event is set, but at most so many seconds of the clock."""
    event_set = asyncio.ensure_future(event.wait())
    slept = asyncio.ensure_future(sleep_on(clock, seconds))
    try:
        await asyncio.wait((event_set, slept), return_when=asyncio.FIRST_COMPLETED)
    finally:
        event_set.cancel()
        slept.cancel()


@define
class Durations:
    """How long the last jobs of each kind took."""

    _durations: dict[str, deque[float]] = field(factory=dict)

    def add(self, kind: str, seconds: float) -> None:
        """Records how long a job of this kind took."""
        durations = self._durations.setdefault(kind, deque(maxlen=REMEMBERED))
        durations.append(max(0.0, seconds))

    def expected(self, kind: str) -> float:
        """Seconds that a job of this kind takes at least; 0 while none has ended."""
        durations = self._durations.get(kind)
        return min(durations) if durations else 0.0
