"""Manual segments: who is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Final, TypeGuard, get_args

from attrs import define, field

from appcues_async.customerio.ids import Chunk, Ids, IdType, check_all, chunks_of
from appcues_async.customerio.report import FailedChunk, SegmentReport
from appcues_async.errors import AppcuesError, Forbidden, InvalidInput, Unauthorized
from appcues_async.rows.ids import ANY_ID, IdRule, UserId, id_rule
from appcues_async.rows.values import shown
from appcues_async.text import counted
from appcues_async.wire.codec import encode, expect_success
from appcues_async.wire.request import Endpoint
from appcues_async.wire.sender import Sender

__all__ = ["Segments"]

ADD: Final = Endpoint("POST", "/api/v1/segments/{segment_id}/add_customers")
REMOVE: Final = Endpoint("POST", "/api/v1/segments/{segment_id}/remove_customers")

IN_FLIGHT: Final = 8
"""Requests of one call in flight at a time; what is read ahead of the answers is as much."""
_LAST_ID: Final = 2**31 - 1


class Segments:
    """`cio.segments`: manual segments, and who is in them."""

    def __init__(self, sender: Sender) -> None:
        """Sends nothing yet.

        Args:
            sender: Sends.
        """
        self._sender = sender

    async def add_customers(
        self,
        segment_id: int,
        ids: Ids,
        id_type: IdType = "id",
        *,
        allow_ids: Iterable[UserId] = (),
    ) -> SegmentReport:
        """Adds people to a manual segment; adding somebody twice is harmless.

        Requests hold 1000 ids at most, and up to 8 of them are under way at a time. A source is read
        only as fast as they are answered. One that can be read again (a list, a file) is checked as a
        whole before anything is sent.

        Args:
            segment_id: Which; it must exist, and be a manual one.
            ids: The people: any iterable or async iterable of ids, or the path of a file: a CSV of one
                column, with or without a header that names the type, or NDJSON with each id in double
                quotes.
            id_type: What the ids are: `id`, `email` or `cio_id`. Customer.io ignores those that are
                something else, and those of nobody.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Returns:
            How many requests and ids there were, and which requests failed: a failure does not stop the
            others.

        Raises:
            InvalidInput: An argument or an id is refused. Of an iterator, what came before that id has
                been sent, as the message says.
            Unauthorized: The key is wrong; the rest is not sent.
            Forbidden: The key may not do that; the rest is not sent.
        """
        return await self._change(ADD, segment_id, ids, id_type, id_rule(allow_ids))

    async def remove_customers(
        self, segment_id: int, ids: Ids, id_type: IdType = "id"
    ) -> SegmentReport:
        """Removes people from a manual segment; removing somebody twice is harmless.

        Args:
            segment_id: As for `add_customers`.
            ids: As for `add_customers`; any id is taken that is not empty.
            id_type: As for `add_customers`.

        Returns:
            As for `add_customers`.

        Raises:
            InvalidInput: As for `add_customers`.
            Unauthorized: As for `add_customers`.
            Forbidden: As for `add_customers`.
        """
        return await self._change(REMOVE, segment_id, ids, id_type, ANY_ID)

    async def _change(
        self, endpoint: Endpoint, segment_id: int, ids: Ids, id_type: IdType, rule: IdRule
    ) -> SegmentReport:
        segment = _check_segment(segment_id)
        if id_type not in get_args(IdType):
            raise InvalidInput(f"id_type is {shown(id_type)}; it must be 'id', 'email' or 'cio_id'")
        await check_all(ids, id_type, rule)

        async def send(chunk: Chunk) -> None:
            request = endpoint.request(
                encode({"ids": chunk.ids}), query={"id_type": id_type}, segment_id=segment
            )
            await self._sender.send(request, expect_success)

        async with aclosing(chunks_of(ids, id_type, rule)) as chunks:
            return await _Run(send, chunks).finish()


@define
class _Run:
    """One source on its way to one segment."""

    send: Callable[[Chunk], Awaitable[None]]
    chunks: AsyncGenerator[Chunk]
    requests: int = 0
    ids: int = 0
    taken: int = 0
    failed: list[FailedChunk] = field(factory=list[FailedChunk])
    broken: Exception | None = None
    ended: bool = False
    reading: asyncio.Lock = field(factory=asyncio.Lock)

    async def finish(self) -> SegmentReport:
        """Sends all of it, some requests at a time."""
        refusal: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(self._work())
        except ExceptionGroup as errors:
            refusal = errors.exceptions[0]
        if refusal is not None:
            if self.taken:
                done = f"{self.taken:,} of {counted(self.requests, 'request')}"
                refusal.add_note(f"Before it, {done} had succeeded")
            raise refusal
        if self.broken is not None:
            raise self._told(self.broken)
        failed = sorted(self.failed, key=lambda chunk: chunk.first)
        return SegmentReport(self.requests, self.ids, tuple(failed))

    async def _work(self) -> None:
        while (chunk := await self._next()) is not None:
            try:
                await self.send(chunk)
            except (Unauthorized, Forbidden):
                # All others would be answered like this one. What is under way is given up.
                raise
            except AppcuesError as error:
                self.failed.append(FailedChunk(chunk.first, chunk.last, error))
            else:
                self.taken += 1

    async def _next(self) -> Chunk | None:
        async with self.reading:
            if self.ended:
                return None
            try:
                chunk = await anext(self.chunks, None)
            except Exception as error:  # noqa: BLE001 - the source is the caller's
                # What is under way is answered before this is raised, so that it can be told of.
                self.broken, chunk = error, None
            if chunk is None:
                self.ended = True
                return None
            self.requests += 1
            self.ids = chunk.last + 1
            return chunk

    def _told(self, error: Exception) -> Exception:
        """The error of a source that broke, with what had been sent of it by then."""
        if not self.requests:
            return error
        how = f", of which {len(self.failed):,} failed" if self.failed else ""
        requests = counted(self.requests, "request")
        sent = f"the first {counted(self.ids, 'id')} had been sent, in {requests}{how}"
        if isinstance(error, InvalidInput):
            return InvalidInput(f"{error}; {sent}")
        error.add_note(f"From this source, {sent}")
        return error


def _check_segment(segment_id: object) -> str:
    fits = isinstance(segment_id, int) and not isinstance(segment_id, bool)
    if not fits or not 0 < segment_id <= _LAST_ID:  # type: ignore[operator]
        fix = f": give {int(segment_id)}" if _is_digits(segment_id) else ""
        raise InvalidInput(
            f"segment_id is {shown(segment_id)}; it must be a whole number from 1 to {_LAST_ID:,}, "
            f"as in Customer.io's list of segments{fix}"
        )
    return str(segment_id)


def _is_digits(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 11
