"""The rate limit: a token bucket that holds one second's worth."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["TokenBucket"]


class TokenBucket:
    """Lets `rate` requests through at once, and as many again in every second.

    Args:
        rate: Requests per second, and the most that can be saved up; None for no limit.
        time: What to read seconds from.
    """

    def __init__(self, rate: float | None, time: Callable[[], float]) -> None:
        self._time = time
        self._rate: float | None = None
        self._level = 0.0
        self._filled_at = 0.0
        self.rate = rate
        self.refill()

    @property
    def rate(self) -> float | None:
        """Requests per second; None for no limit."""
        return self._rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        if rate is not None and rate < 1:
            raise ValueError(f"rate_limit must be at least 1 request per second, not {rate}")
        was_unlimited, self._rate = self._rate is None, rate
        if was_unlimited:
            # Nothing was counted until now, so a second's worth is there.
            self.refill()

    def refill(self) -> None:
        """Fills the bucket."""
        self._level = self._rate or 0.0
        self._filled_at = self._time()

    @property
    def left(self) -> int:
        """The whole requests left in the bucket."""
        self._pour()
        return int(self._level + 1e-9)

    def take(self) -> bool:
        """Takes one request out of the bucket; returns False when it is empty."""
        if self._rate is None:
            return True
        self._pour()
        # 0.4 seconds at 5 per second are a hair less than 2 in binary.
        if self._level < 1 - 1e-9:
            return False
        self._level -= 1
        return True

    def _pour(self) -> None:
        """Adds the tokens of the time since the last call."""
        now = self._time()
        if self._rate is not None:
            self._level = min(self._rate, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
