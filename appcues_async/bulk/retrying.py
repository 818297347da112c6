"""The rows of a failed chunk, sent again in parts until those are found that the server rejects."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from attrs import frozen

from appcues_async.bulk.chunks import Chunk
from appcues_async.bulk.halving import Halving, Part
from appcues_async.bulk.reading.blocks import Span
from appcues_async.bulk.reading.prepared import Reading
from appcues_async.bulk.rejects import Reject
from appcues_async.bulk.report import Retried, failure_of
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.slots import Slot
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.errors import AppcuesError, InvalidInput, JobFailed
from appcues_async.rows.csv_judge import CsvJudge, cells_of_row
from appcues_async.rows.records import text_of

__all__ = ["Retrier"]


@frozen
class Retrier:
    """Retries the failed chunks of one run. Only for rows that may be applied twice.

    Attributes:
        uploader: Sends the parts.
        reading: How the sources are read.
        counter: Takes the rows that the server rejects.
        room: The uploads at a time.
    """

    uploader: ChunkUploader
    reading: Reading
    counter: RowCounter
    room: asyncio.Semaphore

    async def retry(
        self, number: int, chunk: Chunk, slot: Slot
    ) -> tuple[Retried, AppcuesError | None]:
        """Finds the rows that the server rejects, and sends all others.

        Args:
            number: The chunk's number in the run.
            chunk: The chunk.
            slot: The place that its parts are sent from.

        Returns:
            What came of it, and what ended it early, if something did.
        """
        search = Halving(chunk.rows)
        rejected: list[int] = []
        ended_by: AppcuesError | None = None
        try:
            while (rows := search.next()) is not None:
                part = await self._part(chunk, rows)
                error = await self._send(number, part, slot)
                search.note(taken=error is None)
                if error is not None and part.rows == 1:
                    rejected.append(part.first)
                    await self._put_aside(part, str(error))
        except AppcuesError as error:
            ended_by = error
        retried = Retried(jobs=search.jobs, rejected=tuple(sorted(rejected)), left=search.left)
        return retried, ended_by

    async def put_aside_again(self, chunk: Chunk, rejected: str) -> Retried:
        """Puts the rows aside that the server has rejected in an earlier run.

        Args:
            chunk: The chunk.
            rejected: The numbers of the rows, as the journal has them.
        """
        numbers: list[int] = json.loads(rejected)
        for number in numbers:
            place = chunk.place_of(number)
            part = await self._part(chunk, (range(place, place + 1),))
            await self._put_aside(part, "an earlier run has found that")
        return Retried(rejected=tuple(numbers))

    async def _part(self, chunk: Chunk, rows: Part) -> Chunk:
        return await asyncio.to_thread(chunk.part, rows, self.counter.stop)

    async def _send(self, number: int, part: Chunk, slot: Slot) -> AppcuesError | None:
        """Sends rows; returns why not all of them were taken, None where they were."""
        await slot.move_to(self.room)
        try:
            handle = await self.uploader.send_part(number, part.rows, part.body)
        finally:
            slot.leave()
        try:
            await handle.wait()
        except JobFailed as error:
            return error
        return failure_of(handle, part.rows)

    async def _put_aside(self, part: Chunk, why: str) -> None:
        """Puts one row aside."""
        row = await asyncio.to_thread(_row_of, part, self.reading)
        reason = f"the server rejects it: {why}"
        reject = Reject(source=part.source, number=part.first, line=None, reason=reason, row=row)
        await asyncio.to_thread(self.counter.put_aside, reject)


def _row_of(part: Chunk, reading: Reading) -> Any:
    """The one row of a chunk as a rejects file has it."""
    source, path = part.prepared, part.prepared.path
    text = b""
    for some in part.blocks:
        if not isinstance(some.data, Span):
            text += some.data
        elif path is not None:
            with path.open("rb") as file:
                file.seek(some.data.offset)
                text += file.read(some.data.size)
    text = text.strip(b"\r\n")
    if not text:
        # It is where only workers can read it.
        return None
    try:
        if source.csv and source.layout is not None:
            judge = CsvJudge(reading.kind, reading.check, source.layout.header)
            return judge.shown_row(cells_of_row(text))
        return msgspec.json.decode(text)
    except (InvalidInput, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return text_of(text)
