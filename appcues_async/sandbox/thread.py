"""An event loop in a thread, for programs that have none."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any

__all__ = ["ServingThread"]


class ServingThread:
    """Keeps something open on a loop of its own.

    Args:
        served: What is opened and closed there.
    """

    def __init__(self, served: AbstractAsyncContextManager[Any]) -> None:
        self._served = served
        self._opened: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def open(self) -> None:
        """Starts the thread and waits until it is open."""
        self._thread.start()
        self._opened.result()

    def close(self) -> None:
        """Closes it and waits until the thread has ended."""
        if self._loop is not None and self._closing is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        async with self._served:
            self._opened.set_result(None)
            await self._closing.wait()
