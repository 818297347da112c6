"""One poller for every waiting handle of a client.

Nothing is polled while nobody waits. With one handle waiting, a look is one `GET` of its job. With
several, one `GET` of the account's recent jobs is a look at them all; a job is asked for by itself once
it has ended, since the list leaves out the events, and, at a slower cadence, while the list does not
show it after its grace ("recent" is documented nowhere).

A look that fails does not end a wait, save where the server says that no later one can do better:
400, 401 and 403, and 404 once the job has had its grace to appear.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from attrs import define

from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import (
    AppcuesError,
    BadRequest,
    Forbidden,
    NotFound,
    Unauthorized,
    UnexpectedReply,
)
from appcues_async.models import ENDED, Job, without_links
from appcues_async.notices import JobChanged, Listener, Notice, PollFailed, notify
from appcues_async.waiting.poll_schedule import Durations, pause_after
from appcues_async.wire.codec import JobSummary, job_of

if TYPE_CHECKING:
    from appcues_async.waiting.handle import JobAddress, JobHandle

__all__ = ["Watched", "Watcher"]

LOOKS_AT_ONCE: Final = 16
"""Jobs asked for by themselves at a time."""
SLOWER: Final = 2.0
"""How much longer the pauses are for a job that the list does not show."""
SLICE: Final = 500
"""Handles gone through before other tasks have their turn."""
_HOPELESS: Final = (BadRequest, Unauthorized, Forbidden)
"""What no later look can mend."""


@define(eq=False)
class Watched:
    """A handle that somebody waits for."""

    handle: JobHandle
    since: float
    until: float
    awaiters: int = 0
    alone_due: float = 0
    look: asyncio.Task[None] | None = None


class Watcher:
    """Looks at jobs for as long as somebody waits for them."""

    def __init__(
        self,
        *,
        get: Callable[[JobAddress], Awaitable[Job]],
        list_recent: Callable[[], Awaitable[Mapping[str, JobSummary]]],
        clock: Clock,
        listener: Listener | None = None,
    ) -> None:
        """Prepares to look.

        Args:
            get: Asks for one job, its events included.
            list_recent: Asks for the account's recent jobs, by id, without their events.
            clock: What to measure and sleep by.
            listener: Is told of every change and every failed look.
        """
        self._get = get
        self._list_recent = list_recent
        self._clock = clock
        self._listener = listener
        self._durations = Durations()
        self._watched: dict[JobHandle, Watched] = {}
        self._polling: asyncio.Task[None] | None = None
        self._due = math.inf
        self._woken = asyncio.Event()
        self._alone = asyncio.Semaphore(LOOKS_AT_ONCE)
        self.closed: bool = False

    @property
    def clock(self) -> Clock:
        """What waits are measured by."""
        return self._clock

    def tell(self, notice: Notice) -> None:
        """Tells the client's listener."""
        notify(self._listener, notice)

    def enter(self, handle: JobHandle, until: float) -> Watched:
        """Has the job looked at until `leave`.

        Args:
            handle: The job.
            until: When the wait ends, on the clock; a last look comes in time for that.

        Returns:
            What `leave` takes.
        """
        now = self._clock.time()
        watched = self._watched.get(handle)
        if watched is None:
            watched = self._watched[handle] = Watched(handle, now, until)
            first = handle.policy.first
            watched.alone_due = now + max(first, handle.policy.grace)
            self._look_within(min(first, until - now - handle.policy.low))
        elif until < watched.until:
            watched.until = until
            self._look_within(until - now - handle.policy.low)
        watched.awaiters += 1
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name="appcues job poller")
        return watched

    def leave(self, watched: Watched) -> None:
        """Ends one wait; the last one that ends takes the job off the poller."""
        watched.awaiters -= 1
        if not watched.awaiters:
            self._forget(watched)
            if watched.look is not None:
                watched.look.cancel()
            if not self._watched:
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

    def _look_within(self, seconds: float) -> None:
        due = self._clock.time() + max(0.0, seconds)
        if due < self._due:
            self._due = due
            self._woken.set()

    async def _poll(self) -> None:
        try:
            # A wait may begin while the last looks of others come to their ends.
            while self._watched:
                async with asyncio.TaskGroup() as looks:
                    await self._poll_with(looks)
        except ExceptionGroup as errors:
            # Nothing of ours is raised in there, and a wait must end rather than hang.
            self._give_up(errors.exceptions[0])
        finally:
            self._polling = None
            self._due = math.inf

    async def _poll_with(self, looks: asyncio.TaskGroup) -> None:
        while self._watched:
            wait = self._due - self._clock.time()
            if wait > 0:
                await self._rest(wait)
            else:
                self._due = math.inf
                await self._look_at_all(looks)

    async def _rest(self, seconds: float) -> None:
        """Sleeps, unless there is something to be done sooner."""
        self._woken.clear()
        woken = asyncio.ensure_future(self._woken.wait())
        rested = asyncio.ensure_future(sleep_on(self._clock, min(seconds, 86_400)))
        try:
            await asyncio.wait((woken, rested), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            rested.cancel()

    async def _look_at_all(self, looks: asyncio.TaskGroup) -> None:
        """Looks at every job that is waited for, and sets the time of the next look."""
        everyone = tuple(self._watched.values())
        listed: Mapping[str, JobSummary] | None = None
        blind = False
        if sum(one.handle.address.is_listed for one in everyone) > 1:
            try:
                listed = await self._list_recent()
            except _HOPELESS as error:
                self._give_up(error)
                return
            except AppcuesError as error:
                self.tell(PollFailed(None, type(error).__name__))
                # A list that cannot be read may stay so; one that could not be had comes again.
                listed, blind = {}, not isinstance(error, UnexpectedReply)
        pause = math.inf
        for start in range(0, len(everyone), SLICE):
            now = self._clock.time()
            for watched in everyone[start : start + SLICE]:
                if watched.look is not None or watched.handle not in self._watched:
                    continue
                # A list that could not be had says nothing about the jobs that it would show.
                if not (blind and watched.handle.address.is_listed):
                    self._attend(watched, listed, now, looks)
                pause = min(pause, self._pause_of(watched, now))
            # Ten thousand handles must not hold the loop.
            await asyncio.sleep(0)
        self._look_within(pause)

    def _attend(
        self,
        watched: Watched,
        listed: Mapping[str, JobSummary] | None,
        now: float,
        looks: asyncio.TaskGroup,
    ) -> None:
        """Takes in what the list says of a job, or has it asked for by itself."""
        handle = watched.handle
        if listed is not None and handle.address.is_listed:
            sighting = listed.get(handle.id)
            if sighting is not None and sighting.status not in ENDED:
                last = handle.job
                if last is None or last.status != sighting.status:
                    self._saw(watched, job_of(sighting))
                return
            if sighting is None:
                if now < watched.alone_due:
                    return
                pause = pause_after(now - watched.since, handle.policy)
                watched.alone_due = now + SLOWER * pause
        watched.look = looks.create_task(self._look_at(watched))

    async def _look_at(self, watched: Watched) -> None:
        handle = watched.handle
        try:
            async with self._alone:
                job = await self._get(handle.address)
            self._saw(watched, job)
        except AppcuesError as error:
            self.tell(PollFailed(handle.id, type(error).__name__))
            age = self._clock.time() - watched.since
            unknown = isinstance(error, NotFound) and age >= handle.policy.grace
            if unknown or isinstance(error, _HOPELESS):
                self._end(watched, error)
        except Exception as error:  # noqa: BLE001 - a wait must end rather than hang
            self._end(watched, error)
        finally:
            watched.look = None
        if self._watched.get(handle) is watched:
            now = self._clock.time()
            self._look_within(self._pause_of(watched, now))

    def _pause_of(self, watched: Watched, now: float) -> float:
        if watched.look is not None:
            # Its own look says when the next one is.
            return math.inf
        handle = watched.handle
        expected = self._durations.expected(handle.kind)
        pause = pause_after(now - watched.since, handle.policy, expected)
        last = watched.until - handle.policy.low - now
        return min(pause, last) if last > 0 else pause

    def _saw(self, watched: Watched, job: Job) -> None:
        handle = watched.handle
        if handle.see(job):
            self.tell(JobChanged(without_links(job)))
        if job.ended:
            self._durations.learn(handle.kind, _took(job, self._clock.time() - watched.since))
            self._forget(watched)

    def _end(self, watched: Watched, error: Exception) -> None:
        self._forget(watched)
        watched.handle.give_up(error)

    def _give_up(self, error: Exception) -> None:
        for watched in tuple(self._watched.values()):
            self._end(watched, error)

    def _forget(self, watched: Watched) -> None:
        if self._watched.get(watched.handle) is watched:
            del self._watched[watched.handle]


def _took(job: Job, waited: float) -> float:
    """Seconds that a job took: by its own account, or else as long as it was waited for."""
    ended = job.events[-1].timestamp if job.events else None
    if job.started_at is None or ended is None:
        return waited
    return (ended - job.started_at).total_seconds()
