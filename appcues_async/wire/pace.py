"""How fast an account's requests go out: a pure rule on a clock that is handed in.

The rule. On a 429 the pace falls to 95% of what the server took per second since the 429 before it (to
70% of itself the first time, and where requests waited for less than a quarter of that time). In
between, and only while requests are waiting for it, it climbs: each second by one request a second (5%
below 20 a second, 2% above 50), twice as fast after every 3 seconds.

Why that finds the limit: a server that counts tokens has none left at a 429, so between two of them it
took just what it allows. The short fall leaves it no time to save up more tokens than it can hold, so
little is lost; and a limit that has risen is found again in seconds, because the climb speeds up.
"""

from __future__ import annotations

from typing import Final

from appcues_async.settings import Pace

__all__ = ["Pacer"]

SLACK: Final = 0.1
"""Seconds of turns that may be caught up, so that a busy loop still reaches the pace."""
LATE: Final = 0.05
"""Seconds after it was due that a turn still counts as one that was waited for."""
FALL: Final = 0.95
FIRST_FALL: Final = 0.7
CLIMB: Final = 0.02
CLIMB_LOW: Final = 0.05
DOUBLING: Final = 3.0
SLOWEST: Final = 0.5
"""Requests a second that are always tried."""
SHORTEST: Final = 0.5
"""Seconds between two 429s that are enough to measure the limit by."""
BUSY: Final = 0.25
"""The share of them in which requests must have waited for their turns."""


class Pacer:
    """Hands out moments to send at, and learns from how the server takes it.

    Attributes:
        rate: Requests a second, at present.
    """

    def __init__(self, pace: Pace) -> None:
        """Starts at the given rate, with its first turn due at once."""
        self.rate: float = pace.rate
        self._due = float("-inf")
        self._last: float | None = None
        self._climbed = 0.0
        self._refused_at: float | None = None
        self._taken = 0

    def due(self) -> float:
        """When the next turn is, in seconds of the clock."""
        return self._due

    def take(self, now: float, *, waited: bool) -> None:
        """Uses the next turn.

        Args:
            now: The moment.
            waited: Whether a request was waiting for it.
        """
        if waited and self._last is not None and now - self._due < LATE:
            self._climb(min(now - self._last, 1.0))
        self._last = now
        self._due = max(self._due, now - SLACK) + 1 / self.rate

    def took(self) -> None:
        """The server took a request."""
        self._taken += 1

    def refused(self, now: float) -> None:
        """The server refused a request for its pace; once for all that were under way."""
        since = None if self._refused_at is None else now - self._refused_at
        rate = self.rate * FIRST_FALL
        if (
            since is not None
            and since >= SHORTEST
            and self._taken
            and self._climbed >= BUSY * since
        ):
            # What a client took that was idle in between says nothing about the limit. And never
            # upwards: what it took long ago may have been another limit's.
            rate = min(self.rate, FALL * self._taken / since)
        self.rate = max(SLOWEST, rate)
        self._refused_at, self._taken, self._climbed = now, 0, 0.0

    def _climb(self, seconds: float) -> None:
        self._climbed += seconds
        step = max(CLIMB * self.rate, min(1.0, CLIMB_LOW * self.rate))
        self.rate += step * seconds * 2 ** (self._climbed / DOUBLING)
