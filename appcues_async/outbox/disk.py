"""A store on disk: one SQLite file for any number of processes.

All that comes together in a process is one transaction of it. Processes take turns by a lock of the
kernel (`Locks.turn`), since SQLite's own waiting sleeps for longer and longer; and what was written is
synced after the turn, by all of them at the same time, with the same guarantee as `synchronous=FULL`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import define, field, frozen

from appcues_async.bulk.journal.file import as_input_errors, connect, locks_of
from appcues_async.bulk.journal.locks import Locks
from appcues_async.bulk.spec import Account
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.errors import InvalidInput
from appcues_async.outbox import forks, tables
from appcues_async.outbox.journal import DiskBatches, key_of
from appcues_async.outbox.limits import Limits
from appcues_async.outbox.rows import KindName, Row
from appcues_async.outbox.store import FailedBatch, OutboxGauges, Pending, Waiting

__all__ = ["DiskStore"]

SENDER: Final = 1 << 30
"""The lock of the process that sends, beyond those of all runs."""
_TOGETHER: Final = 1_000
"""Rows of one transaction at the most."""
_LOOK_AGAIN: Final = 0.05
"""Seconds between two looks for room."""
_LOG: Final = 4_000_000
"""Bytes of the log of SQLite from which on the process that sends empties it."""
_LOG_PAGES: Final = 20_000
"""Pages of the log from which on any process does."""
_UNUSED: Final = 16_000_000
"""Bytes of the file that hold nothing, up to which they are kept for rows to come."""

T = TypeVar("T")


@define(eq=False)
class _Put:
    """A row that is to be written.

    Attributes:
        row: The row.
        done: Is resolved when the row is on the disk.
        until: Until when it waits for room, once it has to.
    """

    row: Row
    done: asyncio.Future[None]
    until: float | None = None


@frozen(eq=False)
class _Resting:
    """A thread that has closed its file, while this process forks."""

    thread: ThreadPoolExecutor
    close: Callable[[], object]
    reopen: Callable[[], object]
    closed: threading.Event = field(factory=threading.Event)
    forked: threading.Event = field(factory=threading.Event)

    def rest(self) -> None:
        try:
            self.close()
        finally:
            self.closed.set()
            self.forked.wait()
        # Whoever uses it next is told where that has failed.
        with suppress(InvalidInput):
            self.reopen()


class DiskStore:
    """Rows in a file that outlasts the process, and may be shared by several."""

    def __init__(self, path: Path, account: Account, limits: Limits) -> None:
        """Opens nothing yet.

        Args:
            path: The file.
            account: Whose rows these are.
            limits: How much is held at the most.
        """
        # SQLite follows links, and so must the locks beside it.
        self.path: Path = Path(os.path.realpath(path))
        self._account = account
        self._limits = limits
        self._clock = account.clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="appcues-outbox")
        self._db: sqlite3.Connection | None = None
        self._log: int | None = None
        self._locks: Locks | None = None
        self._sending: Locks | None = None
        self._queue: deque[_Put] = deque()
        self._writing = False
        self._closing = False
        self._batches: list[DiskBatches] = []
        self._resting: list[_Resting] = []

    async def open(self) -> None:
        """Opens the file, or makes one."""
        await self._call(self._open)
        forks.watch(self)

    async def put(self, row: Row) -> None:
        """Keeps a row; returns when it is on the disk."""
        put = _Put(row, asyncio.get_running_loop().create_future())
        self._queue.append(put)
        self._write_soon()
        await put.done

    async def look(self) -> Waiting:
        """The rows that wait."""
        return await self._call(self._read, tables.look)

    async def urge(self) -> int:
        """Asks that all that was put is sent now; returns the number of the last row."""
        return await self._call(self._changed, tables.urge)

    async def pending(self, last: int) -> Pending:
        """The rows up to a number that are not done."""
        return await self._call(self._read, tables.pending, last)

    async def failed(self) -> Sequence[FailedBatch]:
        """The batches that are kept aside."""
        return await self._call(self._read, tables.failed_batches)

    async def gauges(self) -> OutboxGauges:
        """The state of the store."""
        counts = await self._call(self._read, tables.counts)
        now = self._clock.now().timestamp()
        return OutboxGauges(
            waiting=counts.rows - counts.accepted - counts.aside,
            accepted=counts.accepted,
            oldest=0.0 if counts.oldest is None else max(0.0, now - counts.oldest),
            sent=counts.sent,
            failed=counts.aside,
            dropped=self._limits.dropped,
            bytes=counts.bytes,
            sending=self._sending is not None,
        )

    async def begin(self, kind: KindName, uploader: ChunkUploader) -> DiskBatches:
        """Takes up the batches of a kind, in the process that sends."""
        account = self._account
        batches = await DiskBatches.open(
            self.path,
            key_of(kind, uploader),
            origin=account.origin,
            account_id=account.id,
            clock=account.clock,
            on_step=self._limits.on_step,
        )
        batches.prepare(kind)
        self._batches.append(batches)
        return batches

    def others_send(self) -> bool:
        """Whether another process sends."""
        return self._sending is None and self._locks is not None and self._locks.is_held(SENDER)

    def take_sending(self) -> bool:
        """Becomes the process that sends; says whether it could."""
        locks = Locks(locks_of(self.path))
        if locks.acquire(SENDER):
            self._sending = locks
            return True
        locks.close()
        return False

    async def leave_sending(self) -> None:
        """Gives the sending to whoever wants it."""
        batches, self._batches = self._batches, []
        try:
            for one in batches:
                await one.close()
        finally:
            if self._sending is not None:
                self._sending.close()
                self._sending = None

    async def tidy(self) -> None:
        """Keeps the file small."""
        for one in self._batches:
            await one.tidy()

    async def shrink(self) -> None:
        """Empties the log of SQLite, and gives back unused room of the file, where either is much."""
        for one in self._batches[:1]:
            await one.empty_log(_LOG)
            await one.give_back_room(_UNUSED)

    async def close(self) -> None:
        """Closes the file, once what was put is written."""
        self._closing = True
        await self.leave_sending()
        if self._queue:
            await asyncio.wait([one.done for one in self._queue])
        try:
            # Behind what is being written.
            await self._call(self._close)
        finally:
            self._thread.shutdown(wait=False)

    # --- writing ---------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        if self._writing or not self._queue:
            return
        self._writing = True
        some = [self._queue.popleft() for _ in range(min(len(self._queue), _TOGETHER))]
        loop = asyncio.get_running_loop()
        writing = self._thread.submit(self._write, [one.row for one in some])

        def written(done: Future[int]) -> None:
            # The loop may have been closed by a program that ends in a hurry.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._written, some, done)

        writing.add_done_callback(written)

    def _written(self, some: Sequence[_Put], writing: Future[int]) -> None:
        self._writing = False
        if (error := writing.exception()) is not None:
            for one in some:
                if not one.done.done():
                    again = InvalidInput(str(error)) if isinstance(error, InvalidInput) else error
                    one.done.set_exception(again)
        else:
            fit = writing.result()
            for one in some[:fit]:
                if not one.done.done():
                    one.done.set_result(None)
            if fit < len(some):
                self._refuse(some[fit:])
                return
        self._write_soon()

    def _refuse(self, some: Sequence[_Put]) -> None:
        """Does with rows that find no room as the limits say."""
        now = self._clock.time()
        waiting: list[_Put] = []
        for one in some:
            if one.until is None:
                one.until = now + self._limits.patience
            if one.done.done():
                # Nobody waits for it, and it was never promised.
                continue
            if self._limits.on_full == "wait" and now < one.until and not self._closing:
                waiting.append(one)
            elif self._limits.on_full == "drop":
                self._limits.drop()
                one.done.set_result(None)
            else:
                one.done.set_exception(self._limits.error())
        self._limits.tell_full()
        if not waiting:
            self._write_soon()
            return
        self._queue.extendleft(reversed(waiting))
        self._writing = True

        def again() -> None:
            self._writing = False
            self._write_soon()

        self._clock.call_later(_LOOK_AGAIN, again)

    def _write(self, rows: Sequence[Row]) -> int:
        """Writes rows, in the thread; returns how many had room."""
        fit = 0
        with self._change() as db:
            held = tables.held(db)
            fit = self._limits.fit(rows, held.rows, held.bytes)
            if fit:
                tables.add_rows(db, rows[:fit], self._clock.now().timestamp())
        if fit:
            self._sync()
        return fit

    def _changed(self, change: Callable[..., T], *args: Any) -> T:
        with self._change() as db:
            return change(db, *args)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        assert self._locks is not None  # noqa: S101 - it is open
        with as_input_errors(self.path), self._locks.turn():
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _sync(self) -> None:
        """Sees that all that was committed is on the disk, as SQLite would have within the turn."""
        with as_input_errors(self.path):
            if self._log is None:
                self._log = os.open(f"{self.path}-wal", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            getattr(os, "fdatasync", os.fsync)(self._log)

    # --- the file --------------------------------------------------------------------------------

    def _open(self) -> None:
        with as_input_errors(self.path):
            self._locks = Locks(locks_of(self.path))
        with self._locks.turn():
            self._connection()
        with self._change() as db:
            tables.make_tables(db)

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            account, now = self._account, self._clock.now().timestamp()
            db = connect(self.path, now=now, origin=account.origin, account_id=account.id)
            # Rows are synced after the transaction; see `_sync`.
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            self._db = db
        return self._db

    def _read(self, question: Callable[..., T], *args: Any) -> T:
        with as_input_errors(self.path):
            return question(self._connection(), *args)

    def _let_go(self) -> None:
        if self._log is not None:
            os.close(self._log)
            self._log = None
        if self._db is not None:
            self._db.close()
            self._db = None

    def _close(self) -> None:
        try:
            self._let_go()
        finally:
            if self._locks is not None:
                self._locks.close()
                self._locks = None

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        # Shielded, so that what has begun ends.
        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(function, *args)))

    # --- forks -----------------------------------------------------------------------------------

    def pause(self) -> None:
        """Closes the file in all threads, before this process forks."""
        if self._locks is None:
            return
        self._resting = [_Resting(self._thread, self._let_go, self._connection)]
        for one in self._batches:
            self._resting.append(_Resting(one.thread, one.let_go, one.take_up))
        for resting in self._resting:
            with suppress(RuntimeError):
                resting.thread.submit(resting.rest)
                resting.closed.wait()

    def resume(self) -> None:
        """Opens it again."""
        for resting in self._resting:
            resting.forked.set()
        self._resting = []

    def disown(self) -> None:
        """Leaves everything as it is; it is the parent's."""
