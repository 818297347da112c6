"""One trial: a call, a fault, and what came of it, as the server counts it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from appcues_async import AppcuesClient, ConnectionFailed, PollPolicy, RetryPolicy, Timeouts
from appcues_async.customerio import CustomerIOClient
from appcues_async.recovery.ownership import of_this_process
from appcues_async.sandbox import (
    Amend,
    Answer,
    Close,
    Fault,
    Misstate,
    Raw,
    Reset,
    Sandbox,
    Stall,
    Truncate,
)
from appcues_async.settings import OnUnknown, Pace
from appcues_async.wire.request import Lane
from appcues_async.wire.throttle import LocalThrottle
from appcues_async.wire.turn import PATIENT, Feedback, Patience, Signal, Turn
from tests.conformance.calls import CALLS, LARGE, Caller, settle_in

__all__ = ["Seen", "Servers", "Trial", "as_cell"]

ATTEMPTS: Final = 3
RETRY: Final = RetryPolicy(attempts=ATTEMPTS, base=0.001, cap=0.001)
POLLING: Final = PollPolicy(first=0, low=0.01, high=0.02, grace=1)
SETTLE: Final = 0.1
UNHURRIED: Final = Timeouts(connect=10, idle=10, budget=60, settle=SETTLE)
SOON_OVER: Final = Timeouts(connect=0.5, idle=0.5, budget=60, settle=SETTLE)
"""What a silence is sat out with; a request that nothing is wrong with takes a few milliseconds."""
SOON_OVER_LARGE: Final = Timeouts(connect=3, idle=3, budget=60, settle=SETTLE)
"""The same for an upload, which is taken in by other threads."""
SHORT_BUDGET: Final = Timeouts(budget=0.2, settle=SETTLE)
"""What a gate that stays shut is waited for."""
_KINDS: Final[dict[str, Any]] = {
    "amend": Amend,
    "answer": Answer,
    "close": Close,
    "misstate": Misstate,
    "raw": lambda data, **options: Raw(data.encode(), **options),
    "reset": Reset,
    "stall": Stall,
    "truncate": Truncate,
}
_GATE_SHUT: Final = "gate shut"
_NO_SERVER: Final = {"nobody listens": False, "nobody accepts": True}


@frozen
class Seen:
    """What came of a call: how it ended, and how many requests the server saw and applied."""

    end: str
    requests: int
    applied: int


def as_cell(cell: Sequence[Any]) -> str:
    """A cell of the table in words."""
    end, requests, applied = ("any" if part is None else part for part in cell)
    return f"{end}, {requests} requests, {applied} applied"


@frozen
class Trial:
    """A call under a fault."""

    row: dict[str, Any]
    fault: dict[str, Any]
    on_unknown: OnUnknown
    always: bool
    large: bool = False

    @property
    def name(self) -> str:
        """The call, with what it is given."""
        more = self.row.get("with")
        return f"{self.row['python']}{(more and f', {more}') or ''}"

    @property
    def is_silent(self) -> bool:
        """Whether it takes a timeout to find the fault out."""
        fault = self.fault["fault"]
        return fault["kind"] in {"stall", "nobody accepts"} or fault.get("by", 0) > 0

    def __str__(self) -> str:
        often = "always" if self.always else "once"
        return f"{self.name} on {self.fault['name']!r} {often}, {self.on_unknown}"

    async def run(self, servers: Servers, elsewhere: Sandbox, file: Path) -> Seen:
        """Makes the call and counts.

        Args:
            servers: Where to find a server that nobody else uses.
            elsewhere: Where redirects point.
            file: Where a download goes.
        """
        kind, method = self.fault["fault"]["kind"], self.row["endpoint"].split()[0]
        # What was stalled goes on when the fault ends, and must not do so in another trial.
        async with servers.borrow(once=kind in _NO_SERVER or self.is_silent) as server:
            sandbox = server.sandbox
            job = await settle_in(sandbox, self.name)
            before = len(sandbox.requests)
            held = self._count(sandbox)
            if kind == _GATE_SHUT:
                pass
            elif kind in _NO_SERVER:
                await server.leave(blocked=_NO_SERVER[kind], returns=not self.always)
            else:
                sandbox.faults.add(
                    fault_of(self.fault["fault"], elsewhere.url),
                    method=method,
                    path=_path_of(self.row["endpoint"]),
                    times=None if self.always else 1,
                )
            end = await self._call(server, job, file)
            seen = [one for one in sandbox.requests[before:] if one.method == method]
            applied = sum(request.applied for request in seen)
            made = self._count(sandbox) - held
            if self.row.get("makes") is not None and not self.large:
                # The account itself has the last word on what was applied.
                assert made == applied, f"{self}: {made} made by {applied} requests"
            return Seen(end, len(seen), applied)

    def _count(self, sandbox: Sandbox) -> int:
        makes = self.row.get("makes")
        return 0 if makes is None else len(getattr(sandbox, makes))

    async def _call(self, server: _Server, job: str, file: Path) -> str:
        timeouts = UNHURRIED
        if self.is_silent:
            timeouts = SOON_OVER_LARGE if self.large else SOON_OVER
        if self.fault["fault"]["kind"] == _GATE_SHUT:
            timeouts = SHORT_BUDGET
        options: dict[str, Any] = {
            "retry": RETRY,
            "timeouts": timeouts,
            "throttle": await shut_gate() if timeouts is SHORT_BUDGET else _Turns(server),
        }
        sandbox = server.sandbox
        account, site = sandbox.credentials, sandbox.customerio_credentials
        account["base_url"] = site["base_url"] = server.url
        client = AppcuesClient(**account, **options, polling=POLLING, on_unknown=self.on_unknown)
        cio = CustomerIOClient(**site, **options)
        patience = 0.2 if self.always else 20
        call = (LARGE if self.large else CALLS)[self.name]
        async with cio if self.name.startswith("cio.") else client:
            try:
                await call(Caller(client, cio, job, sandbox, file, patience))
            except ExceptionGroup as group:
                (error,) = group.exceptions
                return type(error).__name__
            except Exception as error:  # noqa: BLE001 - whatever it is, the table says which
                return type(error).__name__
            return "success"


def fault_of(described: dict[str, Any], elsewhere: str) -> Fault:
    """A fault as the table describes it."""
    fields = {name: value for name, value in described.items() if name != "kind"}
    if "headers" in fields:
        fields["headers"] = {
            name: _long(value).replace("ELSEWHERE", f"{elsewhere}/v2/accounts/1/flows")
            for name, value in fields["headers"].items()
        }
    fault: Fault = _KINDS[described["kind"]](**fields)
    return fault


def _long(value: str) -> str:
    match = re.fullmatch(r"(.) \* (\d+)", value)
    return match[1] * int(match[2]) if match else value


def _path_of(endpoint: str) -> str:
    path = endpoint.split()[1].replace("{type}", "pins")
    start = "" if path.startswith("/") else "^/v2/accounts/[^/]+/"
    return start + re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$"


def _bound_to(port: int) -> socket.socket:
    """A socket that keeps a port from other processes, though it may be listened on by ourselves."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    return one


