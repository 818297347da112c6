"""One poller for every waiting handle of a client.

It polls only while somebody waits. With one job to wait for, a poll is one `GET` of that job. With
several, one `GET` of the account's recent jobs serves all; a job is also asked for alone once it has
ended, since the list leaves out the events, and, less often, while the list does not show it after its
grace ("recent" is documented nowhere).

A poll that fails does not end a wait, save where no later one can do better: 400, 401 and 403, and 404
once the job has had its grace to appear.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from attrs import define

from appcues_async.clock import Clock
from appcues_async.errors import AppcuesError, NotFound, UnexpectedReply
from appcues_async.models import ENDED, Job, without_links
from appcues_async.notices import JobChanged, Listener, Notice, PollFailed, notify
from appcues_async.waiting.address import JobAddress
from appcues_async.waiting.poll_schedule import HOPELESS, Durations, pause_after, wait_or_sleep
from appcues_async.waiting.watch import JobWatch
from appcues_async.wire.codec import JobSummary, job_of

__all__ = ["Watched", "Watcher"]

SINGLE_POLLS: Final = 16
"""Jobs asked for alone at the same time."""
SLOWER: Final = 2.0
"""Factor on the pauses of a job that the list does not show."""
SLICE: Final = 500
"""Jobs gone through before other tasks run."""


@define(eq=False)
class Watched:
    """A job that somebody waits for.

    Attributes:
        watch: The job.
        since: When the wait began, on the clock.
        until: When it ends.
        waits: How many wait.
        alone_due: When it may be asked for alone, though the list does not show it.
        poll: The request for it alone, while one is under way.
    """

    watch: JobWatch
    since: float
    until: float
    waits: int = 0
    alone_due: float = 0
    poll: asyncio.Task[None] | None = None


class Watcher:
    """Polls jobs for as long as somebody waits for them."""

    def __init__(
        self,
        *,
        get: Callable[[JobAddress], Awaitable[Job]],
        list_recent: Callable[[], Awaitable[Mapping[str, JobSummary]]],
        clock: Clock,
        listener: Listener | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepares the poller; it starts with the first wait.

        Args:
            get: Gets one job, its events included.
            list_recent: Lists the account's recent jobs, by id, without their events.
            clock: The time.
            listener: Receives a notice for every change and every failed poll.
            check: Raises where a wait may not begin, such as on another event loop.
        """
        self._get = get
        self._list_recent = list_recent
        self._clock = clock
        self._listener = listener
        self._check = check
        self._durations = Durations()
        self._watched: dict[JobWatch, Watched] = {}
        self._polling: asyncio.Task[None] | None = None
        self._due = math.inf
        self._woken = asyncio.Event()
        self._alone = asyncio.Semaphore(SINGLE_POLLS)
        self.closed: bool = False

    @property
    def clock(self) -> Clock:
        """The time that waits are measured by."""
        return self._clock

    def notify(self, notice: Notice) -> None:
        """Sends a notice to the client's listener."""
        notify(self._listener, notice)

    def add(self, watch: JobWatch, until: float) -> Watched:
        """Adds a wait for a job, which is polled until `remove`.

        Args:
            watch: The job.
            until: When the wait ends, on the clock; the last poll comes in time for that.

        Returns:
            What `remove` takes.
        """
        self._check()
        now = self._clock.time()
        watched, policy = self._watched.get(watch), watch.policy
        if watched is None:
            watched = self._watched[watch] = Watched(watch, now, until)
            watched.alone_due = now + max(policy.first, policy.grace)
            self._poll_within(min(policy.first, until - now - policy.low))
        elif until < watched.until:
            watched.until = until
            self._poll_within(until - now - policy.low)
        watched.waits += 1
        if self._polling is None:
            self._polling = asyncio.create_task(self._run(), name="appcues job poller")
        return watched

    def remove(self, watched: Watched) -> None:
        """Removes one wait; polling of the job stops with the last one."""
        watched.waits -= 1
        if not watched.waits:
            self._forget(watched)
            if watched.poll is not None:
                watched.poll.cancel()
            if not self._watched:
                self._woken.set()

    async def close(self) -> None:
        """Ends every wait with `JobPending`, and stops polling."""
        self.closed = True
        for watch in tuple(self._watched):
            watch.fail(watch.still_running("the client was left"))
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.wait([polling])

    def _poll_within(self, seconds: float) -> None:
        due = self._clock.time() + max(0.0, seconds)
        if due < self._due:
            self._due = due
            self._woken.set()

    async def _run(self) -> None:
        try:
            # A wait may begin while the last polls of others come to their ends.
            while self._watched:
                async with asyncio.TaskGroup() as polls:
                    await self._run_with(polls)
        except ExceptionGroup as errors:
            # Nothing of ours is raised in there, and a wait must end rather than hang.
            self._end_all(errors.exceptions[0])
        finally:
            self._polling = None
            self._due = math.inf

    async def _run_with(self, polls: asyncio.TaskGroup) -> None:
        while self._watched:
            wait = self._due - self._clock.time()
            if wait > 0:
                self._woken.clear()
                await wait_or_sleep(self._clock, self._woken, min(wait, 86_400))
            else:
                self._due = math.inf
                await self._poll_all(polls)

    async def _poll_all(self, polls: asyncio.TaskGroup) -> None:
        """Polls every job that is waited for, and sets the time of the next poll."""
        everyone = tuple(self._watched.values())
        listed: Mapping[str, JobSummary] | None = None
        blind = False
        if sum(one.watch.address.is_listed for one in everyone) > 1:
            try:
                listed = await self._list_recent()
            except HOPELESS as error:
                self._end_all(error)
                return
            except AppcuesError as error:
                self.notify(PollFailed(None, type(error).__name__))
                # A list that cannot be read may stay so; one that could not be had comes again.
                listed, blind = {}, not isinstance(error, UnexpectedReply)
        pause = math.inf
        for start in range(0, len(everyone), SLICE):
            now = self._clock.time()
            for watched in everyone[start : start + SLICE]:
                if watched.poll is not None or watched.watch not in self._watched:
                    continue
                # A list that could not be had says nothing about the jobs that it would show.
                if not (blind and watched.watch.address.is_listed):
                    self._poll_one(watched, listed, now, polls)
                pause = min(pause, self._pause_of(watched, now))
            # Ten thousand jobs must not hold the loop.
            await asyncio.sleep(0)
        self._poll_within(pause)

    def _poll_one(
        self,
        watched: Watched,
        listed: Mapping[str, JobSummary] | None,
        now: float,
        polls: asyncio.TaskGroup,
    ) -> None:
        """Records what the list shows of a job, or asks for it alone."""
        watch = watched.watch
        if listed is not None and watch.address.is_listed:
            summary = listed.get(watch.address.id)
            if summary is not None and summary.status not in ENDED:
                last = watch.job
                if last is None or last.status != summary.status:
                    self._record(watched, job_of(summary))
                return
            if summary is None:
                if now < watched.alone_due:
                    return
                pause = pause_after(now - watched.since, watch.policy)
                watched.alone_due = now + SLOWER * pause
        watched.poll = polls.create_task(self._get_alone(watched))

    async def _get_alone(self, watched: Watched) -> None:
        watch = watched.watch
        try:
            async with self._alone:
                job = await self._get(watch.address)
            self._record(watched, job)
        except AppcuesError as error:
            self.notify(PollFailed(watch.address.id, type(error).__name__))
            age = self._clock.time() - watched.since
            unknown = isinstance(error, NotFound) and age >= watch.policy.grace
            if unknown or isinstance(error, HOPELESS):
                self._end(watched, error)
        except Exception as error:  # noqa: BLE001 - a wait must end rather than hang
            self._end(watched, error)
        finally:
            watched.poll = None
        if self._watched.get(watch) is watched:
            now = self._clock.time()
            self._poll_within(self._pause_of(watched, now))

    def _pause_of(self, watched: Watched, now: float) -> float:
        if watched.poll is not None:
            # That one sets the time of the next.
            return math.inf
        watch = watched.watch
        expected = self._durations.expected(watch.kind)
        pause = pause_after(now - watched.since, watch.policy, expected)
        last = watched.until - watch.policy.low - now
        return min(pause, last) if last > 0 else pause

    def _record(self, watched: Watched, job: Job) -> None:
        watch = watched.watch
        if watch.record(job):
            self.notify(JobChanged(without_links(job)))
        if job.ended:
            self._durations.add(watch.kind, _duration(job, self._clock.time() - watched.since))
            self._forget(watched)

    def _end(self, watched: Watched, error: Exception) -> None:
        self._forget(watched)
        watched.watch.fail(error)

    def _end_all(self, error: Exception) -> None:
        for watched in tuple(self._watched.values()):
            self._end(watched, error)

    def _forget(self, watched: Watched) -> None:
        if self._watched.get(watched.watch) is watched:
            del self._watched[watched.watch]


def _duration(job: Job, waited: float) -> float:
    """Seconds that a job took by its own times; the length of the wait where it has none."""
    ended = job.events[-1].timestamp if job.events else None
    if job.started_at is None or ended is None:
        return waited
    return (ended - job.started_at).total_seconds()
