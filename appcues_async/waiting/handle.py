"""A job that was started: something to await, to watch, and to take up again elsewhere."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

from attrs import frozen

from appcues_async.errors import InvalidInput, JobFailed, RowsFailed
from appcues_async.models import FAILED, Job
from appcues_async.settings import PollPolicy
from appcues_async.text import counted, hide_links
from appcues_async.waiting.address import ANALYTICS, EXPORT, JobAddress
from appcues_async.waiting.lookup import download
from appcues_async.waiting.watch import JobWatch
from appcues_async.waiting.watcher import Watcher
from appcues_async.wire.download import check_target
from appcues_async.wire.sender import Sender

__all__ = ["JobHandle", "JobHandles"]


@frozen(eq=False, repr=False)
class JobHandle:
    """A job of the account, to be awaited.

    `await handle` waits until the job is COMPLETED and returns it; FAILED raises `JobFailed`. Any number
    of tasks may wait, and one poller serves them all. Cancelling a wait leaves the job, and the other
    waits, as they are.
    """

    _watch: JobWatch
    _shared: JobHandles

    @property
    def id(self) -> str:
        """The job's id."""
        return self._watch.address.id

    @property
    def url(self) -> str:
        """The job's URL."""
        return self._watch.address.url

    @property
    def token(self) -> str:
        """Names the job for `client.jobs.resume`, here or in another process; holds no credentials."""
        return self._watch.address.token

    @property
    def kind(self) -> str:
        """The route that started the job, such as `import/profiles`; its name where that is unknown."""
        return self._watch.kind

    @property
    def job(self) -> Job | None:
        """The job as last seen; None before the first poll."""
        return self._watch.job

    def done(self) -> bool:
        """Whether the job has been seen to have ended, well or badly."""
        return self.job is not None and self.job.ended

    def __await__(self) -> Generator[Any, None, Job]:
        return self.wait().__await__()

    async def wait(self, timeout: float | None = None) -> Job:  # noqa: ASYNC109 - a job's, not a call's
        """Waits until the job has ended.

        Args:
            timeout: Seconds to wait at most; `Timeouts.wait` by default.

        Returns:
            The job, COMPLETED, its events included. Some of its rows may still have failed: see
            `raise_for_failures`.

        Raises:
            JobFailed: The job ended as FAILED.
            JobPending: The time is over, or the client was closed, and the job still runs.
            NotFound: The server does not know the job.
        """
        until = self._deadline(timeout)
        while (job := self.job) is None or not job.ended:
            await self._wait_for(until, end=True)
        return _checked(job)

    async def __aiter__(self) -> AsyncIterator[Job]:
        """Yields the job at each change, the end included; a job that FAILED raises nothing here.

        Raises:
            JobPending: The time is over, or the client was closed, and the job still runs.
        """
        until = self._deadline(None)
        last: Job | None = None
        while True:
            if self.job is not None and self.job is not last:
                last = self.job
                yield last
                if last.ended:
                    return
            else:
                await self._wait_for(until, end=False)

    def raise_for_failures(self) -> None:
        """Raises if the job has ended and not all of it went well.

        Raises:
            JobFailed: It ended as FAILED.
            RowsFailed: It ended as COMPLETED with failed rows or requests.
        """
        job = self.job
        if job is None or not job.ended:
            return
        _checked(job)
        rows, requests = job.ingestions_failed or 0, job.requests_failed or 0
        if rows or requests:
            raise RowsFailed(
                f"job {job.id} ({job.name}) completed, but {counted(rows, 'row')} and "
                f"{counted(requests, 'request')} failed; the API does not say which",
                job,
            )

    async def download(self, path: str | os.PathLike[str]) -> Path:
        """Waits until an export has ended, and writes its file to disk as it arrives.

        The file has its name only once it is whole, and is the owner's alone to read. Where `path` is a
        device or a pipe, the whole file is copied to it. Each call asks for a new link, which is never
        shown; it must lead to https at a public address (to this machine as well where the client's own
        server is on it). The API documents one for analytics exports; for event
        exports it documents none, though their jobs have been seen to hold one (`signed_s3_url`).

        Args:
            path: Where to write it; a file of that name is replaced.

        Returns:
            The path.

        Raises:
            InvalidInput: The job is no export, or the file cannot be written; the latter is found out
                before the wait, where it can be.
            NoDownload: The export has no link: its file comes by e-mail.
            JobFailed: The job ended as FAILED.
            JobPending: The time to wait is over and the job still runs.
            AppcuesError: The file could not be fetched.
        """
        address = self._watch.address
        if address.kind not in {"", EXPORT, ANALYTICS}:
            raise InvalidInput(
                f"job {self.id} was started by {address.kind} and makes no file; "
                "only exports can be downloaded"
            )
        target = Path(path)
        check_target(target)
        await self.wait()
        await download(self._shared.sender, address, target)
        return target

    def __repr__(self) -> str:
        status = "not looked at yet" if self.job is None else self.job.status
        return f"<JobHandle {self.id} {status}>"

    def _deadline(self, timeout: float | None) -> float:
        shared = self._shared
        return shared.watcher.clock.time() + (shared.wait_timeout if timeout is None else timeout)

    async def _wait_for(self, until: float, *, end: bool) -> None:
        """Waits for the end or for the next change; raises at the deadline."""
        watcher, watch = self._shared.watcher, self._watch
        if watcher.closed:
            raise watch.still_running("the client was left")
        waiter = watch.add_waiter(for_end=end)

        def expire() -> None:
            if not waiter.done():
                waiter.set_exception(watch.still_running("the time to wait for it is over"))

        deadline = watcher.clock.call_later(max(0.0, until - watcher.clock.time()), expire)
        polled = watcher.add(watch, until)
        try:
            await waiter
        finally:
            watcher.remove(polled)
            deadline.cancel()
            watch.remove_waiter(waiter)


