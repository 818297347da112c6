"""Sends what starts something, and finds it again where the answer was lost.

The account's `LocalOwners` know every such request from before it is sent: until it is answered, a job
that shows up may be its own. After an ambiguous failure of an unsafe one, what it has started is
searched for and adopted; where it has started nothing, it is sent again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from attrs import define, evolve, frozen

from appcues_async.errors import AppcuesError, Attempt, Delivery, OutcomeUnknown, UnexpectedReply
from appcues_async.models import Accepted, Job
from appcues_async.notices import JobStarted
from appcues_async.recovery.evidence import Claim, Finding, Verdict
from appcues_async.recovery.inquiry import Inquiries, InquiryPolicy, JobSearch
from appcues_async.recovery.job_clock import Clocks
from appcues_async.recovery.ownership import LocalOwners, Owners
from appcues_async.waiting.address import ANALYTICS, JobAddress
from appcues_async.waiting.handle import JobHandle, JobHandles
from appcues_async.wire.codec import expect_success, reader
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Repeat, Request
from appcues_async.wire.sender import UNSETTLED, Sender

__all__ = ["RecoverableRequest", "Starter"]

T = TypeVar("T")
_read_accepted: Final = reader(Accepted)


class RecoverableRequest(ABC, Generic[T]):
    """A request that starts something, and the way to find it again.

    Attributes:
        request: The request.
        can_be_found: Whether `search` can tell what it has started.
    """

    request: Request
    can_be_found: bool = True

    @abstractmethod
    def read(self, reply: Reply) -> T:
        """Makes a value of a successful reply."""

    @abstractmethod
    def id_of(self, value: T) -> str | None:
        """The id of what was started; None for nothing."""

    async def search(self, claim: Claim, settled: bool) -> Verdict:
        """Searches once for what the request has started; made where `can_be_found`.

        Args:
            claim: The request; it is open with the owners.
            settled: Whether what is not shown is absent.
        """
        raise NotImplementedError

    def adopt(self, job: Job) -> T:
        """Makes the value of what a search has found; made where `can_be_found`."""
        raise NotImplementedError


@define
class _Progress:
    """One request under way.

    Attributes:
        claim: What is known of it.
        lost: Whether an attempt may have been applied without anybody knowing.
        attempts: The attempts of earlier rounds.
    """

    claim: Claim
    lost: bool = False
    attempts: tuple[Attempt, ...] = ()

    def note_lost(self) -> None:
        self.lost = True


@frozen(kw_only=True)
class Starter:
    """Sends what starts something; recovers it where the answer was lost.

    Attributes:
        sender: Sends requests.
        owners: Whose jobs are whose, in this process.
        inquiries: Poll until it is known.
        handles: Makes the handles of jobs.
    """

    sender: Sender
    owners: LocalOwners
    inquiries: Inquiries
    handles: JobHandles

    def now(self) -> float:
        """The moment, on a clock that is never set."""
        return self.sender.clock.time()

    def claim(self, kind: str, *, rows: int | None = None, target: str = "") -> Claim:
        """Makes the claim of a request that is about to be sent.

        Args:
            kind: The endpoint's route.
            rows: How many rows its body has, if that is known.
            target: What it makes, where that is no job.
        """
        clock, now = self.sender.clock.id, self.now()
        measurements = self.owners.measurements()
        job_time = Clocks(id=clock, now=now, measurements=measurements).job_time()
        return Claim(kind=kind, began=now, clock=clock, job_time=job_time, rows=rows, target=target)

    async def start(
        self,
        request: Request,
        *,
        rows: int | None = None,
        claim: Claim | None = None,
        owners: Owners | None = None,
    ) -> JobHandle:
        """Sends a request that starts a job.

        Where the answer to one is lost that must not be applied twice, the account's recent jobs tell
        whether it was applied: its job is adopted, or it is sent again, `RetryPolicy.attempts` times in
        all. `evidence.judge` says what is evidence.

        Args:
            request: The request.
            rows: How many rows its body has, if that is known.
            claim: What is known of it, where that was written down beforehand.
            owners: Who knows, beside this process, whose jobs are whose. The request must be open
                there, by the claim's id.

        Raises:
            OutcomeUnknown: Nothing tells whether it was accepted; `candidates` are the jobs that may be
                its own.
            AppcuesError: It was not accepted; where `delivery` is UNKNOWN, nothing says whether it was.
        """
        kind = request.endpoint.route
        # No list shows analytics exports.
        findable = kind != ANALYTICS
        job_start = _JobStart(request, kind, self.handles, self._job_search(owners), findable)
        return self._started(await self.send(job_start, claim or self.claim(kind, rows=rows)))

    async def start_if_any(self, request: Request) -> JobHandle | None:
        """Sends a request that is done at once, or starts a job.

        Returns:
            The job; None where the reply names none.

        Raises:
            AppcuesError: It was not accepted, or nothing says whether it was.
        """
        kind = request.endpoint.route
        address = await self.send(_PerhapsJobStart(request, kind, self.handles), self.claim(kind))
        return None if address is None else self._started(address)

    async def request(self, request: Request, kind: str) -> Reply:
        """Sends a request that may start a job, and returns the reply as it is.

        Args:
            request: The request.
            kind: Its path.

        Raises:
            AppcuesError: It did not succeed.
        """
        return await self.send(_AnyStart(request), self.claim(kind))

    async def recover(self, claim: Claim, *, owners: Owners | None = None) -> JobHandle | None:
        """Finds the job that a request of another process, or an earlier one, has started.

        Absence counts `Timeouts.settle` seconds after the claim's end (its beginning, where the end is
        not known).

        Args:
            claim: The request, as it was written down before it was sent.
            owners: Who knows, beside this process, whose jobs are whose.

        Returns:
            The job; None if it has started none, and may be sent.

        Raises:
            OutcomeUnknown: That cannot be known; `candidates` are the jobs that may be its own.
        """
        claim = evolve(claim, answerable=False)
        self.owners.open(claim, self.now())
        try:
            job = await self._find(claim, self._job_search(owners))
        except BaseException:
            self.owners.abandon(claim, self.now())
            raise
        self.owners.close(claim, self.now())
        return None if job is None else self._started(self.handles.address(job.id, claim.kind))

    async def send(self, recoverable: RecoverableRequest[T], claim: Claim) -> T:
        """Sends a request, and again where it is found not to have been applied.

        Args:
            recoverable: The request.
            claim: What is known of it so far.

        Raises:
            OutcomeUnknown: Nothing says whether it was applied.
            AppcuesError: It was not applied; `delivery` says how that is known.
        """
        progress = _Progress(evolve(claim, ended=None, answerable=True))
        sender = self.sender
        with self._opened(progress):
            while True:
                try:
                    value = await sender.send(
                        recoverable.request, recoverable.read, progress.note_lost
                    )
                except AppcuesError as error:
                    failure = error
                else:
                    if (started := recoverable.id_of(value)) is not None:
                        self.owners.own(started, progress.claim, self.now())
                    return value
                try:
                    job = await self._recover(recoverable, progress, failure, sender)
                    if job is not None:
                        return recoverable.adopt(job)
                    sender = self._for_next_round(progress, failure, sender)
                finally:
                    # Or the error and this frame keep each other, and the request's body, alive.
                    del failure

    @contextmanager
    def _opened(self, progress: _Progress) -> Iterator[None]:
        """Keeps the owners informed of a request while it is under way."""
        self.owners.open(progress.claim, self.now())
        # Until something says otherwise, as where a task is cancelled half way.
        unsettled = True
        try:
            yield
            unsettled = progress.lost
        except AppcuesError as error:
            error.attempts = progress.attempts + error.attempts
            unsettled = progress.lost or error.delivery is Delivery.UNKNOWN
            raise
        finally:
            if unsettled:
                self.owners.abandon(progress.claim, self.now())
            else:
                self.owners.close(progress.claim, self.now())

    async def _recover(
        self,
        recoverable: RecoverableRequest[T],
        progress: _Progress,
        failure: AppcuesError,
        sender: Sender,
    ) -> Job | None:
        """Finds what a request has started whose answer was lost; None for nothing.

        Raises:
            OutcomeUnknown: It cannot be known.
            AppcuesError: The failure itself, where a search cannot help.
        """
        progress.claim = evolve(progress.claim, ended=self.now(), answerable=False)
        self.owners.open(progress.claim, self.now())
        unsafe = recoverable.request.endpoint.repeat is Repeat.UNSAFE
        ambiguous = unsafe and failure.delivery is Delivery.UNKNOWN
        if not (ambiguous and recoverable.can_be_found and sender.on_unknown == "reconcile"):
            raise failure
        try:
            job = await self._find(progress.claim, recoverable)
        except OutcomeUnknown as error:
            error.reply, error.problem = failure.reply, failure.problem
            error.attempts = failure.attempts
            error.__cause__ = error.__cause__ or failure
            raise
        if job is None and failure.status is not None and 200 <= failure.status < 300:
            # A success that cannot be read: that no list shows the job says nothing.
            raise failure
        progress.lost = False
        return job

    def _for_next_round(self, progress: _Progress, failure: AppcuesError, sender: Sender) -> Sender:
        """Makes the sender of what was not applied, with the attempts that are left.

        Raises:
            AppcuesError: The failure, where none are left.
        """
        left = sender.retry.attempts - max(1, len(failure.attempts))
        if left < 1:
            failure.delivery = Delivery.REFUSED
            said = str(failure).removesuffix(UNSETTLED)
            failure.args = (f"{said}; it was looked for, and was not applied",)
            raise failure
        progress.attempts += failure.attempts
        progress.claim = evolve(progress.claim, ended=None, answerable=True)
        self.owners.open(progress.claim, self.now())
        retry = evolve(sender.retry, attempts=left)
        return sender.with_options(retry, sender.timeouts, sender.on_unknown)

    async def _find(self, claim: Claim, search: RecoverableRequest[T] | JobSearch) -> Job | None:
        """Searches until it is known what a request has started, and takes it for our own."""
        shared = self.handles
        policy = InquiryPolicy(
            settle=self.sender.timeouts.settle, wait=shared.wait_timeout, polling=shared.polling
        )
        verdict = await self.inquiries.resolve(claim, search.search, policy)
        if verdict.finding is Finding.ABSENT:
            return None
        (found,) = verdict.jobs
        self.owners.own(found.id, claim, self.now(), certain=False)
        return found

    def _job_search(self, others: Owners | None) -> JobSearch:
        sender = self.sender
        return JobSearch(
            sender=sender, local=self.owners, others=others, settle=sender.timeouts.settle
        )

    def _started(self, address: JobAddress) -> JobHandle:
        self.handles.watcher.notify(JobStarted(address.id, address.kind))
        return self.handles.of(address)


@frozen
class _JobStart(RecoverableRequest[JobAddress]):
    """A request that starts a job."""

    request: Request
    kind: str
    handles: JobHandles
    jobs: JobSearch
    can_be_found: bool

    def read(self, reply: Reply) -> JobAddress:
        return _address_of(reply, self.kind, self.handles)

    def id_of(self, value: JobAddress) -> str:
        return value.id

    async def search(self, claim: Claim, settled: bool) -> Verdict:
        return await self.jobs.search(claim, settled)

    def adopt(self, job: Job) -> JobAddress:
        return self.handles.address(job.id, self.kind)


@frozen
class _PerhapsJobStart(RecoverableRequest[JobAddress | None]):
    """A request that is done at once, or starts a job."""

    request: Request
    kind: str
    handles: JobHandles
    can_be_found = False

    def read(self, reply: Reply) -> JobAddress | None:
        if reply.status == 202 or b'"job_id"' in reply.body:
            return _address_of(reply, self.kind, self.handles)
        expect_success(reply)
        return None

    def id_of(self, value: JobAddress | None) -> str | None:
        return None if value is None else value.id


@frozen
class _AnyStart(RecoverableRequest[Reply]):
    """A request of which nobody knows what it starts."""

    request: Request
    can_be_found = False

    def read(self, reply: Reply) -> Reply:
        return reply

    def id_of(self, value: Reply) -> str | None:
        if b'"job_id"' not in value.body:
            return None
        try:
            return _read_accepted(value).job_id
        except UnexpectedReply:
            return None


def _address_of(reply: Reply, kind: str, handles: JobHandles) -> JobAddress:
    accepted = _read_accepted(reply)
    try:
        return handles.address(accepted.job_id, kind)
    except ValueError:
        raise UnexpectedReply(
            f"{reply.status} with a job_id that is none: {accepted.job_id[:80]!r}", reply=reply
        ) from None
