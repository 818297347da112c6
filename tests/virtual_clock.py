"""A clock that only a test moves, so that hours pass in no time and nothing ever sleeps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from attrs import define, field

T = TypeVar("T")


@define(order=False, eq=False)
class _Due:
    when: float
    number: int
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True

    def __lt__(self, other: _Due) -> bool:
        return (self.when, self.number) < (other.when, other.number)


@define
class VirtualClock:
    """Stands at `seconds` until it is moved."""

    seconds: float = 1000.0
    _due: list[_Due] = field(factory=list)
    _numbers: itertools.count[int] = field(factory=itertools.count)

    @property
    def id(self) -> str:
        return "of the test"

    def time(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 7, 14, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def call_later(self, delay: float, callback: Callable[[], None]) -> _Due:
        due = _Due(self.seconds + max(0.0, delay), next(self._numbers), callback)
        heapq.heappush(self._due, due)
        return due

    async def advance(self, seconds: float) -> None:
        """Moves on, and runs everything that becomes due on the way, in order."""
        until = self.seconds + seconds
        await settle()
        while (due := self._next()) is not None and due.when <= until:
            heapq.heappop(self._due)
            self.seconds = max(self.seconds, due.when)
            due.callback()
            await settle()
        self.seconds = until
        await settle()

    async def run(self, work: Awaitable[T], limit: float = 1e6) -> T:
        """Moves on as far as the work needs it, and returns what it returns.

        Only for work that waits for nothing but this clock.
        """
        task = asyncio.ensure_future(work)
        await settle()
        until = self.seconds + limit
        while not task.done():
            due = self._next()
            if due is None or due.when > until:
                task.cancel()
                raise AssertionError(f"still waiting after {limit} virtual seconds")
            await self.advance(due.when - self.seconds)
        return task.result()

    def _next(self) -> _Due | None:
        while self._due and self._due[0].cancelled:
            heapq.heappop(self._due)
        return self._due[0] if self._due else None


async def settle() -> None:
    """Lets every task run until it waits for something."""
    for _ in range(30):
        await asyncio.sleep(0)
