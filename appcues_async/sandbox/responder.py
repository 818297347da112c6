"""Sends replies: as they are, or as a fault says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from attrs import define, evolve

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.encoding import encode_json
from appcues_async.sandbox.faults import (
    Amend,
    Answer,
    Close,
    Fault,
    Misstate,
    Raw,
    Reset,
    Stall,
    Truncate,
)
from appcues_async.sandbox.problems import problem_details, title_of
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.request_log import OpenEntry

__all__ = ["Responder"]

#: Makes the system send RST instead of FIN when the socket is closed.
_LINGER_NOT = struct.pack("ii", 1, 0)


@define(eq=False)
class Responder:
    """Answers one request.

    Attributes:
        call: The request.
        entry: Its place in the log.
        answer: What works out the real answer.
    """

    call: Call
    entry: OpenEntry
    answer: Callable[[Call], Awaitable[Reply]]

    async def deliver(  # noqa: PLR0911 - one for each kind of fault
        self, fault: Fault | None
    ) -> web.StreamResponse:
        """Sends the reply, or what the fault says instead."""
        match fault:
            case None:
                return self._send(await self._work_out())
            case Answer():
                return await self._answer_instead(fault)
            case Reset() | Close():
                return await self._end(fault)
            case Raw():
                return await self._send_raw(fault)
            case Stall():
                return await self._send_late(fault)
            case Truncate():
                return await self._send_part(fault)
            case Misstate():
                return await self._send_misstated(fault)
            case Amend():
                return await self._send_amended(fault)

    async def _work_out(self) -> Reply:
        """Computes the real reply; the request has taken effect then, or never will."""
        reply = await self.answer(self.call)
        if 200 <= reply.status < 300:
            self.entry.took_effect()
        return reply

    def _send(self, reply: Reply) -> web.Response:
        self._log(reply.status)
        return self._response(reply.status, *self._encode(reply))

    def _encode(self, reply: Reply) -> tuple[bytes, dict[str, str]]:
        body, content_type = reply.encode(csv=self.call.wants_csv)
        return body, {"Content-Type": content_type, "Date": self._date(), **reply.headers}

    def _date(self) -> str:
        """Returns the Date header, by the sandbox's clock."""
        return format_datetime(self.call.state.clock.now(), usegmt=True)

    def _response(self, status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
        response = web.Response(status=status, body=body, headers=headers)
        # The body that the client holds back will not come any more, or as the next request.
        if self.call.body.awaits_go:
            response.force_close()
        return response

    async def _answer_instead(self, fault: Answer) -> web.StreamResponse:
        await self._come_to(fault)
        if fault.body is None:
            detail = title_of(fault.status)
            body = encode_json(problem_details(fault.status, detail))
            headers = {"Content-Type": "application/json", **fault.headers}
        else:
            body = fault.body.encode() if isinstance(fault.body, str) else fault.body
            headers = dict(fault.headers)
        headers = {"Date": self._date(), **headers}
        self._log(fault.status)
        response = self._response(fault.status, body, headers)
        if fault.close:
            response.force_close()
            await response.prepare(self.call.request)
            await response.write_eof()
            self._cut(reset=False)
        return response

    async def _end(self, fault: Reset | Close) -> web.StreamResponse:
        await self._come_to(fault)
        self._log(None)
        self._cut(reset=isinstance(fault, Reset))
        return web.Response()

    async def _send_amended(self, fault: Amend) -> web.StreamResponse:
        reply = await self._work_out()
        if isinstance(reply.content, dict):
            reply = evolve(reply, content=_amended(reply.content, fault.fields))
        return self._send(evolve(reply, headers={**reply.headers, **fault.headers}))

    async def _send_raw(self, fault: Raw) -> web.StreamResponse:
        if fault.applied:
            await self._work_out()
        else:
            await self.call.body.take("body")
        self._log(None)
        if self.call.request.transport is not None:
            self.call.request.transport.write(fault.data)
        self._cut(reset=False)
        return web.Response()

    async def _send_late(self, fault: Stall) -> web.StreamResponse:
        if fault.at == "request":
            await _wait(fault)
            return self._send(await self._work_out())
        reply = await self._work_out()
        if fault.at == "headers":
            await _wait(fault)
            return self._send(reply)
        response, body = await self._start(reply)
        await response.write(body[: len(body) // 2])
        await _wait(fault)
        await response.write(body[len(body) // 2 :])
        await response.write_eof()
        return response

    async def _send_part(self, fault: Truncate) -> web.StreamResponse:
        response, body = await self._start(await self._work_out(), chunked=fault.chunked)
        await response.write(body[: fault.keep])
        self._cut(reset=fault.reset)
        return response

    async def _send_misstated(self, fault: Misstate) -> web.StreamResponse:
        reply = await self._work_out()
        self._log(reply.status)
        body, headers = self._encode(reply)
        headers["Content-Length"] = str(max(0, len(body) + fault.by))
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"HTTP/1.1 {reply.status} {title_of(reply.status)}", *lines, "", ""])
        transport = self.call.request.transport
        if transport is not None:
            # Written past aiohttp, which would see to it that length and body agree.
            transport.write(head.encode() + body)
            if fault.by > 0:
                await self._gone()
        self._cut(reset=False)
        return web.Response()

    async def _gone(self) -> None:
        """Waits until the client has closed the connection."""
        while self.call.request.transport is not None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)

    async def _start(
        self, reply: Reply, *, chunked: bool = False
    ) -> tuple[web.StreamResponse, bytes]:
        self._log(reply.status)
        body, headers = self._encode(reply)
        response = web.StreamResponse(status=reply.status, headers=headers)
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(body)
        await response.prepare(self.call.request)
        return response, body

    async def _come_to(self, fault: Answer | Reset | Close) -> None:
        if fault.applied:
            await self._work_out()
        else:
            await self.call.body.take(fault.after)

    def _log(self, status: int | None) -> None:
        self.entry.answered(status, self.call.body.received, self.call.body.kept)

    def _cut(self, *, reset: bool) -> None:
        transport = self.call.request.transport
        if transport is None:
            return
        if not reset:
            transport.close()
            return
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()


def _amended(content: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**content, **fields}.items() if value is not None}


async def _wait(fault: Stall) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(fault.seconds):
            await fault.hold.stand()
