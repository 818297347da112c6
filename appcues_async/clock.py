"""Clocks, which are handed in, so that no test ever sleeps."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol

__all__ = ["Clock", "SystemClock", "Timer", "sleep_on"]


class Timer(Protocol):
    """A call that is due later and can be called off."""

    def cancel(self) -> None:
        """Calls it off; harmless when it has run."""
        ...


class Clock(Protocol):
    """The source of time, and of timers."""

    @property
    def id(self) -> str:
        """Which clock `time` is read from; clocks of one id agree, in whatever process they are."""
        ...

    def time(self) -> float:
        """Seconds that only ever go forward."""
        ...

    def now(self) -> datetime:
        """The present moment, with its zone."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` in `delay` seconds, on the running loop."""
        ...


class SystemClock:
    """The clock of this machine and the running loop."""

    @property
    def id(self) -> str:
        """Which clock `time` is read from: that of this machine since it was started, on Linux."""
        return _clock_id()

    def time(self) -> float:
        """Seconds that only ever go forward."""
        return time.monotonic()

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` in `delay` seconds, on the running loop."""
        return asyncio.get_running_loop().call_later(delay, callback)


@cache
def _clock_id() -> str:
    try:
        # The monotonic clock of Linux is the same in all processes, until the next start.
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return secrets.token_hex(8)


async def sleep_on(clock: Clock, delay: float) -> None:
    """Sleeps `delay` seconds of that clock; a cancelled sleep leaves no timer behind."""
    if delay <= 0:
        await asyncio.sleep(0)
        return
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not over.done():
            over.set_result(None)

    timer = clock.call_later(delay, wake)
    try:
        await over
    finally:
        timer.cancel()
