"""Offline jobs (reference, "Offline Jobs")."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Final

from appcues_async.errors import AppcuesError, JobFailed, JobPending, UnexpectedReply
from appcues_async.models import Accepted, Job
from appcues_async.notices import JobStarted
from appcues_async.recovery.evidence import Claim
from appcues_async.recovery.ownership import Owners
from appcues_async.recovery.starting import LostAnswers, RecoverableRequest
from appcues_async.settings import Credentials, PollPolicy
from appcues_async.waiting.handle import ANALYTICS, JobAddress, JobHandle
from appcues_async.waiting.lookup import download, get_job, list_jobs, list_summaries
from appcues_async.waiting.watcher import Watcher
from appcues_async.wire.codec import expect_success, reader
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Request
from appcues_async.wire.sender import Sender

__all__ = ["Jobs", "job_id_of"]

_read_accepted: Final = reader(Accepted)


def job_id_of(reply: Reply) -> str | None:
    """The id of the job that a success says was started; None where it names none."""
    if b'"job_id"' not in reply.body:
        return None
    try:
        return _read_accepted(reply).job_id
    except UnexpectedReply:
        return None


class Jobs:
    """`client.jobs`: the offline jobs of the account."""

    def __init__(
        self,
        sender: Sender,
        watcher: Watcher,
        credentials: Credentials,
        lost_answers: LostAnswers,
        *,
        polling: PollPolicy,
        patience: float,
    ) -> None:
        """Is made by the client.

        Args:
            sender: Sends.
            watcher: Looks at jobs that are waited for.
            credentials: Which account, on which server.
            lost_answers: Sends what starts jobs.
            polling: How often to look.
            patience: Seconds that a wait may take when it does not say.
        """
        self._sender = sender
        self._watcher = watcher
        self._credentials = credentials
        self._polling = polling
        self._patience = patience
        self.lost_answers: LostAnswers = lost_answers

    async def list(self) -> list[Job]:
        """Asks for the account's recent jobs; what "recent" means is documented nowhere.

        Returns:
            The jobs as the API orders them, without their events.
        """
        return await list_jobs(self._sender)

    async def get(self, job_id: str) -> Job:
        """Asks for one job, its events included.

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
            InvalidInput: It names no job, or one of another account or server.
        """
        account = self._credentials
        return self._handle(
            JobAddress.of(job, origin=account.origin, account_id=account.account_id)
        )

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
            timeout: Seconds to wait at the most, for all of them together.
            return_failures: Return the jobs that ended as FAILED among the others, instead of raising.

        Returns:
            The jobs, in the order of the handles.

        Raises:
            ExceptionGroup: Of what went wrong with each, once all have ended or their time is over.
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
            JobPending: The time to wait for a job is over, or the client was left.
        """
        ended: asyncio.Queue[tuple[JobHandle, JobPending | None]] = asyncio.Queue()

        async def wait(handle: JobHandle) -> None:
            pending: JobPending | None = None
            try:
                await handle
            except JobPending as error:
                pending = error
            except AppcuesError:
                # It is told by awaiting the handle.
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

    async def list_ids(self) -> frozenset[str]:
        """Asks for the ids of the account's recent jobs: what was there before a request was sent."""
        return frozenset(await list_summaries(self._sender))

    async def start(
        self, request: Request, *, claim: Claim | None = None, owners: Owners | None = None
    ) -> JobHandle:
        """Sends a request that starts a job.

        Where the answer to one is lost that must not be applied twice, the account's recent jobs tell
        whether it was: its job is taken for our own, or it is sent again, `RetryPolicy.attempts` times
        in all. See `reconcile` for what is evidence.

        Args:
            request: What to send.
            claim: What is known of it beforehand: its rows, and the jobs listed before it. Made here,
                if left out.
            owners: Who knows, beside this process, whose jobs are whose. The request must be known
                there, by the claim's id.

        Raises:
            OutcomeUnknown: Nothing tells whether it was accepted; `candidates` are the jobs that may be
                its own.
            AppcuesError: It was not accepted; where `delivery` is UNKNOWN, nothing says whether it was.
        """
        kind = request.endpoint.route
        if claim is None:
            claim = Claim(kind=kind, began=self.lost_answers.now())

        async def ask(claim: Claim) -> JobAddress | None:
            return await self._found(claim, owners)

        question = RecoverableRequest(
            request=request,
            read=partial(self._read, kind),
            id_of=lambda address: address.id,
            ask=None if kind == ANALYTICS else ask,
        )
        return self._started(await self.lost_answers.send(question, claim))

    async def settle(self, claim: Claim, *, owners: Owners | None = None) -> JobHandle | None:
        """Finds the job that a request has started whose process is no more.

        Absence counts `Timeouts.settle` seconds after the claim's end (or its beginning, where the end
        is not known), on the wall clock.

        Args:
            claim: The request, as it was written down before it was sent.
            owners: Who knows, beside this process, whose jobs are whose.

        Returns:
            The job; None if it has started none, and may be sent.

        Raises:
            OutcomeUnknown: That cannot be told; `candidates` are the jobs that may be its own.
        """

        async def ask(claim: Claim) -> JobAddress | None:
            return await self._found(claim, owners)

        address = await self.lost_answers.settle(claim, ask)
        return None if address is None else self._started(address)

    async def start_if_any(self, request: Request) -> JobHandle | None:
        """Sends a request that may be done at once, or start a job.

        Returns:
            The job; None where the answer names none, as one that says no more than that all is done.

        Raises:
            AppcuesError: It was not accepted, or nothing says whether it was.
        """
        kind = request.endpoint.route

        def read(reply: Reply) -> JobAddress | None:
            if reply.status == 202 or b'"job_id"' in reply.body:
                return self._read(kind, reply)
            expect_success(reply)
            return None

        question = RecoverableRequest(
            request=request,
            read=read,
            id_of=lambda address: None if address is None else address.id,
            ask=None,
        )
        claim = Claim(kind=kind, began=self.lost_answers.now())
        address = await self.lost_answers.send(question, claim)
        return None if address is None else self._started(address)

    async def _found(self, claim: Claim, owners: Owners | None) -> JobAddress | None:
        job = await self.lost_answers.find_job(claim, owners)
        return None if job is None else self._address(job.id, claim.kind)

    def _read(self, kind: str, reply: Reply) -> JobAddress:
        accepted = _read_accepted(reply)
        try:
            # The address is made here: where the answer's own job_url points does not matter.
            return self._address(accepted.job_id, kind)
        except ValueError:
            raise UnexpectedReply(
                f"{reply.status} with a job_id that is none: {accepted.job_id[:80]!r}",
                reply=reply,
            ) from None

    def _address(self, job_id: str, kind: str) -> JobAddress:
        account = self._credentials
        address = JobAddress.of(job_id, origin=account.origin, account_id=account.account_id)
        return JobAddress(address.origin, address.account_id, address.id, kind)

    def _started(self, address: JobAddress) -> JobHandle:
        self._watcher.tell(JobStarted(address.id, address.kind))
        return self._handle(address)

    def _handle(self, address: JobAddress) -> JobHandle:
        return JobHandle(
            address, self._polling, self._patience, self._watcher, partial(download, self._sender)
        )
