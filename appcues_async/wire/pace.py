"""The rate of an account's requests: a pure rule on a clock that is handed in.

The rule. Turns are evenly spaced. While requests wait for them the pace climbs: by 2% a second (below 30
a second by less, in proportion), twice as fast after every 2.5 seconds. A refusal lowers it to 95% of
what the server took per second since the last fall; to 90% where that was less than half a second ago,
and to 70% where requests waited for less than a quarter of that time.

Why that finds the limit: between two refusals at its limit, a server took just what it allows. The short
fall leaves it no time to save up more than it can hold, so little is lost; and a limit that has risen is
found again in seconds, because the climb speeds up.

Noise is not a limit. Refusals that are as frequent after three falls in a row as before them do not
come from sending too much: the pace returns to where it was, and falls where they come twice as often.
"""

from __future__ import annotations

import math
from typing import Final

from appcues_async.settings import Pace

__all__ = ["Pacer"]

SLACK: Final = 0.1
"""Seconds that turns may be behind their grid, so that a busy loop still reaches the pace."""
SPACING: Final = 0.9
"""The shortest distance of two turns while they catch up with the grid, as a share of the usual one."""
LATE: Final = 0.05
"""Seconds after it was due that a turn still counts as one that was waited for."""
FALL: Final = 0.95
FALL_AGAIN: Final = 0.9
FALL_UNMEASURED: Final = 0.7
CLIMB: Final = 0.02
FULL_CLIMB: Final = 30.0
"""Requests a second from which on the climb is as fast as `CLIMB` says."""
LEAST_CLIMB: Final = 0.15
"""The share of `CLIMB` that is left of it at any pace."""
DOUBLING: Final = 2.5
SLOWEST: Final = 0.5
"""Requests a second that are always tried."""
SHORTEST: Final = 0.5
"""Seconds between two falls that are enough to measure the limit by."""
FIRST_SHORTEST: Final = 1.5
"""The same for the first fall: a server begins with tokens saved up."""
BUSY: Final = 0.25
"""The share of them in which requests must have waited for their turns."""
DOCUMENTED: Final = 60.0
"""Requests a second that Appcues documents."""
PROOF: Final = 60.0
"""Seconds at the documented rate without a refusal, after which more is tried."""
IDLE_FALLS: Final = 3
"""Falls in a row without an effect, after which refusals are held to be noise."""
CLIMBED_BACK: Final = 0.98
"""The share of the rate before a fall that is as good as all of it."""
HELPED: Final = 2 / 3
"""A fall had an effect if so large a share of the requests since the first one came after it."""
MOST_NOISE: Final = 0.1
"""The largest share of refusals that is held to be noise."""
BELIEF: Final = 60.0
"""Seconds after which noise is found out anew; other clients' sending looks like it for a while."""
LEAST_NOISE: Final = 0.005
"""A share of refusals that is too small to be told from none."""
FORGET: Final = 1 / 500
"""How much each request that is taken takes away from the share that is held to be noise."""
EXCESS: Final = 3
"""Refusals beyond twice the noise that are a limit's."""


class Pacer:
    """Hands out moments to send at, and learns from how the server takes it.

    Attributes:
        rate: Requests a second, at present.
        noise: The share of requests that is refused regardless of the rate.
    """

    def __init__(self, pace: Pace) -> None:
        """Starts at the given rate, with its first turn due at once."""
        self._most = math.inf if pace.most is None else pace.most
        self._documented = min(self._most, max(DOCUMENTED, pace.rate))
        self.rate: float = min(pace.rate, self._most)
        self.noise: float = 0.0
        self._due = self._grid = float("-inf")
        self._last: float | None = None
        self._believed_at = -math.inf
        # Since the last fall, or since the first turn.
        self._has_fallen = False
        self._fell_at: float | None = None
        self._taken = 0
        self._busy = 0.0
        self._climbing = 0.0
        self._excess = 0.0
        # Of the falls in a row without an effect: how many, what the pace has to climb back to for the
        # next to be no part of them, where the first began, and how many requests have ended since.
        self._falls = 0
        self._fell_from = 0.0
        self._highest = 0.0
        self._ended = 0
        # At the documented rate.
        self._proven = 0.0

    def due(self) -> float:
        """When the next turn is, in seconds of the clock."""
        return self._due

    def take(self, now: float, *, waited: bool) -> None:
        """Uses the next turn.

        Args:
            now: The moment.
            waited: Whether a request was waiting for it.
        """
        in_time = waited and self._last is not None and now - self._due < LATE
        if self._last is not None and in_time:
            self._climb(min(now - self._last, 1.0))
        if self._last is None:
            self._fell_at = now
            # After a pause the grid begins anew: nothing that was left out is caught up.
        gap = 1 / self.rate
        self._grid = (max(self._grid, now - SLACK) if in_time else now) + gap
        self._due = max(self._grid, now + max(SPACING * gap, 1 / self._most))
        self._last = now

    def took(self) -> None:
        """The server took a request."""
        self._taken += 1
        self._ended += 1
        self._excess = max(0.0, self._excess - 2 * self.noise)
        self.noise *= 1 - FORGET

    def refused(self, now: float, *, again: bool = False) -> bool:
        """The server refused a request for its pace; once for all that were under way.

        Args:
            now: The moment.
            again: Whether it was the probe after another refusal.

        Returns:
            Whether that is a limit's doing; False where it is noise, and the pace stays.
        """
        self._proven = 0.0
        self._ended += 1
        self._excess += 1
        if now - self._believed_at > BELIEF:
            self.noise = 0.0
        if not again and self.noise > LEAST_NOISE and self._excess < EXCESS:
            self.noise = min(MOST_NOISE, self.noise + FORGET)
            return False
        helped = self._falls >= 2 and self._taken > HELPED * self._ended
        if helped or self.rate >= self._fell_from:
            self._highest = max(self.rate, self._highest if helped else 0.0)
            self._falls, self._ended = 0, 0
        elif self._falls >= IDLE_FALLS and not again:
            share = self._falls / self._ended
            if share <= MOST_NOISE:
                self.noise, self.rate, self._fell_from = share, self._highest, self._highest
                self._believed_at, self._excess = now, 0.0
                return False
        self._falls += 1
        self._fall(now)
        return True

    def _fall(self, now: float) -> None:
        since = 0.0 if self._fell_at is None else now - self._fell_at
        measured = self._taken and self._busy >= BUSY * since
        self._fell_from = self.rate * CLIMBED_BACK
        if since < SHORTEST:
            self.rate *= FALL_AGAIN
        elif measured and (self._has_fallen or since >= FIRST_SHORTEST):
            # Never upwards: what it took long ago may have been another limit's.
            self.rate = min(self.rate, FALL * self._taken / since)
        else:
            # What a client took that was idle in between says nothing about the limit.
            self.rate *= FALL_UNMEASURED
        self.rate = max(SLOWEST, self.rate)
        self._has_fallen = True
        self._fell_at, self._taken, self._busy = now, 0, 0.0
        self._climbing = self._excess = 0.0

    def _climb(self, seconds: float) -> None:
        self._busy += seconds
        step = CLIMB * self.rate * min(1.0, max(LEAST_CLIMB, self.rate / FULL_CLIMB))
        rate = self.rate + step * seconds * 2 ** (self._climbing / DOUBLING)
        self._climbing += seconds
        top = self._most
        if self.rate == self._documented:
            self._proven += seconds
        if self.rate < self._documented or (self.rate == self._documented and self._proven < PROOF):
            top = self._documented
        if rate >= top:
            rate, self._climbing = top, 0.0
        self.rate = rate
