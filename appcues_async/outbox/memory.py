"""A store in memory: as quick as can be, and gone with the process."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from attrs import define, evolve, field

from appcues_async.bulk.report import Outcome
from appcues_async.bulk.spec import Account
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import sleep_on
from appcues_async.outbox.journal import batch_of, failed_batch
from appcues_async.outbox.limits import Limits
from appcues_async.outbox.rows import KINDS, Kept, KindName, Line, Row
from appcues_async.outbox.store import Batch, FailedBatch, OutboxGauges, Pending, Verdict, Waiting
from appcues_async.outbox.tables import SAMPLE

__all__ = ["MemoryStore"]

_LOOK_AGAIN: Final = 0.02
"""Seconds between two looks for room."""


@define
class _Sent:
    """A batch that is not done."""

    kind: KindName
    rows: Sequence[Kept]
    size: int
    put: float
    accepted: bool = False
    failed: FailedBatch | None = None


class MemoryStore:
    """Rows in the memory of one process."""

    def __init__(self, account: Account, limits: Limits) -> None:
        """Begins with none.

        Args:
            account: Whose rows these are.
            limits: How much is held at the most.
        """
        self._clock = account.clock
        self._limits = limits
        self._waiting: dict[KindName, dict[int, tuple[Kept, float]]] = {kind: {} for kind in KINDS}
        self._batches: dict[int, _Sent] = {}
        self._last = self._flush = self._number = 0
        self._rows = self._bytes = self._waiting_bytes = self._done = 0
        self._sending = False

    async def open(self) -> None:
        """Needs nothing."""

    async def put(self, row: Row) -> None:
        """Keeps a row."""
        if not self._limits.fit((row,), self._rows, self._bytes) and not await self._room_for(row):
            return
        self._last += 1
        size = len(row.body)
        self._rows, self._bytes = self._rows + 1, self._bytes + size
        self._waiting_bytes += size
        now = self._clock.now().timestamp()
        self._waiting[row.kind][self._last] = Kept(self._last, row.user, row.body), now

    async def look(self) -> Waiting:
        """The rows that wait."""
        firsts = [next(iter(waiting.values())) for waiting in self._waiting.values() if waiting]
        rows = sum(map(len, self._waiting.values()))
        oldest = min((put for _, put in firsts), default=None)
        first = min((row.seq for row, _ in firsts), default=0)
        return Waiting(rows, first, self._waiting_bytes, oldest, self._flush)

    async def urge(self) -> int:
        """Asks that all that was put is sent now; returns the number of the last row."""
        self._flush = self._last
        return self._last

    async def pending(self, last: int) -> Pending:
        """The rows up to a number that are not done."""
        unsent = any(next(iter(one), last + 1) <= last for one in self._waiting.values())
        mine = [one for one in self._batches.values() if one.rows[0].seq <= last]
        under_way = [one for one in mine if one.failed is None]
        return Pending(
            unsent or not all(one.accepted for one in under_way),
            any(one.accepted for one in under_way),
            [one.failed for one in mine if one.failed is not None],
        )

    async def failed(self) -> Sequence[FailedBatch]:
        """The batches that are kept aside."""
        return [one.failed for one in self._batches.values() if one.failed is not None]

    async def gauges(self) -> OutboxGauges:
        """The state of the store."""
        waiting = await self.look()
        now = self._clock.now().timestamp()
        batches = self._batches.values()
        unsent = [one.put for one in batches if not one.accepted and one.failed is None]
        if waiting.oldest is not None:
            unsent.append(waiting.oldest)
        failed = sum(len(one.rows) for one in batches if one.failed is not None)
        accepted = sum(len(one.rows) for one in batches if one.accepted and one.failed is None)
        return OutboxGauges(
            waiting=self._rows - failed - accepted,
            accepted=accepted,
            oldest=max(0.0, now - min(unsent, default=now)),
            sent=self._done,
            failed=failed,
            dropped=self._limits.dropped,
            bytes=self._bytes,
            sending=self._sending,
        )

    async def begin(self, kind: KindName, uploader: ChunkUploader) -> _MemoryBatches:  # noqa: ARG002
        """Takes up the batches of a kind."""
        return _MemoryBatches(self, kind)

    def others_send(self) -> bool:
        """Whether another process sends; none knows of these rows."""
        return False

    def take_sending(self) -> bool:
        """Becomes the one that sends."""
        self._sending = True
        return True

    async def leave_sending(self) -> None:
        """Ends the sending."""
        self._sending = False

    async def tidy(self) -> None:
        """Needs nothing."""

    async def shrink(self) -> None:
        """Needs nothing."""

    async def close(self) -> None:
        """Needs nothing."""

    async def _room_for(self, row: Row) -> bool:
        """Waits for room, or does with the row as the limits say; says whether there is room."""
        limits = self._limits
        until = self._clock.time() + limits.patience
        while not limits.fit((row,), self._rows, self._bytes):
            if limits.on_full == "drop":
                limits.drop()
                limits.tell_full()
                return False
            limits.tell_full()
            if limits.on_full == "raise" or self._clock.time() >= until:
                raise limits.error()
            await sleep_on(self._clock, _LOOK_AGAIN)
        return True

    def take(self, kind: KindName, lines: Sequence[Line]) -> Batch:
        """Makes a batch of rows that wait."""
        self._number += 1
        waiting = self._waiting[kind]
        seqs = sorted(seq for line in lines for seq in line.seqs)
        oldest = waiting[seqs[0]][1]
        rows = [waiting.pop(seq)[0] for seq in seqs]
        size = sum(len(row.body) for row in rows)
        self._waiting_bytes -= size
        self._batches[self._number] = _Sent(kind, rows, size, oldest)
        return batch_of(kind, self._number, lines)

    def accept(self, number: int) -> None:
        """Notes that a batch was accepted."""
        self._batches[number].accepted = True

    def finish(self, number: int) -> None:
        """Lets the rows of a batch go."""
        sent = self._batches.pop(number)
        self._rows -= len(sent.rows)
        self._bytes -= sent.size
        self._done += len(sent.rows)

    def send_again(self, number: int) -> None:
        """Lets the rows of a batch wait for another one."""
        sent = self._batches.pop(number)
        back = {row.seq: (row, sent.put) for row in sent.rows}
        waiting = self._waiting[sent.kind]
        self._waiting[sent.kind] = dict(sorted({**back, **waiting}.items()))
        self._waiting_bytes += sent.size

    def set_aside(self, failed: FailedBatch) -> None:
        """Keeps the rows of a batch aside."""
        sent = self._batches[failed.batch]
        sample: list[dict[str, Any]] = [msgspec.json.decode(row.body) for row in sent.rows[:SAMPLE]]
        sent.failed = evolve(failed, sample=sample)

    def rows(self, kind: KindName, busy: Collection[str], most: int) -> list[Kept]:
        """The rows that wait, in their order, up to so many bytes."""
        found: list[Kept] = []
        size = 0
        for row, _ in self._waiting[kind].values():
            if row.user in busy:
                continue
            size += len(row.body)
            if found and size > most:
                break
            found.append(row)
        return found

    @property
    def clock(self) -> Any:
        """The clock to measure by."""
        return self._clock


@define(eq=False)
class _MemoryBatches:
    """The batches of one kind."""

    _store: MemoryStore
    _kind: KindName
    journal: None = field(default=None, init=False)

    async def unfinished(self) -> Sequence[Batch]:
        return ()

    async def waiting(self, busy: Collection[str], most: int) -> Sequence[Kept]:
        return self._store.rows(self._kind, busy, most)

    async def plan_batch(self, lines: Sequence[Line], *, shared: bool) -> Batch | None:  # noqa: ARG002
        return self._store.take(self._kind, lines)

    def accepted(self, batch: Batch) -> None:
        self._store.accept(batch.planned.number)

    async def settle(self, batch: Batch, outcome: Outcome, verdict: Verdict, reason: str) -> None:
        number = batch.planned.number
        match verdict:
            case "done":
                self._store.finish(number)
            case "again":
                self._store.send_again(number)
            case "aside":
                clock = self._store.clock
                self._store.set_aside(failed_batch(self._kind, batch, outcome, reason, clock))
            case "keep":
                await asyncio.sleep(0)
