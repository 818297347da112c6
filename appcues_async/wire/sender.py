"""A request until it is answered: a turn at the throttle, an attempt, and the policy's word on more.

The first attempt is made bare. Only when it fails does tenacity come in, and drives what is left: a
call that succeeds at once pays nothing for the retries that it did not need.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from attrs import define, evolve, field
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import (
    AppcuesError,
    Attempt,
    ConnectionFailed,
    Delivery,
    NotFound,
    OutcomeUnknown,
    ServerError,
    Throttled,
)
from appcues_async.notices import AttemptFailed, Listener, ReplyReceived, notify
from appcues_async.settings import OnUnknown, RetryPolicy, Timeouts
from appcues_async.wire.policy import pause_before_next
from appcues_async.wire.reply import Reply, error_of
from appcues_async.wire.request import Repeat, Request, Server
from appcues_async.wire.session import Connections
from appcues_async.wire.throttle import Feedback, Signal, Throttle, Turn
from appcues_async.wire.transport import Transport

__all__ = ["Sender"]

T = TypeVar("T")


@define(kw_only=True)
class Sender:
    """Sends requests until they are answered, or until the policy says that it is enough.

    Attributes:
        transport: Makes one attempt.
        connections: Counts what is in flight.
        throttle: Gives turns; None for none.
        clock: What to measure and sleep by.
        retry: How often and how long.
        timeouts: How long in all.
        on_unknown: What to do about unsafe requests whose answer was lost.
        listener: Is told of every attempt.
        draw: Gives a number from 0 to 1, for jitter.
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

    async def send(self, request: Request, read: Callable[[Reply], T]) -> T:
        """Sends a request and reads its answer.

        Args:
            request: What to send.
            read: Makes a value of a successful reply; raises `UnexpectedReply` if it cannot.

        Raises:
            AppcuesError: The last failure, with all earlier ones in `attempts`.
        """
        with self.connections.call():
            run = _Run(self, request)
            try:
                return await run.attempt(read)
            except AppcuesError as error:
                failure = error
            return await run.go_on(read, failure)

    def with_options(self, retry: RetryPolicy, timeouts: Timeouts, on_unknown: OnUnknown) -> Sender:
        """Makes a sender with other options on the same connections and throttle."""
        return evolve(
            self,
            transport=self.transport.with_timeouts(timeouts),
            retry=retry,
            timeouts=timeouts,
            on_unknown=on_unknown,
        )

    async def turn(self, request: Request) -> Turn | None:
        """Waits for the throttle."""
        if self.throttle is None or request.endpoint.server is Server.OUTSIDE:
            return None
        return await self.throttle.acquire(request.endpoint.lane, request.size)

    def end_turn(self, turn: Turn | None, feedback: Feedback) -> None:
        """Gives the turn back."""
        if self.throttle is not None and turn is not None:
            self.throttle.feedback(turn, feedback)


@define
class _Run:
    """One request on its way through its attempts."""

    sender: Sender
    request: Request
    number: int = 0
    spent: float = 0
    pause: float | None = None
    maybe_applied: bool = False
    history: list[Attempt] = field(factory=list)

    async def attempt(self, read: Callable[[Reply], T]) -> T:
        sender, request = self.sender, self.request
        turn = await sender.turn(request)
        self.number += 1
        signal = Feedback(Signal.SILENT)
        started = sender.clock.time()
        try:
            left = None if self.number == 1 else sender.timeouts.budget - self.spent
            reply = await sender.transport.attempt(request, left)
            seconds = sender.clock.time() - started
            error = error_of(reply, request)
            signal = self._feedback(error)
            if sender.listener is not None:
                notice = ReplyReceived(
                    request.endpoint.method,
                    request.endpoint.route,
                    reply.status,
                    self.number,
                    seconds,
                )
                notify(sender.listener, notice)
            if error is not None and not self._already_gone(error):
                raise error
            return read(reply)
        except ConnectionFailed:
            signal = Feedback(Signal.DOWN)
            raise
        finally:
            if not request.is_transfer:
                self.spent += sender.clock.time() - started
            sender.end_turn(turn, signal)

    async def go_on(self, read: Callable[[Reply], T], failure: AppcuesError) -> T:
        """Repeats as far as the policy lets it, beginning with its word on the first failure."""
        first: AppcuesError | None = failure

        async def attempt() -> T:
            nonlocal first
            if first is not None:
                error, first = first, None
                raise error
            return await self.attempt(read)

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
        raise last

    def _may_repeat(self, error: BaseException) -> bool:
        # CancelledError passes through here too, and must never be repeated.
        if not isinstance(error, AppcuesError):
            return False
        sender, request = self.sender, self.request
        if error.delivery is Delivery.UNKNOWN:
            self.maybe_applied = True
        safe = request.endpoint.repeat is Repeat.SAFE or sender.on_unknown == "resend"
        self.pause = (
            pause_before_next(
                error,
                repeat=Repeat.SAFE if safe else Repeat.UNSAFE,
                number=self.number,
                left=sender.timeouts.budget - self.spent,
                policy=sender.retry,
                draw=sender.draw(),
            )
            if sender.connections.usable
            else None
        )
        self.history.append(Attempt(self.number, _in_short(error), error.status, delay=self.pause))
        notify(
            sender.listener,
            AttemptFailed(
                request.endpoint.method,
                request.endpoint.route,
                self.number,
                type(error).__name__,
                error.status,
                self.pause,
            ),
        )
        return self.pause is not None

    def _wait(self, _: RetryCallState) -> float:
        return self.pause or 0

    async def _sleep(self, seconds: float) -> None:
        await sleep_on(self.sender.clock, seconds)
        self.spent += seconds

    def _feedback(self, error: AppcuesError | None) -> Feedback:
        if isinstance(error, Throttled):
            asked = error.retry_after
            # A pause that this call will not wait for is not imposed on the others either: the
            # next one finds out for itself.
            left = self.sender.timeouts.budget - self.spent
            bearable = asked is not None and asked <= min(left, self.sender.retry.max_retry_after)
            return Feedback(Signal.THROTTLED, asked if bearable else None)
        return Feedback(Signal.DOWN if isinstance(error, ServerError) else Signal.ANSWERED)

    def _already_gone(self, error: AppcuesError) -> bool:
        """Whether an earlier attempt of this DELETE has done what this one was to do."""
        return (
            isinstance(error, NotFound)
            and self.maybe_applied
            and self.request.endpoint.method == "DELETE"
        )

    def _last(self, error: AppcuesError) -> AppcuesError:
        """The error that the caller sees, with the story of all attempts on it."""
        unsafe = self.request.endpoint.repeat is Repeat.UNSAFE
        if self.maybe_applied and unsafe and not isinstance(error, OutcomeUnknown):
            # Whatever the last attempt met, an earlier one may have been applied.
            error = OutcomeUnknown(
                f"{error}; nothing says whether it was applied",
                reply=error.reply,
                problem=error.problem,
            )
        error.attempts = tuple(self.history)
        return error


def _in_short(error: AppcuesError) -> str:
    kind = type(error).__name__
    return kind if error.status is None else f"{kind} ({error.status})"