@define
class _Server:
    """A sandbox that can be away for a while, and come back at the same address."""

    sandbox: Sandbox = field(init=False)
    url: str = ""
    _kept: socket.socket | None = None
    _waiting: list[socket.socket] = field(factory=list)
    _returns: bool = False

    async def open(self) -> None:
        self.sandbox = Sandbox(rate_limit=None, customerio_rate_limit=None)
        await self.sandbox.__aenter__()
        self.url = self.sandbox.url

    async def close(self) -> None:
        self._unblock()
        if self._kept is not None:
            self._kept.close()
        await self.sandbox.__aexit__(None, None, None)

    async def leave(self, *, blocked: bool, returns: bool) -> None:
        """Moves to a port that is held for it, where nothing listens or nothing is accepted."""
        self._kept = _bound_to(0)
        host, port = self._kept.getsockname()
        self.url = f"http://{host}:{port}"
        if blocked:
            # Once as many wait as may, the system answers no more of them.
            listening = _bound_to(port)
            listening.listen(0)
            self._waiting.append(listening)
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex((host, port))
                self._waiting.append(one)
            await asyncio.sleep(0.01)
        self._returns = returns

    async def turn(self, number: int) -> None:
        """Comes back for the second request, if it does."""
        if number == 2 and self._returns and self._kept is not None:
            await self.sandbox.__aexit__(None, None, None)
            self._unblock()
            self.sandbox._port = self._kept.getsockname()[1]
            await self.sandbox.__aenter__()

    def _unblock(self) -> None:
        for one in self._waiting:
            one.close()
        self._waiting.clear()


@define
class Servers:
    """Sandboxes, which are used again, since opening one takes longer than most trials."""

    _idle: list[_Server] = field(factory=list)

    @asynccontextmanager
    async def borrow(self, *, once: bool) -> AsyncIterator[_Server]:
        """A server with nothing in it.

        Args:
            once: Nobody shall have it afterwards.
        """
        if once or not self._idle:
            server = _Server()
            await server.open()
        else:
            server = self._idle.pop()
        try:
            yield server
        finally:
            server.sandbox.reset()
            # It is another account now, whose requests are not those of the last one.
            of_this_process.forget(server.sandbox.url, server.sandbox.credentials["account_id"])
            if once:
                await server.close()
            else:
                self._idle.append(server)

    async def close(self) -> None:
        """Closes those that are left."""
        for server in self._idle:
            await server.close()


async def shut_gate() -> LocalThrottle:
    """A throttle that an outage has shut for a second, which is longer than anyone waits here."""
    throttle = LocalThrottle(Pace(1e6), draw=lambda: 1.0)
    failed = Feedback(Signal.DOWN, error=ConnectionFailed("no connection"))
    for _ in range(3):
        throttle.feedback(await throttle.acquire(Lane.CALL), failed)
    return throttle


@define
class _Turns:
    """Gives every turn at once, and tells the server of it first."""

    server: _Server
    number: int = 0

    async def acquire(self, lane: Lane, size: int = 0, patience: Patience = PATIENT) -> Turn:
        self.number += 1
        await self.server.turn(self.number)
        return Turn(lane, size)

    def feedback(self, turn: Turn, feedback: Feedback) -> None:
        pass

    def hold(self, seconds: float) -> None:
        pass
