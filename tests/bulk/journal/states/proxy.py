"""A proxy before the server: it can hold an upload back, or lose it while others start a job."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import define, field

from appcues_async.sandbox import Sandbox
from tests.bulk.journal.states.processes import IDLE
from tests.bulk.journal.states.times import CountedHold, LeapClock

__all__ = ["Proxy"]

Order: TypeAlias = Callable[[], Awaitable[bool]]
"""What is done before an upload is passed on; says whether it is."""


@define(eq=False)
class Proxy:
    """Passes on whole requests, whatever becomes of whoever has sent them."""

    sandbox: Sandbox
    clock: LeapClock
    url: str = ""
    _orders: deque[Order] = field(factory=deque)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def hold(self, seconds: float) -> None:
        """Holds the next upload back, for longer than its sender waits."""

        async def held() -> bool:
            released = asyncio.Event()
            CountedHold.standing += 1
            begun = self.clock.time()
            await asyncio.sleep(IDLE + 0.15)
            self.clock.call_later(begun + seconds - self.clock.time(), released.set)
            CountedHold.standing -= 1
            await released.wait()
            return True

        self._orders.append(held)

    def lose(self, meanwhile: Callable[[], None]) -> None:
        """Loses the next upload."""

        async def lost() -> bool:
            meanwhile()
            return False

        self._orders.append(lost)

    def clear(self) -> None:
        """Has nothing to do any more but to pass on."""
        self._orders.clear()

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        host, _, port = self.sandbox.url.removeprefix("http://").partition(":")
        server, requests = await asyncio.open_connection(host, int(port))
        answered = asyncio.Event()
        copying = asyncio.create_task(_copy(server, answers, answered))
        try:
            while (request := await _request_of(client)) is not None:
                order = self._orders.popleft() if self._orders and _is_upload(request) else None
                if order is not None and not await order():
                    break
                answered.clear()
                requests.write(request)
                if order is not None:
                    CountedHold.standing += 1
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(answered.wait(), 2)
                    CountedHold.standing -= 1
        except ConnectionError:
            pass
        finally:
            requests.close()
            answers.close()
            copying.cancel()


async def _copy(
    server: asyncio.StreamReader, answers: asyncio.StreamWriter, answered: asyncio.Event
) -> None:
    try:
        while data := await server.read(1 << 16):
            answered.set()
            answers.write(data)
    except ConnectionError:
        pass
    answered.set()
    answers.close()


async def _request_of(client: asyncio.StreamReader) -> bytes | None:
    try:
        head = await client.readuntil(b"\r\n\r\n")
        size = 0
        for line in head.lower().split(b"\r\n"):
            assert not line.startswith(b"transfer-encoding"), "only bodies of a known size"
            if line.startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        return head + await client.readexactly(size)
    except asyncio.IncompleteReadError:
        return None


def _is_upload(request: bytes) -> bool:
    return request.startswith(b"POST ") and b"/import/" in request.partition(b"\r\n")[0]
