"""The transport of a run on a cluster: an attempt to send a chunk is made by a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any, Final, Protocol, cast

from attrs import define, evolve, field

from appcues_async.clock import Clock
from appcues_async.cluster.attempt import (
    Account,
    Answer,
    Attempt,
    ObjectPart,
    Part,
    send_chunk,
    stop_sending,
)
from appcues_async.cluster.fleet import Fleet, Member, NotAnswered
from appcues_async.cluster.progress import Progress
from appcues_async.cluster.tickets import Ticket, issue_ticket
from appcues_async.errors import ConnectionFailed, OutcomeUnknown
from appcues_async.notices import BodySent, Listener, notify
from appcues_async.settings import Timeouts
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import FilePieces, HeldRows, Holder, Multipart, Request
from appcues_async.wire.sender import Transport

__all__ = ["ClusterTransport", "RowHolder"]

VALID: Final = 10.0
"""Seconds of a worker's clock for which a ticket counts, from when the worker has issued it."""
RATE: Final = 100_000
"""Bytes a second that an upload must reach on the whole: an attempt has to end at a known time."""
_START: Final = 60.0
"""Seconds in which a worker has to begin with an attempt."""
_ASK: Final = 10.0
"""Seconds in which a worker has to issue a ticket, before another is asked."""
_LOOK: Final = 0.5
"""Seconds between two looks whether a process is dead."""


class RowHolder(Holder, Protocol):
    """Rows that workers have, or can read.

    Attributes:
        worker: Which of them has them; empty where any can read them.
    """

    worker: str

    def recipe(self, body: HeldRows) -> ObjectPart | Part:
        """The recipe by which a worker makes a body."""
        ...

    async def bring(self, worker: str) -> None:
        """Brings them to a worker that lacks them, or to another.

        Raises:
            AppcuesError: They are gone for good.
        """
        ...


