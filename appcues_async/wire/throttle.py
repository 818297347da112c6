"""One account, one pace: who may send when.

`LocalThrottle` is the `Throttle` (see `turn.py`) for all clients of an account
on one loop. It is a queue with three things to pass, all under one short timer:

* the gate: a refusal (429, or 503 among answers that succeed) closes it for the whole account, for a
  turn or a few; so does an outage (three failures in a row with no success between), for up to 10
  seconds. After the pause one probe goes alone; its success opens the gate.
* the pace: turns are spaced out, at a rate that finds the server's (see `pace.py`); first come, first
  served within a lane.
* slots: each lane has its own, so that small calls are not stuck behind uploads, and polls never
  starve. Uploads are bounded by the bytes in flight as well.

A request waits for as long as the server answers others, and no longer than its `Patience` without.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from attrs import define, field

from appcues_async.clock import Clock, SystemClock, Timer
from appcues_async.errors import AppcuesError
from appcues_async.notices import Gauges, Notice, PauseBegan, PauseEnded, notify
from appcues_async.settings import Pace, RetryPolicy
from appcues_async.wire.pace import Pacer
from appcues_async.wire.policy import backoff
from appcues_async.wire.request import Lane
from appcues_async.wire.turn import PATIENT, SILENT, Feedback, Patience, Signal, Turn, TurnNotGiven

__all__ = ["LocalThrottle", "shared_throttle"]

SLOTS: Final = {Lane.CALL: 64, Lane.POLL: 16, Lane.UPLOAD: 8}
"""Requests in flight at a time, by lane."""
BYTES_IN_FLIGHT: Final = 8 * 200_000_000
"""Bytes of uploads in flight at a time; a larger single one goes alone."""
PROBES: Final = (Lane.CALL, Lane.POLL, Lane.UPLOAD)
"""Which lane a probe is taken from: rather from one whose requests are short."""
OUTAGE: Final = 3
"""Failures in a row, with no success between, that close the gate."""
_OUTAGE_PAUSES: Final = RetryPolicy(base=1, cap=10)
_LIMIT_CAP: Final = 60.0
"""The longest pause after a refusal, in seconds."""
_OPEN: Final = "open"


@define(eq=False)
class _Waiter:
    size: int
    patience: Patience
    queued_at: float
    granted: asyncio.Future[Turn] = field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )
    bell: Timer | None = None


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
        self._waiting = 0
        self._in_flight = 0
        self._timer: Timer | None = None
        self._listeners: list[Callable[[Notice], None]] = []
        # The gate.
        self._closed_until: float | None = None
        self._reason = _OPEN
        self._closed_by: AppcuesError | None = None
        self._probe: Turn | None = None
        self._pauses = 0
        self._turn = 0.0
        # What the server has said.
        self._answered_at = -math.inf
        self._failures = 0
        self._overloaded = False

    @property
    def gauges(self) -> Gauges:
        """Who waits, who is under way, and at what pace, right now."""
        return Gauges(
            waiting=self._waiting,
            in_flight=self._in_flight,
            pace=round(self._pace.rate, 2),
            gate=self._reason,
        )

    def listen(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Tells `listener` of pauses from now on; call what is returned to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def acquire(self, lane: Lane, size: int = 0, patience: Patience = PATIENT) -> Turn:
        """Waits for a turn; first come, first served within a lane.

        Raises:
            TurnNotGiven: The patience is over.
        """
        mine = self._lanes[lane]
        now = self._clock.time()
        if not mine.waiters and self._wait_of(lane, size, now) == 0:
            return self._grant(lane, size, now)
        waiter = _Waiter(size, patience, now)
        mine.waiters.append(waiter)
        self._waiting += 1
        self._serve()
        self._watch(waiter)
        try:
            return await waiter.granted
        except (asyncio.CancelledError, TurnNotGiven):
            granted = waiter.granted
            if not granted.cancelled() and granted.exception() is None:
                # The turn came and the task went in the same moment: it is for the next.
                self.feedback(granted.result(), SILENT)
            elif waiter in mine.waiters:
                mine.waiters.remove(waiter)
                self._serve()
            raise
        finally:
            self._waiting -= 1
            if waiter.bell is not None:
                waiter.bell.cancel()

    def feedback(self, turn: Turn, feedback: Feedback) -> None:
        """Ends a turn, and closes or opens the gate by what it showed."""
        self._lanes[turn.lane].slots += 1
        self._in_flight -= 1
        if turn.lane is Lane.UPLOAD:
            self._bytes -= turn.size
        probed = turn is self._probe
        if probed:
            self._probe = None
        match feedback.signal:
            case Signal.ANSWERED:
                self._answered(probed)
            case Signal.THROTTLED:
                if self._is_limit(probed) or feedback.retry_after is not None:
                    self._close(feedback, probed)
            case Signal.OVERLOADED | Signal.DOWN:
                self._failures += 1
                self._overloaded = feedback.signal is Signal.OVERLOADED
                if probed or self._overloaded or self._failures >= OUTAGE:
                    self._close(feedback, probed)
            case Signal.SILENT:
                pass
        self._serve()

    def hold(self, seconds: float) -> None:
        """Lets no request begin for so long."""
        self._close_for(seconds, "hold")
        self._serve()

    def _answered(self, probed: bool) -> None:
        now = self._clock.time()
        self._answered_at = now
        if self._overloaded and self._failures < OUTAGE:
            # A 503 among answers that succeed was a limit; with none between, it was an outage.
            self._pace.refused(now)
        self._failures, self._overloaded = 0, False
        self._pace.took()
        over = self._closed_until is None or now >= self._closed_until
        if over and (probed or self._closed_until is None):
            self._open()

    def _is_limit(self, probed: bool) -> bool:
        # Requests that were already under way when the gate closed say nothing new.
        if self._closed_until is not None and not probed:
            return False
        return self._pace.refused(self._clock.time(), again=probed)

    def _open(self) -> None:
        self._pauses = 0
        self._closed_by = None
        if self._closed_until is not None:
            self._closed_until, self._reason = None, _OPEN
            self._tell(PauseEnded(self.gauges))

    def _close(self, feedback: Feedback, probed: bool) -> None:
        outage = self._failures >= OUTAGE or feedback.signal is Signal.DOWN
        # Requests that were already under way when the gate closed add nothing to its backoff: only
        # the one that closes it, and each probe that fails, do.
        if probed or self._closed_until is None:
            self._pauses += 1
            self._closed_by = feedback.error
            if self._pauses == 1:
                self._turn = 1 / self._pace.rate
        elif outage or feedback.retry_after is None:
            return
        reason = (Signal.DOWN if outage else feedback.signal).value
        if outage:
            pause = backoff(_OUTAGE_PAUSES, self._pauses, self._draw())
        elif feedback.retry_after is not None:
            pause = feedback.retry_after
        else:
            # A limit that lets no bursts through needs a turn left out, and loses by each one more.
            turns = RetryPolicy(base=2 * self._turn, cap=_LIMIT_CAP)
            pause = self._turn + backoff(turns, self._pauses, self._draw())
        self._close_for(pause, reason)

    def _close_for(self, seconds: float, reason: str) -> None:
        until = self._clock.time() + seconds
        if self._closed_until is None or until > self._closed_until:
            self._closed_until, self._reason = until, reason
            self._tell(PauseBegan(seconds, reason, self.gauges))

    def _watch(self, waiter: _Waiter) -> None:
        """Ends the wait of a request whose patience is over, and looks again when it may be."""
        if waiter.granted.done():
            return
        patience, now = waiter.patience, self._clock.time()
        turn_over = waiter.queued_at + patience.turn
        silence_over = max(patience.since, self._answered_at) + patience.silence
        if silence_over <= now:
            waiter.granted.set_exception(TurnNotGiven(patience.silence, self._closed_by))
        elif turn_over <= now:
            waiter.granted.set_exception(TurnNotGiven(patience.turn))
        elif math.isfinite(left := min(turn_over, silence_over) - now):
            waiter.bell = self._clock.call_later(left, partial(self._watch, waiter))

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

    def _grant(self, lane: Lane, size: int, now: float, silence: float | None = None) -> Turn:
        turn = Turn(lane, size, silence or 0.0)
        self._lanes[lane].slots -= 1
        self._in_flight += 1
        if lane is Lane.UPLOAD:
            self._bytes += size
        self._pace.take(now, waited=silence is not None)
        if self._closed_until is not None:
            self._probe = turn
        return turn

    def _serve(self) -> None:
        """Grants every turn that is due, lanes in rotation, and sets the timer for the next."""
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
                while waiters and waiters[0].granted.done():
                    waiters.popleft()
                if not waiters:
                    continue
                wait = self._wait_of(name, waiters[0].size, now)
                if wait == 0:
                    waiter = waiters.popleft()
                    silence = now - max(waiter.queued_at, self._answered_at)
                    turn = self._grant(name, waiter.size, now, silence)
                    waiter.granted.set_result(turn)
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
