"""An event loop whose clock stands still while the machine is busy with something else.

A test of timeouts has both ends on one loop. Where other processes hold the processor for a second, the
timeout of a healthy request would fire before its answer could be read; by this clock that second has
not passed. What is waited for takes as long as ever.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Any, Final

__all__ = ["FairLoop"]

LEAST: Final = 0.02
"""Seconds that are no delay yet."""


class _Selector(selectors.DefaultSelector):
    """Notices how late the loop comes back to it, and how late it is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0.0
        self._left = time.monotonic()

    def select(self, timeout: float | None = None) -> list[Any]:
        """Waits as usual."""
        came = time.monotonic()
        self._lose(came - self._left)
        found = super().select(timeout)
        self._left = time.monotonic()
        if timeout is not None:
            self._lose(self._left - came - max(0, timeout))
        return found

    def _lose(self, late: float) -> None:
        self.lost += max(0, late - LEAST)


class FairLoop(asyncio.SelectorEventLoop):
    """The loop; a runner takes it as what makes one."""

    def __init__(self) -> None:
        self._noticing = _Selector()
        super().__init__(self._noticing)

    def time(self) -> float:
        """Seconds, without those that were lost."""
        return super().time() - self._noticing.lost
