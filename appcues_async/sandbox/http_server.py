"""The HTTP server: accepts connections, numbers them, and dispatches their requests."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Final

import aiohttp
from aiohttp import web

from appcues_async.sandbox.bodies import Inbound
from appcues_async.sandbox.call import Call
from appcues_async.sandbox.control import Control
from appcues_async.sandbox.faults import Faults
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.request_log import OpenEntry, RequestLog
from appcues_async.sandbox.responder import Responder
from appcues_async.sandbox.service import Service
from appcues_async.sandbox.state import State

__all__ = ["HttpServer"]

#: Settled at once up to so many rows; above that, in a thread.
_SETTLE_AT_ONCE: Final = 5_000
_READ_BUFFER: Final = 1 << 18
_BACKLOG: Final = 512
#: Seconds after which it tries to accept again, when the process had no descriptor left.
_ACCEPT_AGAIN: Final = 0.05


class _Connections(web.Server):
    """aiohttp's server for requests, with a number for every connection."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        lost: Callable[[int], None],
    ) -> None:
        super().__init__(handle, access_log=None, auto_decompress=False, read_bufsize=_READ_BUFFER)
        self._lost = lost
        self._next = itertools.count(1)
        self._numbers: dict[web.RequestHandler, int] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._numbers[handler] = next(self._next)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self._lost(self._numbers.pop(handler, 0))

    def number(self, handler: web.RequestHandler) -> int:
        """Returns the number of a connection; 0 where it was lost before its request was read."""
        return self._numbers.get(handler, 0)


class HttpServer:
    """Serves HTTP on a loopback address of the running loop.

    Args:
        state: What the account holds.
        service: What answers.
        faults: What goes wrong instead.
        log: Where requests are written down.
        control: What answers under `/_sandbox/`.
        workers: Threads for what takes long.
    """

    def __init__(
        self,
        *,
        state: State,
        service: Service,
        faults: Faults,
        log: RequestLog,
        control: Control,
        workers: Executor,
    ) -> None:
        self._state = state
        self._service = service
        self._faults = faults
        self._log = log
        self._control = control
        self._workers = workers
        self._connections = _Connections(self._handle, self._lose)
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._closing = False
        self._handlers: set[asyncio.Task[Any]] = set()
        self._open: dict[int, tuple[OpenEntry, Inbound]] = {}
        self._settling = asyncio.Lock()

    async def open(self, host: str, port: int) -> int:
        """Starts to listen.

        Returns:
            The port.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        listening.setblocking(False)
        self._listening = listening
        self._accepting = asyncio.create_task(self._accept(listening), name="sandbox accepts")
        address: tuple[Any, ...] = listening.getsockname()
        return int(address[1])

    async def close(self) -> None:
        """Closes all connections at once, and cancels what still runs."""
        await self._stop_accepting()
        handlers = [task for task in self._handlers if not task.done()]
        for task in handlers:
            task.cancel()
        if handlers:
            await asyncio.wait(handlers)
        for connection in self._connections.connections:
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()
        # Zero seconds would be no limit at all.
        await self._connections.shutdown(0.001)

    async def _accept(self, listening: socket.socket) -> None:
        # asyncio's own server drops a connection with a traceback if it is closed in between.
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:
                # A caller that has gone, or no descriptor is free: others may be soon.
                await asyncio.sleep(_ACCEPT_AGAIN)
                continue
            if self._closing:
                connection.close()
                return
            try:
                await loop.connect_accepted_socket(self._connections, connection)
            except OSError:
                connection.close()

    async def _stop_accepting(self) -> None:
        if self._listening is None or self._accepting is None:
            return
        self._closing = True
        # Cancelling could lose a connection that was just accepted; one more ends the waiting.
        with self._listening:
            try:
                knock = socket.socket(self._listening.family)
            except OSError:
                # No descriptor is free for that, so none was accepted either.
                self._accepting.cancel()
                await asyncio.wait([self._accepting])
                return
            with knock:
                knock.setblocking(False)
                knock.connect_ex(self._listening.getsockname())
                await asyncio.wait([self._accepting])

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is not None:
            self._handlers.add(task)
        try:
            path, _, query = request.raw_path.partition("?")
            if Control.owns(request.method, path):
                await self._settle()
                return await self._control.answer(request, path)
            return await self._serve(request, path, query)
        finally:
            if task is not None:
                self._handlers.discard(task)

    async def _serve(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        connection = self._connections.number(request.protocol)
        entry = self._log.open(
            method=request.method,
            path=path,
            query=query,
            headers=request.headers,
            arrived=self._state.clock.time(),
            connection=connection,
        )
        body = Inbound(request, keep=self._state.keep_rows)
        call = Call(
            state=self._state,
            request=request,
            method=request.method,
            path=path,
            raw_query=query,
            body=body,
            workers=self._workers,
        )
        self._open[connection] = (entry, body)
        fault = self._faults.take(request.method, path)
        try:
            return await Responder(call, entry, self._answer).deliver(fault)
        except (ConnectionError, aiohttp.ClientPayloadError, web.RequestPayloadError):
            # The client went away; there is nobody to answer.
            entry.abandoned(body.received, body.kept)
            return web.Response(status=400)
        finally:
            self._open.pop(connection, None)

    async def _answer(self, call: Call) -> Reply:
        await self._settle()
        return await self._service.answer(call)

    async def _settle(self) -> None:
        """Ends the jobs that are due, in a thread where they have many rows."""
        jobs = self._state.jobs
        async with self._settling:
            if jobs.due_rows() > _SETTLE_AT_ONCE:
                await asyncio.get_running_loop().run_in_executor(self._workers, jobs.settle)
            else:
                jobs.settle()

    def _lose(self, connection: int) -> None:
        if connection in self._open:
            entry, body = self._open[connection]
            entry.abandoned(body.received, body.kept)
