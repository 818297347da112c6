"""What a client holds while it is open: a sender, and the connections and the throttle under it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from appcues_async.clock import Clock, SystemClock
from appcues_async.notices import Listener, Notice, notify
from appcues_async.settings import OnUnknown, Pace, RetryPolicy, Timeouts
from appcues_async.wire.connections import Connections
from appcues_async.wire.sender import Sender
from appcues_async.wire.throttle import LocalThrottle, Throttle, shared_throttle
from appcues_async.wire.transport import Address, Transport

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Opened", "Shared", "ThrottleChoice", "open_wire"]

GRACE: Final = 5.0
"""Seconds that calls in flight have to end when the client is left."""


class Shared(enum.Enum):
    """Says that the account's shared throttle is meant, where None means none."""

    ACCOUNT = "the account's shared throttle"


ThrottleChoice: TypeAlias = Throttle | Pace | Literal[Shared.ACCOUNT] | None
"""The account's throttle, one of the client's own, or none."""


class Opened:
    """An open way to a server.

    Attributes:
        sender: Sends.
    """

    def __init__(self, sender: Sender, unlisten: Callable[[], None]) -> None:
        """Is made by `open_wire`.

        Args:
            sender: Sends.
            unlisten: Ends what the throttle tells.
        """
        self.sender = sender
        self._unlisten = unlisten

    async def close(self) -> None:
        """Lets calls in flight end, for 5 seconds, and closes the connections."""
        # Shielded, so that a client that is left by a cancellation still closes its connections.
        try:
            await asyncio.shield(self.sender.connections.close(GRACE))
        finally:
            self._unlisten()


def open_wire(
    address: Address,
    *,
    throttle: ThrottleChoice,
    pace: Pace,
    timeouts: Timeouts,
    retry: RetryPolicy,
    session: ClientSession | None,
    listener: Listener | None,
    clock: Clock | None,
    on_unknown: OnUnknown = "reconcile",
) -> Opened:
    """Opens connections on the running loop.

    Args:
        address: Where requests go, and as whom.
        throttle: Who may send when.
        pace: How fast a throttle starts that is made here.
        timeouts: How long things may take.
        retry: How often and when a failed request is sent again.
        session: The caller's own session, if it is to be used.
        listener: Is told of everything.
        clock: What to measure and sleep by, for tests; a throttle on it is not shared.
        on_unknown: What to do when nothing says whether an unsafe request was applied.
    """
    gives_turns: Throttle | None
    if isinstance(throttle, Pace):
        gives_turns = LocalThrottle(throttle, clock=clock)
    elif throttle is not Shared.ACCOUNT:
        gives_turns = throttle
    elif clock is not None:
        gives_turns = LocalThrottle(pace, clock=clock)
    else:
        gives_turns = shared_throttle(address.origin, address.account_id, pace)
    connections = Connections(timeouts, session)
    transport = Transport(connections, address, timeouts, listener)
    connections.open()
    sender = Sender(
        transport=transport,
        connections=connections,
        throttle=gives_turns,
        clock=clock or SystemClock(),
        retry=retry,
        timeouts=timeouts,
        on_unknown=on_unknown,
        listener=listener,
    )
    return Opened(sender, _tell_of_pauses(gives_turns, listener))


def _tell_of_pauses(throttle: Throttle | None, listener: Listener | None) -> Callable[[], None]:
    if listener is None or not isinstance(throttle, LocalThrottle):
        return lambda: None

    def tell(notice: Notice) -> None:
        notify(listener, notice)

    return throttle.listen(tell)
