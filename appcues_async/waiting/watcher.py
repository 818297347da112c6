"""One poller for every waiting handle of a client.

Nothing is polled while nobody waits. With one handle waiting, a look is one `GET` of its job. With
several, one `GET` of the account's recent jobs serves them all; only a job that this list does not
show, or that has ended, is asked for by itself (the list leaves out the events).

A look that fails does not end a wait, save where the server says that no later one can do better:
400, 401 and 403, and 404 once the job has had its grace to appear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import define

from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import AppcuesError, BadRequest, Forbidden, NotFound, Unauthorized
from appcues_async.models import Job, without_links
from appcues_async.notices import JobChanged, Listener, Notice, PollFailed, notify
from appcues_async.waiting.cadence import pause_after

if TYPE_CHECKING:
    from appcues_async.waiting.handle import JobAddress, JobHandle

__all__ = ["Watcher"]

LOOKS_AT_ONCE: Final = 16
"""Jobs asked for by themselves at a time."""
_HOPELESS: Final = (BadRequest, Unauthorized, Forbidden)
"""What no later look can mend."""


@define(eq=False)
class _Watched:
    """A handle that somebody waits for."""

    handle: JobHandle
    since: float
    due: float
    awaiters: int = 0
    looks: int = 0


class Watcher:
    """Looks at jobs for as long as somebody waits for them."""

    def __init__(
        self,
        *,
        get: Callable[[JobAddress], Awaitable[Job]],
        list_recent: Callable[[], Awaitable[Sequence[Job]]],
        clock: Clock,
        listener: Listener | None = None,
    ) -> None:
        """Prepares to look.

        Args:
            get: Asks for one job, its events included.
            list_recent: Asks for the account's recent jobs, without their events.
            clock: What to measure and sleep by.
            listener: Is told of every change and every failed look.
        """
        self._get = get
        self._list_recent = list_recent
        self._clock = clock
        self._listener = listener
        self._watched: dict[JobHandle, _Watched] = {}
        self._polling: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self.closed: bool = False

    @property
    def clock(self) -> Clock:
        """What waits are measured by."""
        return self._clock

    def tell(self, notice: Notice) -> None:
        """Tells the client's listener."""
        notify(self._listener, notice)

    @contextmanager
    def watching(self, handle: JobHandle) -> Generator[None]:
        """Has the job looked at while the block runs."""
        watched = self._watched.get(handle)
        if watched is None:
            now = self._clock.time()
            watched = _Watched(handle, now, now + pause_after(0, handle.policy))
            self._watched[handle] = watched
        watched.awaiters += 1
        self._woken.set()
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll(), name="appcues job poller")
        try:
            yield
        finally:
            watched.awaiters -= 1
            if not watched.awaiters:
                self._forget(watched)
                # Nobody waits any more, so there is nothing to wake up for.
                self._woken.set()

    async def close(self) -> None:
        """Ends every wait, saying that the jobs still run, and stops looking."""
        self.closed = True
        for handle in tuple(self._watched):
            handle.leave()
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.wait([polling])

    async def _poll(self) -> None:
        while self._watched:
            now = self._clock.time()
            soonest = min(watched.due for watched in self._watched.values())
            if soonest > now:
                await self._rest(soonest - now)
                continue
            try:
                await self._look_at_all()
            except Exception as error:  # noqa: BLE001 - a wait must end rather than hang
                self._give_up(error)
        self._polling = None

    async def _rest(self, seconds: float) -> None:
        """Sleeps, unless a handle comes or goes: its look may be due sooner."""
        self._woken.clear()
        woken = asyncio.ensure_future(self._woken.wait())
        rested = asyncio.ensure_future(sleep_on(self._clock, seconds))
        try:
            await asyncio.wait((woken, rested), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            rested.cancel()

    async def _look_at_all(self) -> None:
        """Looks at every job that is waited for, since one list serves them all."""
        everyone = tuple(self._watched.values())
        listed: Mapping[str, Job] = {}
        if sum(watched.handle.address.is_listed for watched in everyone) > 1:
            try:
                listed = {job.id: job for job in await self._list_recent()}
            except _HOPELESS as error:
                self._give_up(error)
                return
            except AppcuesError as error:
                self.tell(PollFailed(None, type(error).__name__))
                self._put_off(everyone)
                return
        alone = asyncio.Semaphore(LOOKS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for watched in everyone:
                job = listed.get(watched.handle.id)
                if job is None or job.ended:
                    group.create_task(self._look_at(watched, alone))
                else:
                    self._saw(watched, job)
        self._put_off(everyone)

    async def _look_at(self, watched: _Watched, alone: asyncio.Semaphore) -> None:
        handle = watched.handle
        async with alone:
            if handle not in self._watched:
                return
            try:
                job = await self._get(handle.address)
            except AppcuesError as error:
                self.tell(PollFailed(handle.id, type(error).__name__))
                age = self._clock.time() - watched.since
                unknown = isinstance(error, NotFound) and age >= handle.policy.grace
                if unknown or isinstance(error, _HOPELESS):
                    self._forget(watched)
                    handle.give_up(error)
            else:
                self._saw(watched, job)

    def _give_up(self, error: Exception) -> None:
        everyone = tuple(self._watched.values())
        for watched in everyone:
            self._forget(watched)
            watched.handle.give_up(error)

    def _saw(self, watched: _Watched, job: Job) -> None:
        if watched.handle.see(job):
            self.tell(JobChanged(without_links(job)))
        if job.ended:
            self._forget(watched)

    def _put_off(self, watched: Sequence[_Watched]) -> None:
        now = self._clock.time()
        for one in watched:
            one.looks += 1
            one.due = now + pause_after(one.looks, one.handle.policy)

    def _forget(self, watched: _Watched) -> None:
        if self._watched.get(watched.handle) is watched:
            del self._watched[watched.handle]
