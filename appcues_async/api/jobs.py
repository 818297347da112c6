"""Offline jobs (reference, "Offline Jobs")."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Iterable

from appcues_async.errors import AppcuesError, JobFailed, JobPending
from appcues_async.models import Job
from appcues_async.waiting.handle import JobHandle, JobHandles
from appcues_async.waiting.lookup import get_job, list_jobs
from appcues_async.wire.sender import Sender

__all__ = ["Jobs"]


class Jobs:
    """`client.jobs`: the offline jobs of the account."""

    def __init__(self, sender: Sender, handles: JobHandles) -> None:
        self._sender = sender
        self._handles = handles

    async def list(self) -> list[Job]:
        """Lists the account's recent jobs; the API does not document what "recent" means.

        Returns:
            The jobs in the order of the API, without their events.
        """
        return await list_jobs(self._sender)

    async def get(self, job_id: str) -> Job:
        """Gets one job, its events included.

        Raises:
            NotFound: The account has no such job.
        """
        return await get_job(self._sender, job_id)

    def resume(self, job: str) -> JobHandle:
        """Makes a handle of a job that was started before, here or elsewhere; sends nothing.

        Args:
            job: Its id, url or token. Of a url only account, route and id are used. An analytics export
                needs its url or token: its id alone does not say that it is one.

        Raises:
            InvalidInput: It is none of these, or belongs to another account or server.
        """
        return self._handles.resume(job)

    async def wait_all(
        self,
        handles: Iterable[JobHandle],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - of the jobs, not of a call
        return_failures: bool = False,
    ) -> builtins.list[Job]:
        """Waits until every job has ended.

        Args:
            handles: The jobs.
            timeout: Seconds to wait at most, for all of them together.
            return_failures: Return jobs that ended as FAILED among the others instead of raising.

        Returns:
            The jobs, in the order of the handles.

        Raises:
            ExceptionGroup: Of every failure, once all jobs have ended or the time is over.
        """
        everyone = tuple(handles)
        failures: dict[int, AppcuesError] = {}

        async def wait(number: int, handle: JobHandle) -> None:
            try:
                await handle.wait(timeout)
            except JobFailed as error:
                if not return_failures:
                    failures[number] = error
            except AppcuesError as error:
                failures[number] = error

        async with asyncio.TaskGroup() as group:
            for number, handle in enumerate(everyone):
                group.create_task(wait(number, handle))
        if failures:
            raise ExceptionGroup(
                f"{len(failures):,} of {len(everyone):,} jobs did not complete",
                [failures[number] for number in sorted(failures)],
            )
        return [handle.job for handle in everyone if handle.job is not None]

    async def as_completed(self, handles: Iterable[JobHandle]) -> AsyncIterator[JobHandle]:
        """Yields each handle as its job ends, well or badly; awaiting it then gives its result.

        Args:
            handles: The jobs.

        Raises:
            JobPending: The time to wait for a job is over, or the client was closed.
        """
        ended: asyncio.Queue[tuple[JobHandle, JobPending | None]] = asyncio.Queue()

        async def wait(handle: JobHandle) -> None:
            pending: JobPending | None = None
            try:
                await handle
            except JobPending as error:
                pending = error
            except AppcuesError:
                # Awaiting the handle raises it.
                pass
            ended.put_nowait((handle, pending))

        waits = [asyncio.create_task(wait(handle)) for handle in handles]
        try:
            for _ in waits:
                handle, pending = await ended.get()
                if pending is not None:
                    raise pending
                yield handle
        finally:
            for one in waits:
                one.cancel()
            if waits:
                await asyncio.wait(waits)
