"""Signals between threads and event loops."""

from __future__ import annotations

import asyncio
import contextlib
import threading

__all__ = ["Hold", "Signal"]


class Signal:
    """An event that is set once; any loop and any thread may set it or wait for it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._waiters: set[asyncio.Future[None]] = set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """Sets it, for present and future waiters."""
        with self._lock:
            self._event.set()
            waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            # A loop that was closed meanwhile has nobody left to wake.
            with contextlib.suppress(RuntimeError):
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    async def wait(self) -> None:
        """Waits without blocking the running loop."""
        with self._lock:
            if self._event.is_set():
                return
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
        try:
            await waiter
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def wait_in_thread(self, timeout: float) -> bool:
        """Blocks the calling thread for at most `timeout` seconds; returns whether it was set."""
        return self._event.wait(timeout)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Hold:
    """Keeps requests waiting at a `Stall` until it is released.

    Both sides work from any thread and any loop::

        hold = Hold()
        sandbox.faults.add(Stall("headers", hold=hold), path="/jobs")
        ...
        await hold.reached()  # a request has come that far
        hold.release()
    """

    def __init__(self) -> None:
        self._reached = Signal()
        self._released = Signal()

    @property
    def released(self) -> bool:
        """Whether requests may pass."""
        return bool(self._released)

    def release(self) -> None:
        """Lets every request pass, now and later."""
        self._released.set()

    async def reached(self) -> None:
        """Waits until the first request has come to the hold."""
        await self._reached.wait()

    def reached_in_thread(self, timeout: float = 5.0) -> bool:
        """Blocks the calling thread until then, or for `timeout` seconds; True if it was."""
        return self._reached.wait_in_thread(timeout)

    async def stand(self) -> None:
        """Signals that a request has arrived, and waits for the release."""
        self._reached.set()
        await self._released.wait()
