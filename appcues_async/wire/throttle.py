"""One account, one pace: who may send when.

`Throttle` is what the sender needs to know; `LocalThrottle` is the one for all clients of an account
on one loop. It is a queue with three things to pass, all under one short timer:

* the gate: a 429 closes it for the whole account, and so does an outage (three connect errors or 5xx
  in a row with no success between). After the pause one probe goes alone; its success opens the gate.
* the pace: turns are spaced out, at a rate that finds the server's (see `pace.py`); first come, first
  served within a lane.
* slots: each lane has its own, so that small calls are not stuck behind uploads, and polls never
  starve. Uploads are bounded by the bytes in flight as well.
"""

from __future__ import annotations

import asyncio
import enum
import random
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from attrs import define, field, frozen

from appcues_async.clock import Clock, SystemClock, Timer
from appcues_async.notices import Notice, PauseBegan, PauseEnded, notify
from appcues_async.settings import Pace, RetryPolicy
from appcues_async.wire.pace import Pacer
from appcues_async.wire.policy import backoff
from appcues_async.wire.request import Lane

__all__ = [
    "ANSWERED",
    "DOWN",
    "SILENT",
    "Feedback",
    "LocalThrottle",
    "Signal",
    "Throttle",
    "Turn",
    "shared_throttle",
]

SLOTS: Final = {Lane.CALL: 64, Lane.POLL: 16, Lane.UPLOAD: 8}
"""Requests in flight at a time, by lane."""
BYTES_IN_FLIGHT: Final = 8 * 200_000_000
"""Bytes of uploads in flight at a time; a larger single one goes alone."""
PROBES: Final = (Lane.CALL, Lane.POLL, Lane.UPLOAD)
"""Which lane a probe is taken from: rather from one whose requests are short."""
OUTAGE: Final = 3
"""Failures in a row, with no success between, that close the gate."""
_PAUSES: Final = RetryPolicy(base=1, cap=60)


class Signal(enum.Enum):
    """What an attempt showed about the server."""

    ANSWERED = "answered"
    """It works, whatever it said."""
    THROTTLED = "429"
    """It asks for fewer requests."""
    DOWN = "outage"
    """It could not be reached, or failed with 5xx."""
    SILENT = "silent"
    """Nothing: the attempt was cancelled or broke on the way."""


@frozen
class Feedback:
    """The end of an attempt, as the throttle needs to know it.

    Attributes:
        signal: What it showed.
        retry_after: Seconds the server asked to wait and that are to be waited, if any.
    """

    signal: Signal
    retry_after: float | None = None


ANSWERED: Final = Feedback(Signal.ANSWERED)
DOWN: Final = Feedback(Signal.DOWN)
SILENT: Final = Feedback(Signal.SILENT)


@frozen(eq=False)
class Turn:
    """A permission to send one request; it ends with `feedback`.

    Attributes:
        lane: Where it came from.
        size: Bytes of the request's body.
    """

    lane: Lane
    size: int


class Throttle(Protocol):
    """Who may send when; implement it to share a pace in other ways."""

    async def acquire(self, lane: Lane, size: int = 0) -> Turn:
        """Waits for a turn to send a body of `size` bytes."""
        ...

    def feedback(self, turn: Turn, feedback: Feedback) -> None:
        """Ends a turn, and says what it showed. Called exactly once a turn."""
        ...

    def hold(self, seconds: float) -> None:
        """Lets no request begin for so long; a hold only ever extends."""
        ...


@define(eq=False)
class _Waiter:
    size: int
    granted: asyncio.Future[Turn] = field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )


@define
class _Lane:
    slots: int
    waiters: deque[_Waiter] = field(factory=deque)


