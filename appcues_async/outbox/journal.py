"""The batches of one kind in the store of an outbox: chunks of one run of a bulk journal.

A run of the journal never ends here, and the rows of its chunks are in the same file: what happens to a
chunk and what happens to its rows is one transaction. Chunks that have ended are kept for about an hour,
so that nobody takes their jobs for those of a lost answer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import evolve

from appcues_async.bulk.chunks import RequestRows
from appcues_async.bulk.journal.file import as_input_errors
from appcues_async.bulk.journal.records import ChunkRecord, RunKey
from appcues_async.bulk.journal.run_journal import RunJournal, end_of
from appcues_async.bulk.journal.store import Journal
from appcues_async.bulk.planner import PlannedChunk
from appcues_async.bulk.report import Outcome
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import Clock
from appcues_async.errors import OutcomeUnknown
from appcues_async.outbox import tables
from appcues_async.outbox.rows import BATCH_BYTES, Kept, KindName, Line, lines_of
from appcues_async.outbox.store import Batch, FailedBatch, FailedStatus, Verdict
from appcues_async.rows.file_head import MEDIA
from appcues_async.wire.request import Blocks

__all__ = ["DiskBatches", "OutboxJournal", "batch_of", "key_of"]

SOURCE: Final = "outbox"
KEPT: Final = 2_000
"""Chunks of a run that are kept after their end: more than an hour's worth of one each two seconds."""
PIECE: Final = 500
"""Rows, or pages of the file, that are changed in one transaction: whoever puts a row waits for it."""
_PAGE: Final = 4_096
"""Bytes of a page of SQLite, as it is made."""
_ENDED: Final = "('completed', 'failed')"


def key_of(kind: KindName, uploader: ChunkUploader) -> RunKey:
    """The run of an outbox's batches of one kind."""
    return RunKey(
        kind=uploader.kind,
        unsafe=uploader.is_unsafe,
        endpoint=uploader.path,
        sources=[SOURCE],
        fingerprint=[None],
        options={"outbox": kind},
        limits=[BATCH_BYTES],
    )


def batch_of(
    kind: KindName,
    number: int,
    lines: Sequence[Line],
    record: ChunkRecord | None = None,
) -> Batch:
    """Makes a batch of its lines."""
    seqs = [seq for line in lines for seq in line.seqs]
    body = Blocks([b"".join(line.body for line in lines)], MEDIA["ndjson"])
    chunk = RequestRows(f"{SOURCE}, {kind}", min(seqs), max(seqs), len(lines), body)
    users = frozenset(line.user for line in lines)
    return Batch(PlannedChunk(number, chunk, record), users, len(seqs))


class OutboxJournal(Journal):
    """The file of an outbox, for the batches of one kind; used by one thread only."""

    @contextmanager
    def change(self, *, durably: bool = True) -> Iterator[sqlite3.Connection]:
        """Makes one transaction of what is changed within; one in another is part of it.

        Args:
            durably: Whether it is to be on the disk at the end; else it is with the next one that is.
        """
        with as_input_errors(self.path):
            if self._db.in_transaction:
                yield self._db
                return
            if not durably:
                self._db.execute("PRAGMA synchronous = NORMAL")
            try:
                with self._locks.turn(), super().change():
                    yield self._db
            finally:
                if not durably:
                    self._db.execute("PRAGMA synchronous = FULL")

    def read(self) -> sqlite3.Connection:
        """The connection to read with."""
        return self._db

    def let_go(self) -> None:
        """Closes the file before this process forks; the locks stay."""
        self._db.close()

    def take_up(self) -> None:
        """Opens it again."""
        self._db = self._connect(self._clock.now().timestamp())
        self._claims.read_with(self._db)

    def empty_log(self, most: int) -> None:
        """Moves what is in the log to its place, if it has more than so many bytes."""
        log = Path(f"{self.path}-wal")
        with as_input_errors(self.path):
            if not log.exists() or log.stat().st_size <= most:
                return
            # Most of it while others write, and the rest while none does: then it begins anew.
            _, pages, _ = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages * _PAGE > most:
                with self._locks.turn():
                    self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def give_back_room(self, most: int) -> None:
        """Makes the file a little smaller, if more than so many bytes and half of it are unused."""
        with as_input_errors(self.path):
            (unused,) = self._db.execute("PRAGMA freelist_count").fetchone()
            (pages,) = self._db.execute("PRAGMA page_count").fetchone()
            if unused * _PAGE <= most or unused * 2 <= pages:
                return
            # A few pages at a time, since putters wait for it. Only a script goes beyond the first.
            with self._locks.turn():
                self._db.executescript(f"PRAGMA incremental_vacuum({PIECE})")

    def _connect(self, now: float) -> sqlite3.Connection:
        """Opens the file; emptying its log is left to `empty_log`, which holds up nobody."""
        db = super()._connect(now)
        db.execute("PRAGMA wal_autocheckpoint = 0")
        return db


