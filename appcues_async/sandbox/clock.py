"""The sandbox's time: real by default, and moved forward at will."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["SandboxClock"]


class SandboxClock:
    """Seconds and dates that `advance` moves forward together.

    Args:
        seconds: What to read monotonic seconds from.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._ahead = 0.0

    def time(self) -> float:
        """Seconds that only ever go forward."""
        return self._seconds() + self._ahead

    def now(self) -> datetime:
        """The date and time in UTC, as far ahead as the clock was advanced."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def advance(self, seconds: float) -> None:
        """Moves time forward.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"Time goes forward only, so not by {seconds} seconds")
        self._ahead += seconds
