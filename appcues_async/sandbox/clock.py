"""The sandbox's time: real by default, and moved forward at will."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["SandboxClock"]

#: The furthest ahead of real time that the clock may be, in seconds: a hundred years.
_FURTHEST: Final = 100 * 365.25 * 86_400


class SandboxClock:
    """Seconds and dates that `advance` moves forward together.

    Args:
        seconds: What to read monotonic seconds from.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._ahead = 0.0

    def time(self) -> float:
        """Returns monotonic seconds."""
        return self._seconds() + self._ahead

    def now(self) -> datetime:
        """The date and time in UTC, as far ahead as the clock was advanced."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def advance(self, seconds: float) -> None:
        """Moves time forward.

        Raises:
            ValueError: `seconds` is negative or not finite, or the clock would be more than a hundred
                years ahead.
        """
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(
                f"Time goes forward only, by a finite number of seconds, not {seconds}"
            )
        if self._ahead + seconds > _FURTHEST:
            raise ValueError(f"The clock can be at most 100 years ahead, so {seconds} are too many")
        self._ahead += seconds
