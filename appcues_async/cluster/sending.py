"""The transport of a run on a cluster: an attempt to send a chunk is made by a worker."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol, cast

from attrs import define, evolve
from distributed import Client, Future

from appcues_async.clock import Clock
from appcues_async.cluster.attempt import Account, Answer, Attempt, ObjectPart, Part, send_chunk
from appcues_async.cluster.claims import Claim, Claims
from appcues_async.cluster.fleet import Fleet, Member
from appcues_async.errors import ConnectionFailed, OutcomeUnknown
from appcues_async.notices import BodySent, Listener, notify
from appcues_async.settings import Timeouts
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import FilePieces, HeldRows, Holder, Multipart, Request
from appcues_async.wire.sender import Transport

__all__ = ["ClusterTransport", "ResultLost", "RowHolder", "result_of"]

VALID: Final = 10.0
"""Seconds of a worker's clock for which its leave to send counts, from its question on."""
RATE: Final = 100_000
"""Bytes a second that an upload must reach on the whole: an attempt has to end at a known time."""
_START: Final = 60.0
"""Seconds in which a worker has to begin with an attempt, before another is asked."""
_LOOK: Final = 0.5
"""Seconds between two looks whether a process is dead."""


class ResultLost(Exception):  # noqa: N818 - for this package alone
    """Dask has no result: a worker died, or the scheduler has."""


async def result_of(future: Future[Any]) -> Any:
    """The result of a task.

    Raises:
        ResultLost: There is none.
    """
    try:
        return await future
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Dask says with the same error that a future is none any more.
        raise ResultLost(str(error)) from None
    except Exception as error:
        raise ResultLost(f"{type(error).__name__}: {error}") from error


class RowHolder(Holder, Protocol):
    """Rows that workers have, or can read.

    Attributes:
        worker: Which of them has them; empty where any can read them.
    """

    worker: str

    def recipe(self, body: HeldRows) -> tuple[ObjectPart | Part, Future[Any] | None]:
        """What a worker makes a body of, and the encoded rows if it takes them."""
        ...


