"""Time that leaps to what is next due, and a wall clock that can be set."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import define, field

from appcues_async.sandbox import Hold

__all__ = ["CountedHold", "LeapClock"]


@define(eq=False)
class _Alarm:
    clock: LeapClock
    when: float
    callback: Callable[[], None]
    timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(max(0.0, self.when - self.clock.time()), self._ring)

    def cancel(self) -> None:
        self.clock.alarms.discard(self)
        if self.timer is not None:
            self.timer.cancel()

    def _ring(self) -> None:
        self.clock.alarms.discard(self)
        self.callback()


@define(eq=False)
class LeapClock:
    """The real time, and what it was moved forward by."""

    ahead: float = 0.0
    off: float = 0.0
    """Seconds by which the wall clock is off."""
    alarms: set[_Alarm] = field(factory=set)

    @property
    def id(self) -> str:
        return "of the test"

    def time(self) -> float:
        return time.monotonic() + self.ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead + self.off)

    def call_later(self, delay: float, callback: Callable[[], None]) -> _Alarm:
        alarm = _Alarm(self, self.time() + max(0.0, delay), callback)
        self.alarms.add(alarm)
        alarm.set()
        return alarm

    def next_due(self) -> float:
        """Seconds until the next alarm."""
        return min((one.when for one in self.alarms), default=math.inf) - self.time()

    def leap(self, seconds: float) -> None:
        self.ahead += seconds
        for alarm in tuple(self.alarms):
            alarm.set()


class CountedHold(Hold):
    """Says how many requests stand still on the server."""

    standing: int = 0

    async def stand(self) -> None:
        CountedHold.standing += 1
        try:
            await super().stand()
        finally:
            CountedHold.standing -= 1
