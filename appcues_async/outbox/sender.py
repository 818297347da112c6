"""The one sender of an outbox: takes the lock, sends what waits, and lets the next process take over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import AppcuesError
from appcues_async.notices import Listener, OutboxSends, OutboxStalled, notify
from appcues_async.outbox.kind_sender import KindSender
from appcues_async.outbox.rows import BATCH_BYTES, KINDS, KindName
from appcues_async.outbox.store import Store, Waiting

__all__ = ["OutboxSender"]

_ROOM: Final = 4
"""Uploads at a time."""
_TICK: Final = 0.1
"""Seconds between two looks at what waits, at the most."""
_TAKE_OVER: Final = 0.5
"""Seconds between two tries to become the process that sends."""
_RECOVER: Final = 5.0
"""Seconds after which a sender that has failed tries again."""
_SHRINK: Final = 1.0
"""Seconds between two looks at how much the log of the store holds."""
_TIDY: Final = 600.0
"""Seconds between two times that what is needed no more is forgotten."""


class OutboxSender:
    """Sends what a store holds, while no other process does."""

    def __init__(
        self,
        store: Store,
        uploader_of: Callable[[KindName], ChunkUploader],
        *,
        every: float,
        clock: Clock,
        listener: Listener | None,
    ) -> None:
        """Sends nothing yet.

        Args:
            store: Where the rows are.
            uploader_of: Makes what sends the batches of a kind.
            every: Seconds that rows are gathered for a batch.
            clock: What to measure by.
            listener: Receives every notice.
        """
        self._store = store
        self._uploader_of = uploader_of
        self._every = every
        self._clock = clock
        self._listener = listener
        self._woken = asyncio.Event()
        self._changed = False
        self._failure: Exception | None = None
        self._senders: list[KindSender] = []

    @property
    def failure(self) -> Exception | None:
        """Why nothing can be sent just now, if that is so."""
        failures = (self._failure, *(one.failure for one in self._senders))
        return next((one for one in failures if one is not None), None)

    def wake(self) -> None:
        """Lets it look at what waits now."""
        self._woken.set()

    async def run(self) -> None:
        """Sends until it is cancelled."""
        while True:
            pause = _TAKE_OVER
            try:
                if self._store.take_sending():
                    await self._send_until_cancelled()
            except Exception as error:  # noqa: BLE001 - it is told, and tried again
                self._stall(error)
                pause = _RECOVER
            await self._wait(pause)

    async def _send_until_cancelled(self) -> None:
        try:
            await self._send()
        finally:
            leaving = asyncio.ensure_future(self._store.leave_sending())
            with suppress(AppcuesError):
                await asyncio.shield(leaving)

    async def _send(self) -> None:
        notify(self._listener, OutboxSends())
        room = asyncio.Semaphore(_ROOM)
        senders = self._senders = [
            KindSender(
                kind,
                self._uploader_of(kind),
                room,
                clock=self._clock,
                listener=self._listener,
                on_change=self._note_change,
            )
            for kind in KINDS
        ]
        async with asyncio.TaskGroup() as group:
            for one in senders:
                await one.begin(self._store, group)
            self._failure = None
            group.create_task(self._tidy())
            await self._watch(senders, group)

    async def _watch(self, senders: list[KindSender], group: asyncio.TaskGroup) -> None:
        """Makes batches whenever it is time."""
        tick = min(_TICK, self._every / 4)
        since: float | None = None
        tried: Waiting | None = None
        while True:
            waiting = await self._store.look()
            now = self._clock.time()
            if not waiting.rows:
                since = None
            elif since is None:
                since = now
            # Rows may have to wait for the job of their users; then only a change brings them further.
            urgent = self._is_due(waiting) and (self._changed or waiting != tried)
            if since is not None and (urgent or now >= since + self._every):
                self._changed = False
                since, tried = now, waiting
                for one in senders:
                    one.cut_soon(group)
            await self._wait(max(0.005, tick))

    def _is_due(self, waiting: Waiting) -> bool:
        """Whether a batch is to be made before its time."""
        return waiting.bytes >= BATCH_BYTES or waiting.first <= waiting.flush

    def _note_change(self) -> None:
        self._changed = True
        self.wake()

    async def _tidy(self) -> None:
        while True:
            await self._store.tidy()
            for _ in range(int(_TIDY / _SHRINK)):
                await sleep_on(self._clock, _SHRINK)
                await self._store.shrink()

    async def _wait(self, seconds: float) -> None:
        timer = self._clock.call_later(seconds, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()
        self._woken.clear()

    def _stall(self, error: Exception) -> None:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        self._failure = error
        notify(self._listener, OutboxStalled(type(error).__name__))
