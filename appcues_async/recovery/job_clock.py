"""The clock that stamps jobs: how far it is ahead of ours, and when a request can have started its job.

The API stamps a job with the second of its creation. Whose clock that is, and what it has to do with the
`Date` of a reply, is documented nowhere. It is measured on jobs of our own whose 202 was heard: between
the moment that such a request began and the moment that it was answered, the clock showed the job's
stamp. Our side of it is a clock that is never set (`Clock.time`), so no wall clock takes part.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

from attrs import field, frozen

__all__ = ["ClockSkew", "Clocks", "Measurement", "Trust", "Window", "skew_of"]

EARLY: Final = 1.0
"""Seconds that a stamp may lie before the request: stamps are whole seconds."""
LATE: Final = 60.0
"""Seconds that a request may be held back on its way, such as by a proxy."""
SOON: Final = 1.0
"""Seconds that a server takes to stamp a job after the request was seen for the last time."""
SPREAD: Final = 2.0
"""Seconds by which a measurement may be less exact than the best one and still count."""


@frozen
class ClockSkew:
    """How far another clock is ahead of ours, in seconds.

    Attributes:
        min: At least so much; negative where it is behind.
        max: At most so much.
    """

    min: float
    max: float


@frozen(kw_only=True)
class Measurement:
    """One look at the clock that stamps jobs.

    Attributes:
        clock: Which clock of ours was read.
        sent: When the request of an own job began, by that clock.
        heard: When its 202 was heard.
        stamp: The job's stamp, in seconds since 1970 by the clock of the server.
    """

    clock: str
    sent: float
    heard: float
    stamp: float

    @property
    def skew(self) -> ClockSkew:
        """How far the server's clock was ahead; stamps are whole seconds."""
        return ClockSkew(self.stamp - self.heard, self.stamp + 1 - self.sent)


class Trust(enum.IntEnum):
    """How a window was found."""

    GUESSED = 0
    """By the `Date` of a reply."""
    MEASURED = 1
    """By an own job that was sent before or after."""
    PROVED = 2
    """By own jobs that were sent before and after, so that a step of either clock is included."""


@frozen(kw_only=True)
class Window:
    """When a request can have started its job, by the clock that stamps jobs.

    Attributes:
        earliest: The earliest stamp.
        likely: The latest stamp, if nothing held the request back.
        latest: The latest stamp in any case.
        trust: How that was found.
    """

    earliest: float
    likely: float
    latest: float
    trust: Trust

    def excludes(self, stamp: float) -> bool:
        """Whether a stamp cannot be the job's."""
        return not self.earliest <= stamp <= self.latest

    def suits(self, stamp: float) -> bool:
        """Whether a stamp is one that the job is likely to have."""
        return self.earliest <= stamp <= self.likely


@frozen(kw_only=True)
class Clocks:
    """Everything known of all clocks at one moment.

    Attributes:
        id: Which clock `now` is of; see `Clock.id`.
        now: The moment.
        date: How far the `Date` of replies is ahead of that clock; None if there is none.
        measurements: Looks at the clock that stamps jobs.
    """

    id: str
    now: float
    date: ClockSkew | None = None
    measurements: Sequence[Measurement] = field(default=(), repr=False)

    def job_time(self) -> tuple[float, float] | None:
        """The earliest and the latest moment that it can be by the clock that stamps jobs.

        None if it was not measured.
        """
        if (skew := self._skew(self.id)) is None:
            return None
        return self.now + skew.min, self.now + skew.max

    def window(
        self,
        clock: str,
        began: float,
        ended: float | None,
        job_time: tuple[float, float] | None = None,
    ) -> Window | None:
        """When a request can have started its job; None where nothing says that.

        Args:
            clock: Which clock the request's times are of.
            began: When it began.
            ended: When it was seen for the last time; None while it goes on.
            job_time: The moment that it began by the clock that stamps jobs, as measured then.
        """
        before, after = self._skew(clock, until=began), self._skew(clock, since=began)
        if job_time is not None:
            then = ClockSkew(job_time[0] - began, job_time[1] - began)
            before = then if before is None else _span(before, then)
        if before is not None and after is not None:
            skew, trust = _span(before, after), Trust.PROVED
        elif (measured := before or self._skew(clock)) is not None:
            skew, trust = measured, Trust.MEASURED
        elif clock == self.id and self.date is not None:
            skew, trust = self.date, Trust.GUESSED
        else:
            return None
        last = math.inf if ended is None else ended + skew.max
        return Window(
            earliest=began + skew.min - EARLY, likely=last + SOON, latest=last + LATE, trust=trust
        )

    def _skew(
        self, clock: str, *, since: float = -math.inf, until: float = math.inf
    ) -> ClockSkew | None:
        """The skew by own jobs that were sent and answered in this time; by the most exact of them."""
        skews = [
            one.skew
            for one in self.measurements
            if one.clock == clock and one.sent >= since and one.heard <= until
        ]
        if not skews:
            return None
        best = min(skew.max - skew.min for skew in skews)
        exact = [skew for skew in skews if skew.max - skew.min <= best + SPREAD]
        return ClockSkew(min(one.min for one in exact), max(one.max for one in exact))


def skew_of(date: str, asked: float, answered: float) -> ClockSkew | None:
    """How far the `Date` of a reply, which has whole seconds, is ahead; None where it is no date.

    Args:
        date: The header.
        asked: When the request was sent, by our clock.
        answered: When the reply came.
    """
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    seconds = moment.timestamp()
    return ClockSkew(seconds - answered, seconds + 1 - asked)


def _span(one: ClockSkew, other: ClockSkew) -> ClockSkew:
    return ClockSkew(min(one.min, other.min), max(one.max, other.max))
