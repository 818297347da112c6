"""One run's account in a journal, kept in a thread of its own.

A chunk is written down when it is cut, before it is sent, once it has been accepted, and at its end. On
a rerun the source is cut again, into the same chunks; what is found to be written down of each decides
what becomes of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias, TypeVar

from appcues_async.bulk.chunks import Chunk
from appcues_async.bulk.journal.claims import HEARTBEAT
from appcues_async.bulk.journal.records import ChunkRecord, ChunkState, Run, RunKey
from appcues_async.bulk.journal.same_run import names_of
from appcues_async.bulk.journal.settling import candidates_text
from appcues_async.bulk.journal.store import Journal
from appcues_async.bulk.report import Outcome
from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import AppcuesError, InvalidInput
from appcues_async.recovery.evidence import Claim, Owned
from appcues_async.wire.request import Blocks, ChunkBody, FilePieces, HeldRows

__all__ = ["OnStep", "RunJournal", "Step", "end_of"]

_AT_ONCE: Final = 1 << 16
"""Bytes whose digest is made on the loop."""

Step = Literal["planned", "intent", "sent", "accepted", "completed"]
"""The steps of a chunk's life: written down; about to be sent; answered, and that not written down yet;
accepted; and at its end."""

OnStep: TypeAlias = Callable[[Step, int], None]
"""Is called with a step and the number of the chunk."""

T = TypeVar("T")


class RunJournal:
    """One run in an open journal."""

    journal_type: type[Journal] = Journal
    """Opens the file."""

    def __init__(
        self,
        journal: Journal,
        run: Run,
        key: RunKey,
        *,
        thread: ThreadPoolExecutor,
        clock: Clock,
        on_step: OnStep | None = None,
    ) -> None:
        """Takes over an open journal; see `open`."""
        self._journal = journal
        self._thread = thread
        self._clock = clock
        self._key = key
        self._on_step = on_step
        self.run: Run = run
        self.records: dict[int, ChunkRecord] = {}
        self.failure: InvalidInput | None = None
        self._owed: dict[int, dict[str, Any]] = {}

    @classmethod
    async def open(
        cls,
        path: Path,
        key: RunKey,
        *,
        origin: str,
        account_id: str,
        clock: Clock,
        on_step: OnStep | None = None,
    ) -> Self:
        """Opens a journal for one run, which no other process may have at the same time.

        Args:
            path: The journal's file.
            key: The run.
            origin: The server.
            account_id: The account.
            clock: What to measure by.
            on_step: Is called at each step of a chunk's life.

        Raises:
            InvalidInput: It cannot be opened or written, belongs to another account, or has this run
                with other sources or options, or in other hands.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="appcues-journal")
        now = clock.now().timestamp()

        opened: list[Journal] = []

        def begin() -> tuple[Journal, Run, list[ChunkRecord]]:
            journal = cls.journal_type(
                path, origin=origin, account_id=account_id, now=now, clock=clock
            )
            opened.append(journal)
            run = journal.begin(key, now)
            return journal, run, journal.records(run)

        def close() -> None:
            for journal in opened:
                journal.close(now)

        beginning = thread.submit(begin)
        try:
            journal, run, records = await asyncio.shield(asyncio.wrap_future(beginning))
        except BaseException:
            # It may have been called off half way, with the journal open by now; whoever wants it next
            # must not find it in the hands of a run that is no more.
            closing = asyncio.wrap_future(thread.submit(close))
            thread.shutdown(wait=False)
            await asyncio.wait([closing])
            closing.exception()
            raise
        opened_run = cls(journal, run, key, thread=thread, clock=clock, on_step=on_step)
        opened_run.records = {record.number: record for record in records}
        return opened_run

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    def now(self) -> float:
        """The moment, in seconds since 1970."""
        return self._clock.now().timestamp()

    async def keep_alive(self) -> None:
        """Shows again and again that this process lives, until it is cancelled.

        What is under way when the journal cannot be written may still start jobs: a later run must not
        rule these out because of their time, if it is only for a while that nothing can be written.
        """
        while True:
            await sleep_on(self._clock, HEARTBEAT)
            # A failure is told to whoever wants to send something next.
            with suppress(InvalidInput):
                await self._written(self._journal.beat, self.now())

    async def row_counts(self) -> tuple[frozenset[int], frozenset[int]]:
        """The row counts of unsettled chunks: of those that a process is at, and of the others."""
        return await self._call(self._journal.row_counts, unsafe=self._key.unsafe)

    async def plan(
        self, number: int, index: int, chunk: Chunk, *, shared: bool
    ) -> ChunkRecord | None:
        """Writes down a chunk that was cut.

        Args:
            number: Its number in the run.
            index: Which of the sources it is from.
            chunk: The chunk.
            shared: Whether its row count may be that of another chunk.

        Returns:
            What was written down; None where a chunk that is not settled has its row count.

        Raises:
            InvalidInput: The source is not what it was, or that cannot be written.
        """
        if self.run.chunks is not None:
            raise self._other_chunks(f"had {self.run.chunks:,} chunks, and has more")
        record = await self._record_of(number, index, chunk)
        options = {"unsafe": self._key.unsafe, "shared": shared}
        if not await self._call(self._journal.plan, self.run, record, self.now(), **options):
            return None
        self.step("planned", number)
        return record

    async def compare(self, known: ChunkRecord, index: int, chunk: Chunk) -> None:
        """Makes sure that a chunk is what was written down of it.

        Raises:
            InvalidInput: It is not.
        """
        record = await self._record_of(known.number, index, chunk)
        for name in ("source", "first", "last", "rows", "bytes", "digest"):
            was, now = getattr(known, name), getattr(record, name)
            if name == "digest" and None in (was, now):
                # Of an object that workers read, its stamp says as much.
                continue
            if was != now:
                what = "other content" if name == "digest" else f"{name} {now!r}, which was {was!r}"
                raise self._other_chunks(f"is cut differently: chunk {known.number} has {what}")

    async def _record_of(self, number: int, index: int, chunk: Chunk) -> ChunkRecord:
        stamp = self._key.fingerprint[index]
        if isinstance(chunk.body, FilePieces) and chunk.body.stamp != stamp:
            raise InvalidInput(f"{chunk.source} has changed since the run began; run it again")
        return ChunkRecord(
            number=number,
            source=self._key.sources[index],
            first=chunk.first,
            last=chunk.last,
            rows=chunk.rows,
            bytes=chunk.body.size,
            digest=await _digest_of(chunk.body),
        )

    async def finish(self, chunks: int) -> None:
        """Notes that the sources have been read to their end.

        Raises:
            InvalidInput: There are fewer chunks than there were, or that cannot be written.
        """
        if self.records and chunks <= max(self.records):
            raise self._other_chunks(f"had {max(self.records) + 1:,} chunks, and has {chunks:,}")
        if self.run.chunks is None:
            await self._call(self._journal.finish, self.run, chunks)

    async def claim_before(self, record: ChunkRecord) -> Claim:
        """Reads the claim of a chunk that another process was about to send."""
        return await self._call(self._journal.claim_of, self.run, record, self._key.kind)

    def claim_id(self, number: int) -> str:
        """The id of the claim of a chunk."""
        return self._journal.claim_id(self.run, number)

    async def note_jobs(self, before: Collection[str]) -> None:
        """Keeps which jobs were listed before anything was sent."""
        await self._call(self._journal.note_jobs, self.run, before, self.now())

    async def add_request(self, number: int, claim: Claim) -> int:
        """Keeps a request of a chunk beside the chunk's own; see `Journal.add_request`."""
        return await self._call(self._journal.add_request, self.run, number, claim, self.now())

    async def end_request(self, request: int, job: str | None) -> None:
        """Keeps the job of such a request; None where it has started none."""
        await self._call(self._journal.end_request, request, job, self.now())

    async def intend(self, number: int, claim: Claim) -> None:
        """Writes down that a chunk is about to be sent; only then may it be.

        Raises:
            InvalidInput: It cannot be written.
        """
        values = {"session": self.run.session, "intent_at": self.now(), "times": claim.times_text()}
        await self._move(number, "intent", **values, error=None)
        self.step("intent", number)

    async def accept(self, number: int, job: str, claim: Claim, *, certain: bool) -> None:
        """Writes down the job of a chunk.

        Args:
            number: The chunk.
            job: Its job.
            claim: Its request; ended when its 202 was heard, where the job is certain.
            certain: Whether the server said that this is its job; else it was found.

        Raises:
            InvalidInput: It cannot be written; nothing more can, then.
        """
        values = {"job": job, "certain": certain, "times": claim.times_text(), "error": None}
        self._owed[number] = values
        await self._move(number, "accepted", **values)
        del self._owed[number]
        self.step("accepted", number)

    async def refuse(self, number: int, error: AppcuesError) -> None:
        """Writes down that a chunk was not accepted, which is known."""
        await self._move(number, "refused", error=_in_short(error))

    async def mark_unknown(self, number: int, error: AppcuesError, claim: Claim) -> None:
        """Writes down that nothing says whether a chunk was accepted, and since when."""
        values = {"times": claim.times_text(), "candidates": candidates_text(error)}
        await self._move(number, "unknown", **values, error=_in_short(error))

    async def end(self, outcome: Outcome) -> None:
        """Writes down how a chunk has ended."""
        status, values = end_of(outcome)
        await self._move(outcome.chunk, status, **values)
        self.step("completed", outcome.chunk)

    async def whose(self, listed: Collection[str]) -> Owned:
        """Says whose the listed jobs are, as far as the journal knows (see `Owners`).

        Raises:
            InvalidInput: It cannot be read.
        """
        return await self._call(self._journal.whose, listed)

    def step(self, step: Step, number: int) -> None:
        """Tells of a step of a chunk's life."""
        if self._on_step is not None:
            self._on_step(step, number)

    async def close(self) -> None:
        """Releases the run, once everything under way is written."""
        closing = self._thread.submit(self._end, self.now())
        try:
            await asyncio.shield(asyncio.wrap_future(closing))
        except InvalidInput:
            # It was told already to whoever had something to write.
            pass
        finally:
            self._thread.shutdown(wait=False)

    def _end(self, now: float) -> None:
        try:
            # There may be room by now for what could not be written when it happened.
            for number, values in self._owed.items():
                self._journal.move(self.run, number, "accepted", now, **values)
        finally:
            self._journal.close(now)

    async def _move(self, number: int, status: ChunkState, **values: Any) -> None:
        await self._call(self._journal.move, self.run, number, status, self.now(), **values)

    async def _call(self, function: Callable[..., T], *args: Any, **values: Any) -> T:
        if self.failure is not None:
            raise InvalidInput(str(self.failure))
        return await self._written(function, *args, **values)

    async def _written(self, function: Callable[..., T], *args: Any, **values: Any) -> T:
        # Shielded, since what is under way must not be called off half way, nor in the queue.
        called = self._thread.submit(function, *args, **values)
        try:
            return await asyncio.shield(asyncio.wrap_future(called))
        except InvalidInput as error:
            self.failure = self.failure or error
            raise

    def _other_chunks(self, what: str) -> InvalidInput:
        names = names_of(self._key.sources)
        return InvalidInput(
            f"{names} {what}, says the journal {self.path}. Give what it was (with the release that "
            "began it) to go on, or name another journal to upload all of it afresh"
        )


