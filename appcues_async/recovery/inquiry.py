"""Polls until it is known what a request has started, or until no poll can tell.

A poll that fails does not end an inquiry, save where no later one can do better: it lasts through an
outage as waiting for a job does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias, TypeVar

from attrs import define, evolve, field, frozen

from appcues_async.clock import Clock
from appcues_async.errors import (
    AppcuesError,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    UnexpectedReply,
)
from appcues_async.models import Job
from appcues_async.notices import AnswerLost, AnswerSettled, Listener, PollFailed, notify
from appcues_async.recovery.evidence import (
    Claim,
    Finding,
    Owned,
    Verdict,
    counts_matter,
    judge,
    possible,
    reaches_back,
)
from appcues_async.recovery.job_clock import Clocks, skew_of
from appcues_async.recovery.ownership import LocalOwners, Owners, join
from appcues_async.settings import PollPolicy
from appcues_async.waiting.lookup import LIST, get_job
from appcues_async.waiting.poll_schedule import HOPELESS, pause_after, wait_or_sleep
from appcues_async.wire.codec import job_of, read_summaries
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Request
from appcues_async.wire.sender import Sender

__all__ = ["Inquiries", "InquiryPolicy", "JobSearch", "send_timed"]

UNREADABLE: Final = 10
"""Replies in a row that are no list, after which an inquiry ends."""
DETAILS: Final = 20
"""Jobs asked for alone, for their counts, with one list."""

V = TypeVar("V")
Search: TypeAlias = Callable[[Claim, bool], Awaitable[Verdict]]


@frozen(kw_only=True)
class InquiryPolicy:
    """How long to poll, and how often.

    Attributes:
        settle: Seconds after the end of the request from which absence counts.
        wait: Seconds after which the inquiry ends in any case.
        polling: The pauses between polls.
    """

    settle: float
    wait: float
    polling: PollPolicy


class Inquiries:
    """The inquiries of one client; they end with the client."""

    def __init__(self, clock: Clock, listener: Listener | None) -> None:
        """Starts with none.

        Args:
            clock: The time.
            listener: Receives a notice when an answer is lost, and of what was found.
        """
        self._clock = clock
        self._listener = listener
        self._closed = asyncio.Event()

    def close(self) -> None:
        """Ends every inquiry, because the client is closed."""
        self._closed.set()

    async def resolve(self, claim: Claim, search: Search, policy: InquiryPolicy) -> Verdict:
        """Polls until a verdict is final.

        Args:
            claim: The request whose answer was lost; no attempt of it is under way.
            search: Searches once; is given the claim, and whether what it does not find is absent.
            policy: How long and how often.

        Returns:
            A verdict that is `FOUND` or `ABSENT`.

        Raises:
            OutcomeUnknown: It cannot be known.
        """
        notify(self._listener, AnswerLost(claim.kind))
        outcome, found = Finding.UNDECIDED, None
        try:
            verdict = await self._poll(claim, search, policy)
            outcome = verdict.finding
            if outcome is Finding.FOUND:
                found = verdict.jobs[0].id
        finally:
            notify(self._listener, AnswerSettled(claim.kind, outcome.value, found))
        return verdict

    async def _poll(self, claim: Claim, search: Search, policy: InquiryPolicy) -> Verdict:
        since = self._clock.time()
        settled_at = since + self._until_settled(claim, policy.settle)
        verdict = Verdict(Finding.OPEN)
        unreadable = 0
        # Before that, only the counts of a job can tell, or the name of what was made.
        telling = claim.rows is not None or bool(claim.target)
        await self._pause(policy.polling.first if telling else settled_at - since)
        while True:
            now = self._clock.time()
            if self._closed.is_set():
                raise _unknown(claim, "the client was left before that was known", verdict)
            try:
                verdict = await search(claim, now >= settled_at)
                unreadable = 0
            except RuntimeError:
                # A call through a client that was closed meanwhile.
                if not self._closed.is_set():
                    raise
                continue
            except InvalidInput as error:
                raise _unknown(
                    claim, f"nothing says whose jobs are whose: {error}", verdict
                ) from error
            except HOPELESS as error:
                why = f"the server does not let it be found out ({type(error).__name__})"
                raise _unknown(claim, why, verdict) from error
            except AppcuesError as error:
                notify(self._listener, PollFailed(None, type(error).__name__))
                unreadable = unreadable + 1 if isinstance(error, UnexpectedReply) else 0
                if unreadable == UNREADABLE:
                    raise _unknown(claim, "no list can be read", verdict) from error
            if verdict.finding in {Finding.FOUND, Finding.ABSENT}:
                return verdict
            if verdict.finding is Finding.UNDECIDED:
                raise _unknown(claim, _reason(verdict), verdict)
            now = self._clock.time()
            pause = pause_after(now - since, policy.polling)
            if now - since + pause > max(policy.wait, settled_at - since):
                raise _unknown(claim, "the time to find that out is over", verdict)
            await self._pause(min(pause, settled_at - now) if now < settled_at else pause)

    def _until_settled(self, claim: Claim, settle: float) -> float:
        """Seconds from now on; all of them where the times are of another clock."""
        longest = settle + claim.linger
        if claim.clock != self._clock.id:
            return longest
        last = claim.began if claim.ended is None else claim.ended
        return min(longest, max(0.0, last + settle - self._clock.time()))

    async def _pause(self, seconds: float) -> None:
        await wait_or_sleep(self._clock, self._closed, seconds)


@define(kw_only=True)
class JobSearch:
    """Searches the list of recent jobs for the one that a request has started.

    Attributes:
        sender: Sends requests.
        local: Whose jobs are whose, as far as this process knows.
        others: Who else knows; None for nobody.
        settle: Seconds after which a list that lags is given up.
    """

    sender: Sender
    local: LocalOwners
    others: Owners | None
    settle: float
    _ended: dict[str, Job] = field(init=False, factory=dict)
    _since: float | None = field(init=False, default=None)
    _settled_at: float | None = field(init=False, default=None)

    async def search(self, claim: Claim, settled: bool) -> Verdict:
        """Lists the account's recent jobs, and judges what the request has started.

        Args:
            claim: The request; it must be open with the owners.
            settled: Whether what the list does not show is absent.

        Raises:
            AppcuesError: The list, or a job of it, cannot be had.
        """
        clock = self.sender.clock
        if self._since is None:
            self._since = claim.began if claim.clock == clock.id else clock.time()
        if settled and self._settled_at is None:
            self._settled_at = clock.time()
        listed, clocks = await send_timed(self.sender, LIST.request(), read_summaries)
        # After the list: whoever may have started a job that it shows is known by then.
        theirs = Owned() if self.others is None else await self.others.whose(listed)
        self.local.record_seen(listed)
        owned = join(theirs, self.local.whose(listed), listed)
        clocks = evolve(clocks, measurements=owned.measurements)
        whole = reaches_back(claim, listed, owned.heard, clocks)
        settled_at = self._settled_at
        if settled_at is not None and self.local.list_lags_behind(
            listed, claim.kind, self._since, settled_at
        ):
            # It lags, or shows fewer jobs than were started since.
            whole, settled = False, clocks.now - settled_at > self.settle
        jobs = [
            self._ended.get(job_id) or job_of(one)
            for job_id, one in listed.items()
            if job_id not in owned.jobs
        ]
        left = possible(claim, jobs, owned, clocks)
        if counts_matter(claim, left, owned, clocks):
            # The list leaves out the events, and with them the counts.
            uncounted = [job for job in left if job.ended and job.id not in self._ended]
            for job in uncounted[:DETAILS]:
                self._ended[job.id] = await self._with_counts(job)
            if len(uncounted) > DETAILS:
                return Verdict(Finding.OPEN, left)
            left = tuple(self._ended.get(job.id, job) for job in left)
        return judge(claim, left, owned, clocks, settled=settled, whole=whole)

    async def _with_counts(self, job: Job) -> Job:
        try:
            return await get_job(self.sender, job.id)
        except NotFound:
            # It is gone, and its counts with it.
            return job


async def send_timed(
    sender: Sender, request: Request, read: Callable[[Reply], V]
) -> tuple[V, Clocks]:
    """Sends a request that only reads, and notes what its reply shows of the server's clock.

    Args:
        sender: Sends requests.
        request: The request.
        read: Makes a value of a successful reply.
    """
    clock = sender.clock
    # Of the last attempt it is not known when it began.
    asked = clock.time()

    def read_timed(reply: Reply) -> tuple[V, Clocks]:
        headers: Mapping[str, str] = reply.headers
        now = clock.time()
        return read(reply), Clocks(
            id=clock.id, now=now, date=skew_of(headers.get("Date", ""), asked, now)
        )

    return await sender.send(request, read_timed)


def _reason(verdict: Verdict) -> str:
    if verdict.reason:
        return f"nothing tells whether it was applied as {verdict.jobs[0].id}: {verdict.reason}"
    if not verdict.jobs:
        return "the list does not reach back to it"
    ids = ", ".join(job.id for job in verdict.jobs[:5])
    more = "" if len(verdict.jobs) <= 5 else f" and {len(verdict.jobs) - 5:,} more"
    return f"nothing tells whether it was applied as {ids}{more}"


def _unknown(claim: Claim, why: str, verdict: Verdict) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"POST {claim.kind}: its answer was lost, and {why}", candidates=verdict.jobs
    )
