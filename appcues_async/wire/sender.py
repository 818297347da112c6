"""Sends a request: waits for the throttle, makes an attempt, retries as the policy says.

The first attempt is made bare. Only when it fails does tenacity come in, and drives what is left: a
call that succeeds at once pays nothing for the retries that it did not need.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from http.client import responses
from typing import Final, Protocol, TypeVar

from attrs import define, evolve, field
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import (
    AppcuesError,
    Attempt,
    ConnectionFailed,
    Delivery,
    NotFound,
    NoTurn,
    OutcomeUnknown,
    ReplyError,
    ServerError,
    Throttled,
)
from appcues_async.notices import AttemptFailed, Listener, ReplyReceived, notify
from appcues_async.settings import OnUnknown, RetryPolicy, Timeouts
from appcues_async.wire.connections import Connections
from appcues_async.wire.policy import pause_before_next
from appcues_async.wire.reply import Reply, error_of, limits_of
from appcues_async.wire.request import Lane, Repeat, Request, Server
from appcues_async.wire.turn import (
    ANSWERED,
    SILENT,
    Feedback,
    Patience,
    Signal,
    Throttle,
    Turn,
    TurnNotGiven,
)

__all__ = ["UNSETTLED", "Sender", "Transport"]

UNSETTLED: Final = "; nothing says whether it was applied"
"""The end of a message about a failure that may have been applied."""

T = TypeVar("T")


class Transport(Protocol):
    """Makes attempts, here (see `transport.py`) or elsewhere."""

    async def attempt(self, request: Request, within: float | None = None) -> Reply:
        """Sends a request once and reads the whole answer, whatever its status.

        It ends no sooner than the attempt does, wherever that is made, save by a cancellation.

        Args:
            request: What to send.
            within: Seconds left for it, if fewer than the budget; an upload has no such limit.

        Raises:
            AppcuesError: There was no answer; `delivery` says how far the request got.
        """
        ...

    def linger(self, request: Request) -> float:
        """Seconds that an attempt may go on after this process has ended, or has let go of it."""
        ...

    def with_timeouts(self, timeouts: Timeouts) -> Transport:
        """Makes a transport with other timeouts on the same connections."""
        ...


@define(kw_only=True)
class Sender:
    """Sends requests, and retries as the policy says.

    Attributes:
        transport: Makes one attempt.
        connections: Counts what is in flight.
        throttle: Limits the rate; None disables it.
        clock: Measures time and sleeps.
        retry: How often and when a failed request is sent again.
        timeouts: How long things may take.
        on_unknown: What to do about unsafe requests whose answer was lost.
        listener: Receives a notice for every attempt.
        draw: Returns a number from 0 to 1, for jitter.
    """

    transport: Transport
    connections: Connections
    throttle: Throttle | None
    clock: Clock
    retry: RetryPolicy
    timeouts: Timeouts
    on_unknown: OnUnknown = "reconcile"
    listener: Listener | None = None
    draw: Callable[[], float] = random.random

    async def send(
        self,
        request: Request,
        read: Callable[[Reply], T],
        on_lost: Callable[[], None] | None = None,
    ) -> T:
        """Sends a request and reads its answer.

        Args:
            request: What to send.
            read: Makes a value of a successful reply; raises `UnexpectedReply` if it cannot.
            on_lost: Called after each attempt that may have been applied without our knowing.

        Raises:
            AppcuesError: The last failure, with all earlier ones in `attempts`.
        """
        connections = self.connections
        connections.enter()
        began = self.clock.time()
        try:
            try:
                return await self.attempt(request, read, 1, began=began)
            except AppcuesError as error:
                failure = error
            return await _Repeats(self, request, began, on_lost).go_on(read, failure)
        finally:
            connections.leave()

    def with_options(self, retry: RetryPolicy, timeouts: Timeouts, on_unknown: OnUnknown) -> Sender:
        """Makes a sender with other options on the same connections and throttle."""
        return evolve(
            self,
            transport=self.transport.with_timeouts(timeouts),
            retry=retry,
            timeouts=timeouts,
            on_unknown=on_unknown,
        )

    async def attempt(
        self,
        request: Request,
        read: Callable[[Reply], T],
        number: int,
        *,
        began: float,
        spent: float = 0,
        not_found_is_success: bool = False,
    ) -> T:
        """Waits for a turn, makes one attempt, and tells the throttle what it showed.

        Args:
            request: What to send.
            read: Makes a value of a successful reply.
            number: Which attempt it is, from 1.
            began: When the call began, in seconds of the clock.
            spent: Seconds of the budget that earlier attempts took.
            not_found_is_success: Whether a 404 means that an earlier attempt has done it.

        Raises:
            AppcuesError: It failed; `seconds` says how long that took, with the wait for its turn as
                far as nothing was answered in it.
        """
        endpoint, throttle = request.endpoint, self.throttle
        turn = None
        if throttle is not None and endpoint.server is not Server.EXTERNAL:
            turn = await self._turn(throttle, request, began)
        feedback = SILENT
        started = self.clock.time()
        try:
            if self.connections.closed:
                raise ConnectionFailed(f"{request}: the client was left before its turn came")
            left = None if number == 1 else self.timeouts.budget - spent
            reply = await self.transport.attempt(request, left)
            if self.listener is not None:
                seconds = self.clock.time() - started
                notice = ReplyReceived(
                    endpoint.method,
                    endpoint.route,
                    reply.status,
                    number,
                    seconds,
                    limits_of(reply),
                )
                notify(self.listener, notice)
            feedback = ANSWERED
            if not 200 <= reply.status < 300:
                error = error_of(reply, request)
                # The transfer of a file is not part of the budget, and neither is its attempt.
                taken = 0 if request.is_transfer else self.clock.time() - started
                feedback = self._feedback(error, spent + taken)
                if error is not None and not (not_found_is_success and isinstance(error, NotFound)):
                    raise error
            return read(reply)
        except AppcuesError as error:
            if isinstance(error, ConnectionFailed) and not (error.final or self.connections.closed):
                feedback = Feedback(Signal.DOWN, error=_unsent(error, str(error)))
            error.seconds = self.clock.time() - started + (turn.silence if turn else 0)
            raise
        finally:
            if turn is not None and throttle is not None:
                throttle.feedback(turn, feedback)

    async def _turn(self, throttle: Throttle, request: Request, began: float) -> Turn:
        """Waits for a turn.

        Raises:
            AppcuesError: What keeps the gate closed, or `NoTurn`; the request was not sent.
        """
        lane, timeouts = request.endpoint.lane, self.timeouts
        silence, turn = timeouts.budget, timeouts.turn or math.inf
        if request.retry_through_outage and self.retry.attempts > 1:
            silence, turn = max(silence, self.retry.outage), math.inf
        elif lane is Lane.POLL:
            turn = math.inf
        try:
            return await throttle.acquire(lane, request.size, Patience(began, silence, turn))
        except TurnNotGiven as end:
            waited = f"{request}: not sent: "
            if end.closed_by is not None:
                failure: AppcuesError = _unsent(
                    end.closed_by,
                    f"{waited}nothing was answered for {end.seconds:g} s while it waited for its "
                    f"turn; the last failure was {end.closed_by}",
                )
            else:
                failure = NoTurn(f"{waited}it had no turn within {end.seconds:g} s", final=True)
        raise failure

    def _feedback(self, error: AppcuesError | None, spent: float) -> Feedback:
        if not isinstance(error, Throttled | ServerError):
            return ANSWERED
        signal = Signal.THROTTLED
        if isinstance(error, ServerError):
            signal = Signal.OVERLOADED if error.status == 503 else Signal.DOWN
        asked = error.retry_after
        # A pause that this call will not wait for is not imposed on the others either: the next one
        # finds out for itself.
        left = self.timeouts.budget - spent
        bearable = asked is not None and asked <= min(left, self.retry.max_retry_after)
        return Feedback(signal, asked if bearable else None, _unsent(error, str(error)))


def _unsent(error: AppcuesError, message: str) -> AppcuesError:
    """The same failure, as the reason why another request is not sent."""
    return type(error)(
        message,
        delivery=Delivery.NOT_SENT,
        reply=error.reply,
        problem=error.problem,
        retry_after=error.retry_after,
        final=True,
    )


@define
class _Repeats:
    """The attempts after a first one that failed."""

    sender: Sender
    request: Request
    began: float
    on_lost: Callable[[], None] | None = None
    number: int = 0
    spent: float = 0
    pause: float | None = None
    maybe_applied: bool = False
    failed_at: float = field(init=False)
    history: list[Attempt] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.failed_at = self.sender.clock.time()

    async def go_on(self, read: Callable[[Reply], T], failure: AppcuesError) -> T:
        """Repeats as often as the policy says, beginning with its word on the first failure."""
        first: AppcuesError | None = failure

        async def attempt() -> T:
            nonlocal first
            self.number += 1
            if first is not None:
                error, first = first, None
                raise error
            return await self.sender.attempt(
                self.request,
                read,
                self.number,
                began=self.began,
                spent=self.spent,
                not_found_is_success=self.maybe_applied
                and self.request.endpoint.method == "DELETE",
            )

        # One of its own for each call: a shared one is corrupted by concurrent tasks.
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._may_repeat),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except AppcuesError as error:
            last = self._last(error)
        try:
            raise last
        finally:
            # Or the error and this frame keep each other, and the request's body, alive.
            del last

    def _may_repeat(self, error: BaseException) -> bool:
        # CancelledError passes through here too, and must never be repeated.
        if not isinstance(error, AppcuesError):
            return False
        sender, request = self.sender, self.request
        if not request.is_transfer:
            self.spent += error.seconds
        if error.delivery is Delivery.UNKNOWN:
            self.maybe_applied = True
            if self.on_lost is not None:
                self.on_lost()
        self.pause = self._pause_after(error) if sender.connections.usable else None
        self.history.append(
            Attempt(self.number, short_repr(error), error.status, error.seconds, self.pause)
        )
        notify(
            sender.listener,
            AttemptFailed(
                request.endpoint.method,
                request.endpoint.route,
                self.number,
                type(error).__name__,
                error.status,
                self.pause,
                _reason_of(error, request),
            ),
        )
        return self.pause is not None

    def _pause_after(self, error: AppcuesError) -> float | None:
        sender = self.sender
        resend = sender.on_unknown == "resend"
        may_be_next = partial(
            pause_before_next,
            error,
            repeat=Repeat.SAFE if resend else self.request.endpoint.repeat,
            number=self.number,
            policy=sender.retry,
            draw=sender.draw(),
        )
        pause = may_be_next(left=sender.timeouts.budget - self.spent)
        if pause is None and self.request.retry_through_outage and sender.retry.attempts > 1:
            left = sender.retry.outage - (sender.clock.time() - self.failed_at)
            patient = evolve(sender.retry, attempts=self.number + 1)
            if (pause := may_be_next(left=left, policy=patient)) is not None:
                # The next attempt has all the time that one may take.
                self.spent = 0
        return pause

    def _wait(self, _: RetryCallState) -> float:
        return self.pause or 0

    async def _sleep(self, seconds: float) -> None:
        await sleep_on(self.sender.clock, seconds)
        self.spent += seconds

    def _last(self, error: AppcuesError) -> AppcuesError:
        """The error that the caller sees, with all attempts on it."""
        unsafe = self.request.endpoint.repeat is Repeat.UNSAFE
        if self.maybe_applied and unsafe and not isinstance(error, OutcomeUnknown):
            # Whatever the last attempt met, an earlier one may have been applied.
            error = OutcomeUnknown(f"{error}{UNSETTLED}", reply=error.reply, problem=error.problem)
        elif self.maybe_applied and error.delivery is Delivery.NOT_SENT:
            error.delivery = Delivery.UNKNOWN
        error.attempts = tuple(self.history)
        return error


def short_repr(error: AppcuesError) -> str:
    """The kind of an error and its status."""
    kind = type(error).__name__
    return kind if error.status is None else f"{kind} ({error.status})"


def _reason_of(error: AppcuesError, request: Request) -> str:
    """Says what was wrong, without anything of the request or the answer."""
    match error:
        case ReplyError(status=int() as status):
            return responses.get(status, str(status))
        case ConnectionFailed() | NoTurn() | OutcomeUnknown():
            return str(error).removeprefix(f"{request}: ")
        case _:
            return ""