def end_of(outcome: Outcome) -> tuple[ChunkState, dict[str, Any]]:
    """The state of a chunk at its end, and the values that go with it."""
    job, error, retried = outcome.job, outcome.error, outcome.retried
    values: dict[str, Any] = {
        "rejected": None,
        "error": None if error is None else _in_short(error),
    }
    if retried is not None and not retried.left:
        values |= {"rejected": json.dumps(retried.rejected), "completed": outcome.ingested}
        values |= {"failed": 0, "requests_failed": 0}
    elif job is not None:
        values |= {
            "completed": job.ingestions_completed,
            "failed": job.ingestions_failed,
            "requests_failed": job.requests_failed,
        }
    return "completed" if outcome.status == "completed" else "failed", values


async def _digest_of(body: ChunkBody) -> str | None:
    """The digest of a body in memory; None for a plain file, which its stamp identifies."""
    if isinstance(body, FilePieces):
        return None
    if isinstance(body, HeldRows):
        return await body.holder.digest(body.pieces)
    if body.size < _AT_ONCE:
        return _digest(body)
    return await asyncio.to_thread(_digest, body)


def _digest(body: Blocks) -> str:
    digest = hashlib.sha256()
    for block in body.blocks:
        digest.update(block)
    return digest.hexdigest()


def _in_short(error: AppcuesError) -> str:
    """An error without what the server said, which may quote what was sent."""
    kind = type(error).__name__
    return kind if error.status is None else f"{kind} ({error.status})"