class LocalThrottle:
    """The throttle of one account on one loop."""

    def __init__(
        self,
        pace: Pace | None = None,
        *,
        clock: Clock | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Starts with the gate open.

        Args:
            pace: Requests a second.
            clock: What to measure by.
            draw: Gives a number from 0 to 1, for the jitter of the pauses.
        """
        self._clock = clock or SystemClock()
        self._draw = draw
        self._pace = Pacer(pace or Pace())
        self._lanes = {lane: _Lane(slots) for lane, slots in SLOTS.items()}
        self._order = deque(Lane)
        self._bytes = 0
        self._closed_until: float | None = None
        self._probe: Turn | None = None
        self._pauses = 0
        self._failures = 0
        self._waiting = 0
        self._timer: Timer | None = None
        self._listeners: list[Callable[[Notice], None]] = []

    def listen(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Tells `listener` of pauses from now on; call what is returned to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def acquire(self, lane: Lane, size: int = 0) -> Turn:
        """Waits for a turn; first come, first served within a lane."""
        mine = self._lanes[lane]
        now = self._clock.time()
        if not mine.waiters and self._wait_of(lane, size, now) == 0:
            return self._grant(lane, size, now, waited=False)
        waiter = _Waiter(size)
        mine.waiters.append(waiter)
        self._waiting += 1
        self._serve()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if not waiter.granted.cancelled():
                # The turn came and the task went in the same moment: it is for the next.
                self.feedback(waiter.granted.result(), SILENT)
            elif waiter in mine.waiters:
                mine.waiters.remove(waiter)
                self._serve()
            raise
        finally:
            self._waiting -= 1

    def feedback(self, turn: Turn, feedback: Feedback) -> None:
        """Ends a turn, and closes or opens the gate by what it showed."""
        self._lanes[turn.lane].slots += 1
        if turn.lane is Lane.UPLOAD:
            self._bytes -= turn.size
        probed = turn is self._probe
        if probed:
            self._probe = None
        match feedback.signal:
            case Signal.ANSWERED:
                self._failures = 0
                self._pace.took()
                over = self._closed_until is None or self._clock.time() >= self._closed_until
                if over and (probed or self._closed_until is None):
                    self._open()
            case Signal.THROTTLED:
                self._close(feedback, probed)
            case Signal.DOWN:
                self._failures += 1
                if probed or self._failures >= OUTAGE:
                    self._close(feedback, probed)
            case Signal.SILENT:
                pass
        self._serve()

    def hold(self, seconds: float) -> None:
        """Lets no request begin for so long."""
        self._close_for(seconds, "hold")
        self._serve()

    def _open(self) -> None:
        self._pauses = 0
        if self._closed_until is not None:
            self._closed_until = None
            self._tell(PauseEnded())

    def _close(self, feedback: Feedback, probed: bool) -> None:
        # Requests that were already under way when the gate closed add nothing to its backoff: only
        # the one that closes it, and each probe that fails, do.
        if probed or self._closed_until is None:
            self._pauses += 1
            if feedback.signal is Signal.THROTTLED:
                self._pace.refused(self._clock.time())
        pause = feedback.retry_after
        if pause is None:
            if self._closed_until is not None and not probed:
                return
            pause = backoff(_PAUSES, self._pauses, self._draw())
        self._close_for(pause, feedback.signal.value)

    def _close_for(self, seconds: float, reason: str) -> None:
        until = self._clock.time() + seconds
        if self._closed_until is None or until > self._closed_until:
            self._closed_until = until
            self._tell(PauseBegan(seconds, reason))

    def _wait_of(self, lane: Lane, size: int, now: float) -> float | None:
        """Seconds until a request of this lane may go; None: until some turn ends."""
        if not self._lanes[lane].slots:
            return None
        if lane is Lane.UPLOAD and self._bytes and self._bytes + size > BYTES_IN_FLIGHT:
            return None
        if self._closed_until is not None:
            probe = self._probe
            # An upload may take minutes to show anything: a shorter request is then the probe.
            if probe is not None and (probe.lane is not Lane.UPLOAD or lane is Lane.UPLOAD):
                return None
            if now < self._closed_until:
                return self._closed_until - now
        return max(0.0, self._pace.due() - now)

    def _grant(self, lane: Lane, size: int, now: float, *, waited: bool) -> Turn:
        turn = Turn(lane, size)
        self._lanes[lane].slots -= 1
        if lane is Lane.UPLOAD:
            self._bytes += size
        self._pace.take(now, waited=waited)
        if self._closed_until is not None:
            self._probe = turn
        return turn

    def _serve(self) -> None:
        """Gives out every turn that is due, lanes in turn, and sets the timer for the next."""
        if not self._waiting:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while True:
            now = self._clock.time()
            soonest: float | None = None
            for name in PROBES if self._closed_until is not None else tuple(self._order):
                waiters = self._lanes[name].waiters
                while waiters and waiters[0].granted.cancelled():
                    waiters.popleft()
                if not waiters:
                    continue
                wait = self._wait_of(name, waiters[0].size, now)
                if wait == 0:
                    waiter = waiters.popleft()
                    waiter.granted.set_result(self._grant(name, waiter.size, now, waited=True))
                    self._order.remove(name)
                    self._order.append(name)
                    break
                if wait is not None:
                    soonest = wait if soonest is None else min(soonest, wait)
            else:
                if soonest is not None:
                    self._timer = self._clock.call_later(soonest, self._serve)
                return

    def _tell(self, notice: Notice) -> None:
        for listener in tuple(self._listeners):
            notify(listener, notice)


_shared: WeakKeyDictionary[
    asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, str], LocalThrottle]
] = WeakKeyDictionary()


def shared_throttle(origin: str, account_id: str, pace: Pace | None = None) -> LocalThrottle:
    """The one throttle of an account on the running loop, for as long as somebody holds it.

    Args:
        origin: The server.
        account_id: Whose requests it is for.
        pace: How fast it starts, if it is not there yet.
    """
    of_loop = _shared.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    throttle = of_loop.get((origin, account_id))
    if throttle is None:
        throttle = of_loop[origin, account_id] = LocalThrottle(pace)
    return throttle