@frozen(kw_only=True)
class JobHandles:
    """Makes the handles of one client's jobs, and holds what they share.

    Attributes:
        sender: Sends requests.
        watcher: Polls jobs that are waited for.
        origin: The server.
        account_id: The account.
        polling: How often to poll.
        wait_timeout: Seconds that a wait may take when the caller gives no timeout.
    """

    sender: Sender
    watcher: Watcher
    origin: str
    account_id: str
    polling: PollPolicy
    wait_timeout: float

    def resume(self, text: str) -> JobHandle:
        """Makes the handle of a job's id, url or token.

        Raises:
            InvalidInput: It is none of these, or belongs to another account or server.
        """
        address = JobAddress.of(text, origin=self.origin, account_id=self.account_id)
        return self.of(address)

    def of(self, address: JobAddress, job: Job | None = None) -> JobHandle:
        """Makes the handle of a job.

        Args:
            address: Which job.
            job: The job itself, where it is known already.
        """
        return JobHandle(JobWatch(address, self.polling, job), self)

    def address(self, job_id: str, kind: str) -> JobAddress:
        """Makes the address of a job of this account.

        Args:
            job_id: Its id.
            kind: The route that started it.

        Raises:
            InvalidInput: This is no job id.
        """
        # A reply's own job_url does not matter: jobs are always looked up at our origin.
        address = JobAddress.of(job_id, origin=self.origin, account_id=self.account_id)
        return JobAddress(address.origin, address.account_id, address.id, kind)


def _checked(job: Job) -> Job:
    """Returns a job that has ended well.

    Raises:
        JobFailed: It has not.
    """
    if job.status == FAILED:
        details = "; ".join(_details(event.attributes) for event in job.events if event.attributes)
        raise JobFailed(f"job {job.id} ({job.name}) failed{details and ': ' + details}", job)
    return job


def _details(attributes: Any) -> str:
    return hide_links(", ".join(f"{name} {value}" for name, value in attributes.items()))[:500]
