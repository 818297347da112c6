"""A job that was started: something to await, to watch, and to take up again elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from appcues_async.errors import InvalidInput, JobFailed, JobPending, RowsFailed
from appcues_async.models import FAILED, Job, hide_links
from appcues_async.settings import PollPolicy
from appcues_async.waiting.watcher import Watcher

__all__ = ["ANALYTICS", "EXPORT", "JobAddress", "JobHandle"]

EXPORT: Final = "export/events"
ANALYTICS: Final = "analytics/exports"
"""The kinds of jobs that make a file; the second is looked up at a route of its own."""

_VERSION: Final = 1
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_URL: Final = re.compile(
    r"https?://[^/?#]+/v2/accounts/([^/?#]+)/(jobs|analytics/exports)/([^/?#]+)/?", re.IGNORECASE
)


@frozen
class JobAddress:
    """Where a job is: the whole of what another process needs to wait for it.

    Attributes:
        origin: The server's address.
        account_id: The account.
        id: The job's id.
        kind: What started it, such as `import/profiles`; empty if that is not known.
    """

    origin: str
    account_id: str
    id: str
    kind: str = ""

    @property
    def url(self) -> str:
        """Where the job can be looked up; made here, never taken from an answer."""
        route = "jobs" if self.is_listed else self.kind
        return f"{self.origin}/v2/accounts/{self.account_id}/{route}/{self.id}"

    @property
    def is_listed(self) -> bool:
        """Whether the list of recent jobs may show it; it never shows analytics exports."""
        return self.kind != ANALYTICS

    @property
    def token(self) -> str:
        """The address as JSON, versioned, without credentials."""
        return json.dumps(
            {
                "version": _VERSION,
                "origin": self.origin,
                "account_id": self.account_id,
                "job_id": self.id,
                "kind": self.kind,
            },
            separators=(",", ":"),
        )

    @classmethod
    def of(cls, text: str, *, origin: str, account_id: str) -> JobAddress:
        """Reads a job's id, url or token; sends nothing.

        Of a url only account, route and id are used: a job is always asked for at `origin`.

        Args:
            text: What names the job.
            origin: The server that this client talks to.
            account_id: The account that this client acts for.

        Raises:
            InvalidInput: It names no job, or one of another account or server.
        """
        if not isinstance(text, str):
            raise InvalidInput(f"a job is named by text (id, url or token), not by {text!r}")
        text, kind = text.strip(), ""
        if text.startswith("{"):
            return cls._of_token(text, origin, account_id)
        if match := _URL.fullmatch(text):
            _check_account(match[1], account_id)
            kind = ANALYTICS if match[2].lower() == ANALYTICS else ""
            text = match[3]
        if not _ID.fullmatch(text):
            raise InvalidInput(
                f"{text!r} is no job id, job url or token; "
                "give handle.token, handle.url or the id that `jobs list` shows"
            )
        return cls(origin, account_id, text, kind)

    @classmethod
    def _of_token(cls, text: str, origin: str, account_id: str) -> JobAddress:
        try:
            content = json.loads(text)
            version, job_id = content["version"], content["job_id"]
        except (ValueError, KeyError, TypeError):
            raise InvalidInput("this is no job token; give handle.token as it was") from None
        if version != _VERSION:
            raise InvalidInput(
                f"the job token is of version {version!r}, and this release reads {_VERSION}; "
                "give the job's id instead"
            )
        _check_account(content.get("account_id"), account_id)
        if content.get("origin") != origin:
            raise InvalidInput(
                f"the job token is of {content.get('origin')!r}, and this client talks to "
                f"{origin!r}; use a client with that region or base_url"
            )
        kind = content.get("kind", "")
        if not isinstance(job_id, str) or not _ID.fullmatch(job_id) or not isinstance(kind, str):
            raise InvalidInput("this is no job token; give handle.token as it was")
        return cls(origin, account_id, job_id, kind)


def _check_account(given: object, account_id: str) -> None:
    if given != account_id:
        raise InvalidInput(
            f"the job belongs to account {given!r}, and this client acts for {account_id!r}; "
            "use a client of that account"
        )


@define(eq=False)
class _State:
    """What a handle has seen, and who is to be told; in order of arrival."""

    job: Job | None = None
    ends: dict[asyncio.Future[None], None] | None = None
    changes: dict[asyncio.Future[None], None] | None = None


@frozen(eq=False, repr=False)
class JobHandle:
    """A job of the account, to be awaited.

    `await handle` waits until the job is COMPLETED and returns it; FAILED raises `JobFailed`. Any number
    of tasks may wait, and one poller serves them all. Cancelling a wait leaves the job, and the other
    waits, as they are.
    """

    address: JobAddress
    policy: PollPolicy
    patience: float
    _watcher: Watcher
    _fetch: Callable[[JobAddress, Path], Awaitable[None]] | None = None
    _state: _State = field(factory=_State)

    @property
    def id(self) -> str:
        """The job's id."""
        return self.address.id

    @property
    def url(self) -> str:
        """Where the job can be looked up."""
        return self.address.url

    @property
    def token(self) -> str:
        """What `client.jobs.resume` takes, here or in another process; holds no credentials."""
        return self.address.token

    @property
    def kind(self) -> str:
        """What started the job, such as `import/profiles`; its name, where that is not known."""
        job = self._state.job
        return self.address.kind or (job.name if job is not None else "")

    @property
    def job(self) -> Job | None:
        """The job as last seen; None before the first look."""
        return self._state.job

    def done(self) -> bool:
        """Whether the job has been seen to have ended, well or badly."""
        return self.job is not None and self.job.ended

    def __await__(self) -> Generator[Any, None, Job]:
        return self.wait().__await__()

    async def wait(self, timeout: float | None = None) -> Job:  # noqa: ASYNC109 - a job's, not a call's
        """Waits until the job has ended.

        Args:
            timeout: Seconds to wait at the most; without it, as long as `Timeouts.wait` says.

        Returns:
            The job, COMPLETED, its events included. Some of its rows may still have failed: see
            `raise_for_failures`.

        Raises:
            JobFailed: The job ended as FAILED.
            JobPending: The time is over, or the client was left, and the job still runs.
            NotFound: The server does not know the job.
        """
        until = self._watcher.clock.time() + (self.patience if timeout is None else timeout)
        while (job := self._state.job) is None or not job.ended:
            await self._told(until, end=True)
        return _well_ended(job)

    async def __aiter__(self) -> AsyncIterator[Job]:
        """Yields the job at each change, the end included; failing is no error here.

        Raises:
            JobPending: The time is over, or the client was left, and the job still runs.
        """
        until = self._watcher.clock.time() + self.patience
        last: Job | None = None
        while True:
            if self.job is not None and self.job is not last:
                last = self.job
                yield last
                if last.ended:
                    return
            else:
                await self._told(until, end=False)

    def raise_for_failures(self) -> None:
        """Raises if the job has ended and not all of it went well.

        Raises:
            JobFailed: It ended as FAILED.
            RowsFailed: It ended as COMPLETED with failed rows or requests.
        """
        job = self._state.job
        if job is None or not job.ended:
            return
        _well_ended(job)
        rows, requests = job.ingestions_failed or 0, job.requests_failed or 0
        if rows or requests:
            raise RowsFailed(
                f"job {job.id} ({job.name}) completed, but {rows:,} rows and {requests:,} requests "
                "failed; the API does not say which",
                job,
            )

    async def download(self, path: str | os.PathLike[str]) -> Path:
        """Waits until an export has ended, and writes its file to disk as it comes in.

        The file is there under its name only when it is whole; until then it is `path` with `.part`. A
        link to it is asked for each time and never shown. Of an analytics export the API answers one; of
        an event export none is documented, though its job has been seen to hold one (`signed_s3_url`).

        Args:
            path: Where to write it; a file of that name is replaced.

        Returns:
            The path.

        Raises:
            InvalidInput: The job is no export, or the file cannot be written.
            NoDownload: The export has no link: its file comes by e-mail.
            JobFailed: The job ended as FAILED.
            JobPending: The time to wait is over and the job still runs.
            AppcuesError: The file could not be had.
        """
        if self._fetch is None or self.address.kind not in {"", EXPORT, ANALYTICS}:
            raise InvalidInput(
                f"job {self.id} was started by {self.address.kind or 'hand'} and makes no file; "
                "only exports can be downloaded"
            )
        await self.wait()
        target = Path(path)
        await self._fetch(self.address, target)
        return target

    def __repr__(self) -> str:
        status = "not looked at yet" if self.job is None else self.job.status
        return f"<JobHandle {self.id} {status}>"

    def see(self, job: Job) -> bool:
        """Takes in what the poller saw; says whether it is news."""
        last = self.job
        if last is not None:
            # A list shows jobs without their events; that is not news of having none.
            moved = job.status != last.status or (job.events and job.events != last.events)
            if last.ended or not moved:
                return False
        self._state.job = job
        self._wake(None, end=job.ended)
        return True

    def give_up(self, error: Exception) -> None:
        """Ends the present waits with an error."""
        self._wake(error, end=True)

    def leave(self) -> None:
        """Ends the present waits because the client is being left."""
        self._wake(self._pending("the client was left"), end=True)

    def _wake(self, error: Exception | None, *, end: bool) -> None:
        state = self._state
        waiting = [*(state.changes or ()), *((state.ends or ()) if end else ())]
        for awaiter in waiting:
            if awaiter.done():
                continue
            if error is None:
                awaiter.set_result(None)
            else:
                awaiter.set_exception(error)

    async def _told(self, until: float, *, end: bool) -> None:
        """Waits for the end, or for the next change, or raises at the deadline."""
        watcher, state = self._watcher, self._state
        if watcher.closed:
            raise self._pending("the client was left")
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def give_up() -> None:
            if not told.done():
                told.set_exception(self._pending("the time to wait for it is over"))

        deadline = watcher.clock.call_later(max(0.0, until - watcher.clock.time()), give_up)
        if end:
            mine = state.ends = state.ends or {}
        else:
            mine = state.changes = state.changes or {}
        mine[told] = None
        watched = watcher.enter(self, until)
        try:
            await told
        finally:
            watcher.leave(watched)
            deadline.cancel()
            mine.pop(told, None)

    def _pending(self, why: str) -> JobPending:
        status = "" if self.job is None else f", last seen as {self.job.status}"
        return JobPending(
            f"{why}; job {self.id} is still running{status}. "
            "client.jobs.resume(token) takes the wait up again",
            url=self.url,
            token=self.token,
        )


def _well_ended(job: Job) -> Job:
    """Raises if the job has failed."""
    if job.status == FAILED:
        details = "; ".join(_said(event.attributes) for event in job.events if event.attributes)
        raise JobFailed(f"job {job.id} ({job.name}) failed{details and ': ' + details}", job)
    return job


def _said(attributes: Any) -> str:
    return hide_links(", ".join(f"{name} {value}" for name, value in attributes.items()))[:500]
