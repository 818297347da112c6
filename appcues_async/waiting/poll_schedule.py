"""When to look at a job next: a pure rule.

The first look comes soon. After it the pause grows with the job's age, from `low` by half of the age up
to `high`. Where earlier jobs of the same kind have ended, a job is not looked at much before the soonest
of them had: its age counts from there.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field

from appcues_async.settings import PollPolicy

__all__ = ["Durations", "pause_after"]

GROWTH: Final = 0.5
"""Seconds of pause for each second of age."""
REMEMBERED: Final = 20
"""Jobs of a kind that are remembered."""


def pause_after(age: float, policy: PollPolicy, expected: float = 0) -> float:
    """Seconds until the next look.

    Args:
        age: Seconds since the wait for the job began.
        policy: The shortest pause and the longest.
        expected: Seconds that such a job takes at least, as far as is known.
    """
    if age < expected:
        return min(policy.high, max(policy.low, expected - age))
    return min(policy.high, policy.low + GROWTH * (age - expected))


@define
class Durations:
    """How long jobs took, by their kind."""

    _took: dict[str, deque[float]] = field(factory=dict)

    def learn(self, kind: str, seconds: float) -> None:
        """Remembers that a job of this kind took so long."""
        self._took.setdefault(kind, deque(maxlen=REMEMBERED)).append(max(0.0, seconds))

    def expected(self, kind: str) -> float:
        """Seconds that a job of this kind takes at least; 0 while none has ended."""
        took = self._took.get(kind)
        return min(took) if took else 0.0
