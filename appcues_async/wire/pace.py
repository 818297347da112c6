"""How fast an account's requests go out: a pure rule on a clock that is handed in.

The rule: turns are 1/rate seconds apart; one that starts late does not delay those after it, up to a
tenth of a second's worth, so that a busy loop still reaches the rate.
"""

from __future__ import annotations

from typing import Final

from appcues_async.settings import Pace

__all__ = ["Spacing"]

SLACK: Final = 0.1
"""Seconds of turns that may be caught up."""


class Spacing:
    """Hands out moments to send at."""

    def __init__(self, pace: Pace) -> None:
        """Starts at the given rate, with its first turn due at once."""
        self._gap = 1 / pace.rate
        self._due = float("-inf")

    def due(self) -> float:
        """When the next turn is, in seconds of the clock."""
        return self._due

    def take(self, now: float) -> None:
        """Uses the next turn."""
        self._due = max(self._due, now - SLACK) + self._gap
