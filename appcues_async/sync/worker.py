"""A thread for the state of one sync, so that no SQLite runs on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["Worker"]

T = TypeVar("T")


class Worker:
    """Runs one call after the other, in a thread of its own."""

    def __init__(self) -> None:
        """Starts the thread when it is first needed."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="appcues-sync")

    async def call(self, function: Callable[..., T], *args: Any, **values: Any) -> T:
        """Runs a call; one that has begun ends, whatever becomes of the task that waits for it."""
        # Shielded, so that what was asked for is done even where nobody waits for it any more.
        called = self._thread.submit(function, *args, **values)
        return await asyncio.shield(asyncio.wrap_future(called))

    async def close(self, last: Callable[[], None]) -> None:
        """Ends the thread after all calls.

        Args:
            last: Is run before that.
        """
        called = asyncio.wrap_future(self._thread.submit(last))
        self._thread.shutdown(wait=False)
        await asyncio.wait([called])
        called.result()