@define(kw_only=True)
class ClusterTransport:
    """Makes attempts to send chunks on workers, and all others here.

    Attributes:
        local: Makes the others.
        fleet: The workers.
        progress: Hears how far uploads are.
        account: Whose account is sent to.
        timeouts: Seconds that the parts of an attempt may take.
        proxy: Whether workers go through the proxy that their environment names.
        clock: What to measure by.
        listeners: Receive notices of how far uploads are.
    """

    local: Transport
    fleet: Fleet
    progress: Progress
    account: Account
    timeouts: Timeouts
    proxy: bool
    clock: Clock
    listeners: tuple[Listener, ...]
    uploads: Iterator[int] = field(factory=lambda: count(-1, -1), repr=False)
    stopping: set[asyncio.Task[Any]] = field(factory=set, repr=False)

    def with_timeouts(self, timeouts: Timeouts) -> ClusterTransport:
        """Makes a transport with other timeouts on the same workers."""
        return evolve(self, timeouts=timeouts, local=self.local.with_timeouts(timeouts))

    def linger(self, request: Request) -> float:
        """Seconds that an attempt may go on after this process has ended.

        Its ticket counts for `VALID` seconds at the most, and the attempt is then over by its deadline.
        """
        if _travels(request) is None:
            return self.local.linger(request)
        return VALID + self._deadline(request)

    async def close(self) -> None:
        """Waits until workers have heard that they are to stop."""
        if self.stopping:
            await asyncio.wait(self.stopping, timeout=1)

    async def attempt(self, request: Request, within: float | None = None) -> Reply:
        """Sends a request once, and reads the whole answer.

        A worker that turns out not to have sent anything is no attempt; another one is asked.

        Args:
            request: What to send.
            within: As of every transport; an upload has no such limit.

        Raises:
            ConnectionFailed: There are no workers, or none that begins.
            OutcomeUnknown: The worker was lost while it may have been sending; it does so no more.
            AppcuesError: What the worker met.
        """
        part = _travels(request)
        if part is None:
            return await self.local.attempt(request, within)
        until = self.clock.time() + max(self.timeouts.budget, 2 * _START)
        while self.clock.time() < until:
            prefer = [_holder_of(part).worker] if isinstance(part, HeldRows) else []
            async with self.fleet.place(prefer) as member:
                ticket = await self._ticket_of(member)
                if ticket is None:
                    continue
                answer = await self._on(member, ticket, request, part)
                if isinstance(part, HeldRows) and answer.lacks_rows:
                    await _holder_of(part).bring(member.address)
            if answer.reply is not None:
                return answer.reply
            if answer.error is not None:
                raise answer.error
        raise ConnectionFailed(
            f"{request}: no worker of {self.fleet.name} has begun to send it", final=True
        )

    async def _ticket_of(self, member: Member) -> Ticket | None:
        """A ticket of a worker that counts for a while yet; None where it issues none."""
        while member.tickets:
            ticket, came = member.tickets.pop()
            if self.clock.time() - came < VALID / 2:
                return ticket
        asking = asyncio.create_task(self.fleet.call(member.address, issue_ticket))
        try:
            await _first_of(asking, member.gone, _ASK)
        finally:
            asking.cancel()
        said = _said(asking)
        if isinstance(said, Ticket):
            return said
        # The fleet soon knows whether it is still there.
        await asyncio.sleep(_LOOK)
        return None

    async def _on(
        self, member: Member, ticket: Ticket, request: Request, part: FilePieces | HeldRows
    ) -> Answer:
        """Lets a worker make the attempt."""
        upload, route, size = next(self.uploads), request.endpoint.route, request.size

        def on_sent(sent: int) -> None:
            for listener in self.listeners:
                notify(listener, BodySent(route, upload, sent, size))

        attempt = self._attempt(ticket, request, part)
        with self.progress.followed(ticket.number, on_sent):
            end = self.clock.time() + VALID + attempt.deadline
            making = asyncio.create_task(self.fleet.call(member.address, send_chunk, attempt))
            try:
                await _first_of(making, member.gone, end - self.clock.time())
                answer = await self._answer(making, member, ticket, request, end)
            except asyncio.CancelledError:
                self._stop(member, ticket)
                raise
            finally:
                making.cancel()
        if answer.ticket is not None:
            member.tickets.append((answer.ticket, self.clock.time()))
        if answer.reply is not None:
            on_sent(size)
            if 200 <= answer.reply.status < 300:
                member.chunks += 1
                member.size += size
        return answer

    async def _answer(
        self,
        making: asyncio.Task[Any],
        member: Member,
        ticket: Ticket,
        request: Request,
        end: float,
    ) -> Answer:
        """The answer; or waits until an attempt is over of which nobody may say how it ended.

        Raises:
            OutcomeUnknown: Nobody has.
        """
        while True:
            said, left = _said(making), end - self.clock.time()
            if isinstance(said, Answer):
                return said
            member.tickets.clear()
            if left <= 0 or await self.fleet.is_dead(ticket.process):
                break
            if making.done():
                await asyncio.sleep(min(_LOOK, left))
            else:
                await asyncio.wait([making], timeout=min(_LOOK, left))
        why = f" ({type(said).__name__}: {said})" if isinstance(said, Exception) else ""
        raise OutcomeUnknown(
            f"{request}: worker {member.address} was lost while it was sending{why}"
        )

    def _stop(self, member: Member, ticket: Ticket) -> None:
        """Tells a worker to stop, beside whoever is cancelled."""

        async def tell() -> None:
            with suppress(NotAnswered):
                await self.fleet.call(member.address, stop_sending, ticket.number)

        stopping = asyncio.create_task(tell())
        self.stopping.add(stopping)
        stopping.add_done_callback(self.stopping.discard)

    def _deadline(self, request: Request) -> float:
        # The server has a second for each MB, as of every upload.
        timeouts, size = self.timeouts, request.size
        return timeouts.connect + timeouts.idle + size / 1e6 + size / RATE

    def _attempt(self, ticket: Ticket, request: Request, part: FilePieces | HeldRows) -> Attempt:
        form = request.body
        return Attempt(
            number=ticket.number,
            topic=self.progress.topic,
            account=self.account,
            request=evolve(request, body=None),
            part=_holder_of(part).recipe(part) if isinstance(part, HeldRows) else part,
            form=(form.filename, form.boundary) if isinstance(form, Multipart) else None,
            timeouts=self.timeouts,
            valid=VALID,
            deadline=self._deadline(request),
            proxy=self.proxy,
        )


async def _first_of(one: asyncio.Future[Any], other: asyncio.Future[Any], seconds: float) -> None:
    await asyncio.wait([one, other], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _said(call: asyncio.Task[Any]) -> object:
    """The result of a call; None where it has none."""
    if not call.done() or call.cancelled() or call.exception() is not None:
        return None
    return call.result()


def _travels(request: Request) -> FilePieces | HeldRows | None:
    """The part of a request's body that workers can send; None for one that is sent from here."""
    body = request.body.part if isinstance(request.body, Multipart) else request.body
    return body if isinstance(body, FilePieces | HeldRows) else None


def _holder_of(body: HeldRows) -> RowHolder:
    return cast("RowHolder", body.holder)