@define(kw_only=True)
class ClusterTransport:
    """Makes attempts to send chunks on workers, and all others here.

    Attributes:
        local: Makes the others.
        client: Reaches the cluster.
        fleet: Its workers.
        claims: Which execution of an attempt may send.
        account: Whose account is sent to.
        timeouts: Seconds that the parts of an attempt may take.
        proxy: Whether workers go through the proxy that their environment names.
        clock: What to measure by.
        listeners: Are told how far uploads are.
    """

    local: Transport
    client: Client
    fleet: Fleet
    claims: Claims
    account: Account
    timeouts: Timeouts
    proxy: bool
    clock: Clock
    listeners: tuple[Listener, ...]
    _uploads: int = 0

    def with_timeouts(self, timeouts: Timeouts) -> ClusterTransport:
        """Makes a transport with other timeouts on the same workers."""
        return evolve(self, timeouts=timeouts, local=self.local.with_timeouts(timeouts))

    def linger(self, request: Request) -> float:
        """Seconds that an attempt may go on after this process has ended.

        Leave to send is given by this process; it counts for `VALID` seconds, and the attempt is then
        over by its deadline.
        """
        if _travels(request) is None:
            return self.local.linger(request)
        return VALID + self._deadline(request)

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
                answer = await self._on(member, request, part)
                if answer is not None and answer.reply is not None:
                    if 200 <= answer.reply.status < 300:
                        member.chunks += 1
                        member.size += request.size
                    return answer.reply
            if answer is not None and answer.error is not None:
                raise answer.error
        raise ConnectionFailed(
            f"{request}: no worker of {self.fleet.name} has begun to send it", final=True
        )

    async def _on(
        self, member: Member, request: Request, part: FilePieces | HeldRows
    ) -> Answer | None:
        """Lets a worker make the attempt; None where it is certain that it has sent nothing."""
        self._uploads += 1
        upload, route, size = -self._uploads, request.endpoint.route, request.size

        def on_sent(sent: int) -> None:
            for listener in self.listeners:
                notify(listener, BodySent(route, upload, sent, size))

        with self.claims.opened(on_sent) as claim:
            future = self._submit(member, request, part, claim)
            waiting = asyncio.create_task(result_of(future))
            try:
                answer = await self._outcome(waiting, member, claim, request)
            finally:
                waiting.cancel()
                future.release()
        if answer is not None and answer.reply is not None:
            on_sent(size)
        return answer

    async def _outcome(
        self, waiting: asyncio.Task[Answer], member: Member, claim: Claim, request: Request
    ) -> Answer | None:
        until = self.clock.time() + _START
        while not (waiting.done() or member.gone.done()):
            left = until - self.clock.time()
            if claim.execution is not None:
                left = self._end(claim, request) - self.clock.time()
            if left <= 0:
                break
            either: list[asyncio.Future[Any]] = [waiting, member.gone]
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        answer = _answer_of(waiting)
        if answer is not None and answer.execution == claim.execution:
            return answer if answer.sent or answer.error is not None else None
        if claim.withdraw():
            # Nobody has had leave, and nobody gets it any more.
            return answer if answer is not None and answer.error is not None else None
        return await self._lost(waiting, claim, request)

    async def _lost(self, waiting: asyncio.Task[Answer], claim: Claim, request: Request) -> Answer:
        """Waits until an attempt is over of which nobody may say any more how it ended.

        Raises:
            OutcomeUnknown: Nobody has.
        """
        end, process = self._end(claim, request), claim.process
        assert process is not None  # noqa: S101 - whoever has the claim has said so
        while (left := end - self.clock.time()) > 0 and not await self.fleet.is_dead(process):
            if waiting.done():
                await asyncio.sleep(min(_LOOK, left))
            else:
                await asyncio.wait([waiting], timeout=min(_LOOK, left))
            answer = _answer_of(waiting)
            if answer is not None and answer.execution == claim.execution:
                return answer
        raise OutcomeUnknown(f"{request}: worker {claim.worker} was lost while it was sending")

    def _end(self, claim: Claim, request: Request) -> float:
        """When an attempt is over for certain; the leave counts from a question that came before it."""
        return claim.since + VALID + self._deadline(request)

    def _deadline(self, request: Request) -> float:
        # The server has a second for each MB, as of every upload.
        timeouts, size = self.timeouts, request.size
        return timeouts.connect + timeouts.idle + size / 1e6 + size / RATE

    def _submit(
        self, member: Member, request: Request, part: FilePieces | HeldRows, claim: Claim
    ) -> Future[Any]:
        form = request.body
        what, encoded = (
            _holder_of(part).recipe(part) if isinstance(part, HeldRows) else (part, None)
        )
        attempt = Attempt(
            number=claim.number,
            topic=self.claims.topic,
            account=self.account,
            request=evolve(request, body=None),
            part=what,
            form=(form.filename, form.boundary) if isinstance(form, Multipart) else None,
            timeouts=self.timeouts,
            valid=VALID,
            deadline=self._deadline(request),
            proxy=self.proxy,
        )
        return self.client.submit(
            send_chunk,
            attempt,
            encoded,
            key=f"appcues-send-{claim.number}",
            workers=[member.address],
            allow_other_workers=False,
            retries=0,
            priority=10,
            pure=False,
        )


def _answer_of(waiting: asyncio.Task[Answer]) -> Answer | None:
    if not waiting.done() or waiting.cancelled() or waiting.exception() is not None:
        return None
    return waiting.result()


def _travels(request: Request) -> FilePieces | HeldRows | None:
    """What of a request's body workers can send; None for one that is sent from here."""
    body = request.body.part if isinstance(request.body, Multipart) else request.body
    return body if isinstance(body, FilePieces | HeldRows) else None


def _holder_of(body: HeldRows) -> RowHolder:
    return cast("RowHolder", body.holder)
