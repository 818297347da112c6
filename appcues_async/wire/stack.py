"""The parts that a client holds while it is open: a sender over connections and a throttle."""

from __future__ import annotations

import asyncio
import enum
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, Literal, NoReturn, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from appcues_async.clock import Clock, SystemClock
from appcues_async.errors import InvalidInput
from appcues_async.logs import listen_and_log, log_as_environment_says
from appcues_async.notices import Gauges, Listener, Notice, notify
from appcues_async.settings import (
    OnUnknown,
    Pace,
    PollPolicy,
    Proxy,
    RetryPolicy,
    Timeouts,
    is_loopback,
)
from appcues_async.wire.connections import NOT_OPEN, Connections
from appcues_async.wire.sender import Sender
from appcues_async.wire.throttle import LocalThrottle, shared_throttle
from appcues_async.wire.transport import Address, HttpTransport
from appcues_async.wire.turn import Throttle

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Openable", "Opened", "Shared", "ThrottleChoice", "check_options", "open_wire"]

GRACE: Final = 5.0
"""Seconds that calls in flight have to end when the client is left."""


class Shared(enum.Enum):
    """Says that the account's shared throttle is meant, where None means none."""

    ACCOUNT = "the account's shared throttle"


ThrottleChoice: TypeAlias = Throttle | Pace | Literal[Shared.ACCOUNT] | None
"""The account's throttle, one of the client's own, or none."""


class Opened:
    """The parts of an open client.

    Attributes:
        sender: Sends requests.
    """

    def __init__(self, sender: Sender, unlisten: Callable[[], None]) -> None:
        self.sender = sender
        self._unlisten = unlisten

    async def close(self) -> None:
        """Gives calls in flight 5 seconds to end, and closes the connections."""
        # Shielded, so that a client that is left by a cancellation still closes its connections.
        try:
            await asyncio.shield(self.sender.connections.close(GRACE))
        finally:
            self._unlisten()


H = TypeVar("H", bound=Opened)


class Openable(ABC, Generic[H]):
    """A client, which is used while it is open, on the event loop and in the process that opened it.

    Its annotations name the resources that opening makes.
    """

    _opened: H | None = None
    _derived: bool = False

    @abstractmethod
    def _open_wire(self) -> H:
        """Makes what the open client holds, and its resources."""

    async def open(self) -> Self:
        """Opens the client on the running event loop, until `aclose`; `async with` does both.

        Raises:
            RuntimeError: It is open already.
            InvalidInput: `APPCUES_LOG` is neither debug nor info.
        """
        if self._opened is not None:
            raise RuntimeError("the client is open already; close it before it is opened again")
        log_as_environment_says()
        self._opened = self._open_wire()
        return self

    async def aclose(self) -> None:
        """Closes the client, after calls in flight have had 5 seconds to end; may be repeated.

        Raises:
            RuntimeError: It was opened on another event loop or in another process, or is one that
                `with_options` has made, which is closed with the client that it was made of.
        """
        if self._derived:
            raise RuntimeError("this client is closed with the one whose `with_options` made it")
        if self._opened is not None:
            self._opened.sender.connections.check()
            opened, self._opened = self._opened, None
            await opened.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __enter__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is asynchronous: use `async with`, not `with`")

    def __exit__(self, *_: object) -> None:
        """Exists only so that `with` gets as far as the message above."""

    @property
    def gauges(self) -> Gauges | None:
        """The state of the throttle right now; None without one, or with one of the caller's own.

        Raises:
            RuntimeError: The client is not open, or not here.
        """
        throttle = self._hold().sender.throttle
        return throttle.gauges if isinstance(throttle, LocalThrottle) else None

    @property
    def _is_open(self) -> bool:
        return self._opened is not None and self._opened.sender.connections.usable

    def _hold(self) -> H:
        """Returns the parts of the open client.

        Raises:
            RuntimeError: It is not open, or not here.
        """
        if self._opened is None:
            raise RuntimeError(NOT_OPEN)
        self._opened.sender.connections.check()
        return self._opened

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            # Only what is not there is looked up here: a resource before the client was opened.
            if any(name in inspect.get_annotations(cls) for cls in type(self).__mro__):
                raise RuntimeError(NOT_OPEN)
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )


def check_options(
    *,
    timeouts: object = None,
    retry: object = None,
    polling: object = None,
    throttle: object = None,
    session: object = None,
    proxy: object = None,
    on_notice: object = None,
) -> None:
    """Makes sure that options are of their types; None is always right.

    Raises:
        InvalidInput: One is not.
    """
    rules = (
        ("timeouts", timeouts, Timeouts, "a Timeouts, such as Timeouts(budget=30)"),
        ("retry", retry, RetryPolicy, "a RetryPolicy, such as RetryPolicy(attempts=3)"),
        ("polling", polling, PollPolicy, "a PollPolicy, such as PollPolicy(high=60)"),
        ("proxy", proxy, str, "an address, such as 'http://host:3128', or 'env'"),
    )
    for name, value, kind, rule in rules:
        if value is not None and not isinstance(value, kind):
            raise InvalidInput(f"{name} is {value!r}; it must be {rule}")
    parts = ("acquire", "feedback", "hold")
    if not (
        throttle is None
        or isinstance(throttle, Shared | Pace)
        or all(callable(getattr(throttle, part, None)) for part in parts)
    ):
        rule = "a Pace, such as Pace(30), a Throttle or None"
        raise InvalidInput(f"throttle is {throttle!r}; it must be {rule}")
    if session is not None and not callable(getattr(session, "request", None)):
        raise InvalidInput(f"session is {session!r}; it must be an aiohttp.ClientSession")
    if session is not None and proxy is not None:
        raise InvalidInput("session and proxy are both given; give the proxy to the session")
    if on_notice is not None and not callable(on_notice):
        raise InvalidInput(f"on_notice is {on_notice!r}; it must be a function of one notice")


def open_wire(
    address: Address,
    *,
    throttle: ThrottleChoice,
    pace: Pace,
    timeouts: Timeouts,
    retry: RetryPolicy,
    session: ClientSession | None,
    proxy: Proxy | None,
    listener: Listener | None,
    clock: Clock | None,
    on_unknown: OnUnknown = "reconcile",
) -> Opened:
    """Opens connections on the running loop.

    Args:
        address: Where requests go, and as whom.
        throttle: Limits the rate.
        pace: How fast a throttle starts that is made here.
        timeouts: How long things may take.
        retry: How often and when a failed request is sent again.
        session: The caller's own session, if it is to be used.
        proxy: Leads everything through it, if given.
        listener: Receives every notice.
        clock: Measures time and sleeps, for tests; a throttle on it is not shared.
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
    here = is_loopback(urlsplit(address.origin).hostname or "")
    connections = Connections(timeouts, session, proxy, links_to_loopback=here)
    # What only a progress bar needs is made only for a listener of the caller's own.
    transport = HttpTransport(connections, address, timeouts, listener)
    heard = listen_and_log(listener)
    connections.open()
    sender = Sender(
        transport=transport,
        connections=connections,
        throttle=gives_turns,
        clock=clock or SystemClock(),
        retry=retry,
        timeouts=timeouts,
        on_unknown=on_unknown,
        listener=heard,
    )
    return Opened(sender, _tell_of_pauses(gives_turns, heard))


def _tell_of_pauses(throttle: Throttle | None, listener: Listener) -> Callable[[], None]:
    if not isinstance(throttle, LocalThrottle):
        return lambda: None

    def tell(notice: Notice) -> None:
        notify(listener, notice)

    return throttle.listen(tell)
