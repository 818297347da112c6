"""The last job seen, and the futures that wait for it.

A handle and the poller share one: the poller records what it sees, and the handle's waits wake up.
"""

from __future__ import annotations

import asyncio

from attrs import define, field

from appcues_async.errors import JobPending
from appcues_async.models import Job
from appcues_async.settings import PollPolicy
from appcues_async.waiting.address import JobAddress

__all__ = ["JobWatch"]


@define(eq=False)
class JobWatch:
    """The last job seen, and the futures that wait for its end or its next change.

    Attributes:
        address: Which job.
        policy: How often to poll it.
        job: The job as last seen; None before the first poll.
    """

    address: JobAddress
    policy: PollPolicy
    job: Job | None = None
    # Dicts keep the order of arrival. Most handles never have a waiter of the second sort.
    _ends: dict[asyncio.Future[None], None] | None = field(init=False, default=None)
    _changes: dict[asyncio.Future[None], None] | None = field(init=False, default=None)

    @property
    def kind(self) -> str:
        """The route that started the job; the job's name where the route is unknown."""
        return self.address.kind or (self.job.name if self.job is not None else "")

    def record(self, job: Job) -> bool:
        """Records what a poll saw; returns whether the job has changed."""
        last = self.job
        if last is not None:
            # A list shows jobs without their events; that is no change.
            moved = job.status != last.status or (job.events and job.events != last.events)
            if last.ended or not moved:
                return False
        self.job = job
        self._wake(None, ended=job.ended)
        return True

    def fail(self, error: Exception) -> None:
        """Ends the present waits with an error."""
        self._wake(error, ended=True)

    def add_waiter(self, *, for_end: bool) -> asyncio.Future[None]:
        """Adds a future that is done at the job's end, or at its next change."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if for_end:
            waiters = self._ends = self._ends or {}
        else:
            waiters = self._changes = self._changes or {}
        waiters[waiter] = None
        return waiter

    def remove_waiter(self, waiter: asyncio.Future[None]) -> None:
        """Forgets a future that nobody waits for any more."""
        for waiters in (self._ends, self._changes):
            if waiters is not None:
                waiters.pop(waiter, None)

    def still_running(self, why: str) -> JobPending:
        """Makes the error of a wait that ends before the job does.

        Args:
            why: Why it ends.
        """
        status = "" if self.job is None else f", last seen as {self.job.status}"
        return JobPending(
            f"{why}; job {self.address.id} is still running{status}. "
            "client.jobs.resume(token) takes the wait up again",
            url=self.address.url,
            token=self.address.token,
        )

    def _wake(self, error: Exception | None, *, ended: bool) -> None:
        for waiter in [*(self._changes or ()), *((self._ends or ()) if ended else ())]:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
