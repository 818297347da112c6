"""Looking until it is known what a lost answer was, or until no look can tell.

A look that fails does not end it, save where the server says that no later one can do better: it
outlasts an outage as waiting for a job does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import frozen

from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import (
    AppcuesError,
    BadRequest,
    Forbidden,
    InvalidInput,
    OutcomeUnknown,
    Unauthorized,
    UnexpectedReply,
)
from appcues_async.notices import AnswerLost, AnswerSettled, Listener, PollFailed, notify
from appcues_async.recovery.evidence import Claim, Finding, Verdict
from appcues_async.settings import PollPolicy
from appcues_async.waiting.poll_schedule import pause_after

__all__ = ["Inquiries", "InquiryPolicy"]

UNREADABLE: Final = 10
"""Answers in a row that are no list, after which no list is expected any more."""
_HOPELESS: Final = (BadRequest, Unauthorized, Forbidden)
"""What no later look can mend."""


@frozen(kw_only=True)
class InquiryPolicy:
    """How long to look, and how often.

    Attributes:
        settle: Seconds after the end of the request from which absence counts.
        wait: Seconds after which looking ends in any case.
        policy: The pauses between looks.
    """

    settle: float
    wait: float
    policy: PollPolicy


class Inquiries:
    """What a client's lost answers were; ends with the client."""

    def __init__(self, clock: Clock, listener: Listener | None) -> None:
        """Is made when a client is opened.

        Args:
            clock: What to measure and sleep by.
            listener: Is told when an answer is lost, and what came of it.
        """
        self._clock = clock
        self._listener = listener
        self._left = asyncio.Event()

    def close(self) -> None:
        """Ends every inquiry, because the client is being left."""
        self._left.set()

    async def settle(
        self, claim: Claim, look: Callable[[bool], Awaitable[Verdict]], patience: InquiryPolicy
    ) -> Verdict:
        """Looks until a look has told.

        Args:
            claim: The request whose answer was lost; no attempt of it is under way.
            look: Takes a look; is told whether what it does not find is not there.
            patience: How long and how often to look.

        Returns:
            A verdict that is `FOUND` or `ABSENT`.

        Raises:
            OutcomeUnknown: It cannot be told.
        """
        notify(self._listener, AnswerLost(claim.kind))
        outcome, found = Finding.UNDECIDED, None
        try:
            verdict = await self._look(claim, look, patience)
            outcome = verdict.finding
            if outcome is Finding.FOUND:
                found = verdict.jobs[0].id
        finally:
            notify(self._listener, AnswerSettled(claim.kind, outcome.value, found))
        return verdict

    async def _look(
        self, claim: Claim, look: Callable[[bool], Awaitable[Verdict]], patience: InquiryPolicy
    ) -> Verdict:
        since = self._clock.time()
        settled_at = since + self._until_settled(claim, patience.settle)
        verdict = Verdict(Finding.OPEN)
        unreadable = 0
        # Before that, only the counts of a job can tell.
        await self._rest(settled_at - since if claim.rows is None else patience.policy.first)
        while True:
            now = self._clock.time()
            if self._left.is_set():
                raise _unknown(claim, "the client was left before that was known", verdict)
            try:
                verdict = await look(now >= settled_at)
                unreadable = 0
            except RuntimeError:
                # What a call says to a client that has been left.
                if not self._left.is_set():
                    raise
                continue
            except InvalidInput as error:
                raise _unknown(
                    claim, f"nothing says whose jobs are whose: {error}", verdict
                ) from error
            except _HOPELESS as error:
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
            pause = pause_after(now - since, patience.policy)
            if now - since + pause > max(patience.wait, settled_at - since):
                raise _unknown(claim, "the time to find that out is over", verdict)
            await self._rest(min(pause, settled_at - now) if now < settled_at else pause)

    def _until_settled(self, claim: Claim, settle: float) -> float:
        """Seconds from now on; not more than `settle`, whatever another machine's clock wrote down."""
        last = claim.began if claim.ended is None else claim.ended
        return min(settle, max(0.0, last + settle - self._clock.now().timestamp()))

    async def _rest(self, seconds: float) -> None:
        """Sleeps, unless the client is left."""
        left = asyncio.ensure_future(self._left.wait())
        rested = asyncio.ensure_future(sleep_on(self._clock, seconds))
        try:
            await asyncio.wait((left, rested), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            rested.cancel()


def _reason(verdict: Verdict) -> str:
    if not verdict.jobs:
        return "the list does not reach back to it"
    ids = ", ".join(job.id for job in verdict.jobs[:5])
    more = "" if len(verdict.jobs) <= 5 else f" and {len(verdict.jobs) - 5:,} more"
    return f"nothing tells whether it was applied as {ids}{more}"


def _unknown(claim: Claim, why: str, verdict: Verdict) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"POST {claim.kind}: its answer was lost, and {why}", candidates=verdict.jobs
    )