class DiskBatches(RunJournal):
    """The batches of one kind, and what becomes of them."""

    journal_type: type[Journal] = OutboxJournal
    _journal: OutboxJournal
    kind: KindName
    _lost: int = 0

    def prepare(self, kind: KindName) -> None:
        """Says of which kind they are, once they are open."""
        self.kind = kind
        for number, record in list(self.records.items()):
            if record.status in {"completed", "failed"}:
                del self.records[number]

    @property
    def journal(self) -> RunJournal:
        """Where they are written down."""
        return self

    async def unfinished(self) -> Sequence[Batch]:
        """The batches that an earlier process has left."""
        return await self._call(self._unfinished)

    async def waiting(self, busy: Collection[str], most: int) -> Sequence[Kept]:
        """The rows that wait, in their order, up to so many bytes; see `Batches`."""
        return await self._call(self._waiting, busy, most)

    async def plan_batch(self, lines: Sequence[Line], *, shared: bool) -> Batch | None:
        """Makes a batch of rows that wait; see `Batches`."""
        batch = await self._call(self._plan_batch, lines, shared)
        if batch is not None:
            self.step("planned", batch.planned.number)
        return batch

    async def end(self, outcome: Outcome) -> None:
        """Leaves the end of a chunk to `settle`, which writes it with what becomes of its rows."""

    def accepted(self, batch: Batch) -> None:
        """Is written down already."""

    async def settle(self, batch: Batch, outcome: Outcome, verdict: Verdict, reason: str) -> None:
        """Writes down how a batch has ended, and what becomes of its rows."""
        await self._call(self._settle, batch, outcome, verdict, reason)
        number = batch.planned.number
        self.records.pop(number, None)
        if verdict == "done":
            self.step("completed", number)

    async def tidy(self) -> None:
        """Forgets what is no evidence any more."""
        await self._call(self._tidy)

    async def empty_log(self, most: int) -> None:
        """Moves what is in the log of SQLite to its place, if the log has more than so many bytes."""
        await self._call(self._journal.empty_log, most)

    async def give_back_room(self, most: int) -> None:
        """Makes the file a little smaller, if more than so many bytes and half of it are unused."""
        await self._call(self._journal.give_back_room, most)

    @property
    def thread(self) -> ThreadPoolExecutor:
        """The thread that has the file open."""
        return self._thread

    def let_go(self) -> None:
        """Closes the file, in its thread, before this process forks."""
        self._journal.let_go()

    def take_up(self) -> None:
        """Opens it again, in its thread."""
        self._journal.take_up()

    def _unfinished(self) -> list[Batch]:
        found: list[Batch] = []
        with as_input_errors(self.path):
            db = self._journal.read()
            for half in tables.half_done(db, self.kind):
                state: tables.ClearingState = "done" if half.state == "done" else "again"
                if half.state == "planning":
                    with self._journal.change():
                        self._journal.drop(self.run, half.number)
                        tables.begin_clearing(db, half, state)
                self.records.pop(half.number, None)
                self._clear(half, state)
            for number, record in self.records.items():
                rows = tables.rows_of_batch(db, number)
                if rows:
                    found.append(batch_of(self.kind, number, lines_of(self.kind, rows), record))
        return found

    def _waiting(self, busy: Collection[str], most: int) -> list[Kept]:
        with as_input_errors(self.path):
            return tables.kept_rows(self._journal.read(), self.kind, busy, most)

    def _plan_batch(self, lines: Sequence[Line], shared: bool) -> Batch | None:
        # All that takes time is done before and after the turn of this process, or in small pieces:
        # whoever puts a row waits for the turn.
        seqs = sorted(seq for line in lines for seq in line.seqs)
        size = sum(line.put for line in lines)
        batch = batch_of(self.kind, 0, lines)
        options = {"unsafe": self._key.unsafe, "shared": shared}
        journal = self._journal
        with journal.change() as db:
            number = tables.next_number(db)
            record = _record_of(batch, number)
            if not journal.plan(self.run, record, self.now(), **options):
                return None
            tables.begin_batch(db, number, self.kind, seqs, size)
        for start in range(0, len(seqs), PIECE):
            with journal.change(durably=False) as db:
                tables.mark_rows(db, number, seqs[start : start + PIECE])
        with journal.change() as db:
            tables.end_planning(db, number)
        return evolve(batch, planned=evolve(batch.planned, number=number, record=record))

    def _settle(self, batch: Batch, outcome: Outcome, verdict: Verdict, reason: str) -> None:
        number = batch.planned.number
        journal, run = self._journal, self.run
        with journal.change() as db:
            if outcome.status in {"completed", "failed"}:
                status, values = end_of(outcome)
                journal.move(run, number, status, self.now(), **values)
            elif outcome.status == "refused":
                # Nothing was started, so nothing can be found.
                journal.drop(run, number)
            elif verdict == "again":
                journal.drop(run, number, lost=True)
            found = tables.find_batch(db, number)
            if verdict == "aside":
                tables.set_aside(db, failed_batch(self.kind, batch, outcome, reason, self._clock))
            elif verdict != "keep" and found is not None:
                tables.begin_clearing(db, found, verdict)
        if verdict in {"done", "again"} and found is not None:
            self._clear(found, "done" if verdict == "done" else "again")

    def _clear(self, batch: tables.BatchRecord, state: tables.ClearingState) -> None:
        """Does with the rows of a batch what was decided, in small pieces."""
        for first in range(batch.first, batch.last + 1, PIECE):
            last = min(batch.last, first + PIECE - 1)
            with self._journal.change(durably=False) as db:
                tables.clear_rows(db, batch, state, first, last)
        with self._journal.change(durably=False) as db:
            tables.forget_batch(db, batch.number)

    def _tidy(self) -> None:
        run = self.run
        with self._journal.change() as db:
            db.execute(
                f"DELETE FROM chunks WHERE run = :run AND status IN {_ENDED} AND number <= "  # noqa: S608
                f"(SELECT number FROM chunks WHERE run = :run AND status IN {_ENDED} "
                "ORDER BY number DESC LIMIT 1 OFFSET :kept) "
                "AND number NOT IN (SELECT batch FROM aside)",
                {"run": run.id, "kept": KEPT},
            )
            db.execute(
                "DELETE FROM sessions WHERE run = :run AND id <> :session "
                "AND id NOT IN (SELECT session FROM chunks WHERE run = :run AND session IS NOT NULL)",
                {"run": run.id, "session": run.session},
            )
            # What was lost before the last time is older than any job that could be its own.
            db.execute("DELETE FROM requests WHERE run = ? AND id <= ?", (run.id, self._lost))
            (self._lost,) = db.execute(
                "SELECT coalesce(max(id), 0) FROM requests WHERE run = ?", (run.id,)
            ).fetchone()


def _record_of(batch: Batch, number: int) -> ChunkRecord:
    chunk = batch.planned.chunk
    return ChunkRecord(
        number=number,
        source=SOURCE,
        first=chunk.first,
        last=chunk.last,
        rows=chunk.rows,
        bytes=chunk.body.size,
    )


def failed_batch(
    kind: KindName, batch: Batch, outcome: Outcome, reason: str, clock: Clock
) -> FailedBatch:
    """Makes the record of a batch that is kept aside."""
    status: FailedStatus = "failed"
    if outcome.status == "refused":
        status = "refused"
    elif outcome.status == "unknown" or isinstance(outcome.error, OutcomeUnknown):
        status = "unknown"
    return FailedBatch(
        batch=batch.planned.number,
        kind=kind,
        status=status,
        reason=reason,
        rows=batch.put,
        job=None if outcome.handle is None else outcome.handle.id,
        at=clock.now(),
    )
