"""Requests that must not be applied twice, and what becomes of them when their answer is lost.

Every request that starts something is known to the account's `LocalOwners` from before it is sent: until
it is answered, what shows up on the server may be its own. An ambiguous failure of an unsafe one is
settled by looking: what it started is adopted, and where it has started nothing it is sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, Generic, TypeAlias, TypeVar

from attrs import evolve, frozen

from appcues_async.errors import AppcuesError, Attempt, Delivery, NotFound, OutcomeUnknown
from appcues_async.models import Job
from appcues_async.recovery.evidence import (
    NO_CLOCK,
    SAME_CLOCK,
    Claim,
    ClockSkew,
    Finding,
    Owned,
    Verdict,
    counts_matter,
    judge,
    possible,
    reaches_back,
)
from appcues_async.recovery.inquiry import Inquiries, InquiryPolicy
from appcues_async.recovery.ownership import LocalOwners, Owners
from appcues_async.settings import PollPolicy
from appcues_async.waiting.handle import ANALYTICS
from appcues_async.waiting.lookup import LIST, get_job
from appcues_async.wire.codec import JobSummary, job_of, read_summaries
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Repeat, Request
from appcues_async.wire.sender import UNSETTLED, Sender

__all__ = ["LostAnswers", "RecoverableRequest", "lead_of"]

LOOKS: Final = 20
"""Jobs asked for by themselves, for their counts, with one list."""

T = TypeVar("T")
V = TypeVar("V")
Ask: TypeAlias = Callable[[Claim], Awaitable[T | None]]
"""Finds out what a request has started; None for nothing."""


@frozen(kw_only=True)
class RecoverableRequest(Generic[T]):
    """A request that starts something, and how to find out what.

    Attributes:
        request: What is sent.
        read: Makes a value of its answer.
        id_of: The id of what that value says was started; None for nothing.
        ask: Finds it where the answer was lost; None where nothing could.
    """

    request: Request
    read: Callable[[Reply], T]
    id_of: Callable[[T], str | None]
    ask: Ask[T] | None


class LostAnswers:
    """Sends what starts something, and settles it where the answer was lost."""

    def __init__(
        self,
        sender: Sender,
        owners: LocalOwners,
        inquiries: Inquiries,
        *,
        polling: PollPolicy,
        patience: float,
    ) -> None:
        """Is made by the client.

        Args:
            sender: Sends.
            owners: Knows whose jobs are whose.
            inquiries: Looks until it is known.
            polling: How often to look.
            patience: Seconds that looking may take.
        """
        self._sender = sender
        self._inquiries = inquiries
        self._patience = InquiryPolicy(settle=sender.timeouts.settle, wait=patience, policy=polling)
        self.owners: LocalOwners = owners

    def now(self) -> float:
        """The moment, in seconds since 1970."""
        return self._sender.clock.now().timestamp()

    async def send(self, question: RecoverableRequest[T], claim: Claim) -> T:
        """Sends a request, and again where it is found not to have been applied.

        Args:
            question: The request.
            claim: What is known of it so far.

        Raises:
            OutcomeUnknown: Nothing says whether it was applied.
            AppcuesError: It was not applied; `delivery` says how that is known.
        """
        claim = evolve(claim, ended=None, answerable=True, offset=self._offset())
        course = _Course(self, question, claim)
        return await course.run(self._sender)

    async def settle(self, claim: Claim, ask: Ask[T]) -> T | None:
        """Finds out about a request that was made elsewhere, or by a process that is no more."""
        claim = evolve(claim, answerable=False)
        self.owners.enter(claim)
        try:
            found = await ask(claim)
        except BaseException:
            self.owners.give_up(_over(claim, self.now()))
            raise
        self.owners.leave(claim)
        return found

    async def look(self, claim: Claim, look: Callable[[bool], Awaitable[Verdict]]) -> Job | None:
        """Looks until it is known what a request has started, and takes it for our own."""
        verdict = await self._inquiries.settle(claim, look, self._patience)
        if verdict.finding is Finding.ABSENT:
            return None
        (found,) = verdict.jobs
        self.owners.own(found.id, claim.kind, self.now(), certain=False)
        return found

    async def find_job(self, claim: Claim, others: Owners | None = None) -> Job | None:
        """Finds the job that a request has started, in the list of recent jobs; None if there is none.

        Args:
            claim: The request; it must be known to the owners.
            others: Who else knows whose jobs are whose.

        Raises:
            OutcomeUnknown: That cannot be told.
        """
        if claim.kind == ANALYTICS:
            raise OutcomeUnknown(
                f"POST {claim.kind}: its answer was lost, and no list shows the jobs it starts"
            )
        ended: dict[str, Job] = {}
        settled_at: float | None = None

        async def look(settled: bool) -> Verdict:
            nonlocal settled_at
            if settled and settled_at is None:
                settled_at = self.now()
            listed, lead = await self.timed(claim, LIST.request(), read_summaries)
            now = self.now()
            owned = await self._whose(listed, others)
            everyone = [job_of(one) for one in listed.values()]
            if self.owners.clock_agrees(everyone, lead):
                whole = reaches_back(claim, everyone, now)
            else:
                lead, whole = NO_CLOCK, reaches_back(claim, (), now)
            if settled_at is not None and self.owners.list_lags_behind(
                listed, claim.kind, claim.began, settled_at
            ):
                # It lags, or shows fewer jobs than were started since.
                whole, settled = False, now - settled_at > self._patience.settle
            jobs = [ended.get(one.id, one) for one in everyone if one.id not in owned.jobs]
            left = possible(claim, jobs, owned, lead)
            if counts_matter(claim, left, owned, lead):
                # The list leaves out the events, and with them the counts.
                uncounted = [job for job in left if job.ended and job.id not in ended]
                for job in uncounted[:LOOKS]:
                    ended[job.id] = await self._counted(job)
                if len(uncounted) > LOOKS:
                    return Verdict(Finding.OPEN, left)
                left = tuple(ended.get(job.id, job) for job in left)
            return judge(claim, left, owned, now=now, settled=settled, lead=lead, whole=whole)

        return await self.look(claim, look)

    async def timed(
        self, claim: Claim, request: Request, read: Callable[[Reply], V]
    ) -> tuple[V, ClockSkew]:
        """Sends a request that only reads, and measures how far the server's clock is ahead.

        Args:
            claim: Since when it is to be known; ours may have been set in the meantime.
            request: What to send.
            read: Makes a value of a successful reply.
        """
        clock = self._sender.clock
        asked = clock.now()

        def read_timed(reply: Reply) -> tuple[V, ClockSkew]:
            return read(reply), lead_of(reply, asked, clock.now())

        value, lead = await self._sender.send(request, read_timed)
        return value, lead if claim.offset is None else lead.before(self._offset() - claim.offset)

    def _offset(self) -> float:
        return self.now() - self._sender.clock.time()

    async def _whose(self, listed: dict[str, JobSummary], others: Owners | None) -> Owned:
        # After the list: whoever may have started a job that it shows was known by then.
        theirs = Owned() if others is None else await others.look(listed)
        self.owners.see(listed)
        ours = self.owners.look(listed)
        claims = {one.id: one for one in (*theirs.claims, *ours.claims)}
        return Owned(
            jobs={**theirs.jobs, **ours.jobs},
            claims=tuple(claims.values()),
            names=_most(ours.names, theirs.names, _names_of(theirs.jobs, listed)),
        )

    async def _counted(self, job: Job) -> Job:
        try:
            return await get_job(self._sender, job.id)
        except NotFound:
            # It is gone, and its counts with it.
            return job


class _Course(Generic[T]):
    """One request on its way, with all that is known of it."""

    def __init__(self, answers: LostAnswers, question: RecoverableRequest[T], claim: Claim) -> None:
        self.answers = answers
        self.question = question
        self.claim = claim
        self.lost = False
        self.history: tuple[Attempt, ...] = ()

    async def run(self, sender: Sender) -> T:
        answers, question = self.answers, self.question
        answers.owners.enter(self.claim)
        # Until something says otherwise, as where a task is cancelled half way.
        unsettled = True
        try:
            value = await self._send(sender)
            if (started := question.id_of(value)) is not None:
                answers.owners.own(started, self.claim.kind, answers.now())
            unsettled = self.lost
        except AppcuesError as error:
            error.attempts = self.history + error.attempts
            unsettled = self.lost or error.delivery is Delivery.UNKNOWN
            raise
        finally:
            if unsettled:
                answers.owners.give_up(_over(self.claim, answers.now()))
            else:
                answers.owners.leave(self.claim)
        return value

    async def _send(self, sender: Sender) -> T:
        question, owners = self.question, self.answers.owners
        left = sender.retry.attempts
        while True:
            try:
                return await sender.send(question.request, question.read, self._on_lost)
            except AppcuesError as error:
                failure = error
            try:
                self.claim = evolve(self.claim, ended=self.answers.now(), answerable=False)
                owners.enter(self.claim)
                if (ask := self._way_to_ask(failure, sender)) is None:
                    raise failure
                if (value := await self._asked(ask, failure)) is not None:
                    return value
                if failure.status is not None and 200 <= failure.status < 300:
                    # It was answered with a success that could not be read: that no list shows it
                    # says nothing.
                    raise failure
                self.lost = False
                left -= max(1, len(failure.attempts))
                if left < 1:
                    failure.delivery = Delivery.REFUSED
                    said = str(failure).removesuffix(UNSETTLED)
                    failure.args = (f"{said}; it was looked for, and was not applied",)
                    raise failure
                self.history += failure.attempts
            finally:
                # Or the error and this frame keep each other, and the request's body, alive.
                del failure
            self.claim = evolve(self.claim, ended=None, answerable=True)
            owners.enter(self.claim)
            retry = evolve(sender.retry, attempts=left)
            sender = sender.with_options(retry, sender.timeouts, sender.on_unknown)

    def _way_to_ask(self, failure: AppcuesError, sender: Sender) -> Ask[T] | None:
        unsafe = self.question.request.endpoint.repeat is Repeat.UNSAFE
        unknown = failure.delivery is Delivery.UNKNOWN
        return (
            self.question.ask if unsafe and unknown and sender.on_unknown == "reconcile" else None
        )

    async def _asked(self, ask: Ask[T], failure: AppcuesError) -> T | None:
        """What a request has started whose answer was lost; None for nothing."""
        try:
            value = await ask(self.claim)
        except OutcomeUnknown as error:
            error.reply, error.problem = failure.reply, failure.problem
            error.attempts = failure.attempts
            error.__cause__ = error.__cause__ or failure
            raise
        if value is not None:
            self.lost = False
        return value

    def _on_lost(self) -> None:
        self.lost = True


def lead_of(reply: Reply, asked: datetime, answered: datetime) -> ClockSkew:
    """How far the server's clock is ahead, by the `Date` of an answer, which has whole seconds.

    Args:
        reply: The answer.
        asked: When it was asked for, by our clock.
        answered: When it came.
    """
    try:
        date = parsedate_to_datetime(reply.headers.get("Date", ""))
        least = (date - answered).total_seconds()
        return ClockSkew(least, max(least, (date - asked).total_seconds() + 1))
    except (ValueError, TypeError, IndexError, OverflowError):
        # The second is what a date without a zone comes to.
        return SAME_CLOCK


def _over(claim: Claim, now: float) -> Claim:
    """The claim as one that nobody settles any more."""
    return evolve(claim, ended=now if claim.ended is None else claim.ended, answerable=False)


def _names_of(
    kinds: Mapping[str, str], listed: Mapping[str, JobSummary]
) -> dict[str, dict[str, int]]:
    """How many jobs of each kind have which name."""
    shown: dict[str, dict[str, int]] = {}
    for job_id, kind in kinds.items():
        if kind and job_id in listed and (name := listed[job_id].name):
            counts = shown.setdefault(kind, {})
            counts[name] = counts.get(name, 0) + 1
    return shown


def _most(*several: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """All names that were shown; the highest count of each, since they may count the same jobs."""
    shown: dict[str, dict[str, int]] = {}
    for one in several:
        for kind, counts in one.items():
            known = shown.setdefault(kind, {})
            for name, number in counts.items():
                known[name] = max(known.get(name, 0), number)
    return shown
