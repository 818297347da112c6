"""A journal: chunks intended, accepted and finished, in a file that outlasts the process: SQLite.

A journal belongs to one account on one server, and may be shared by any number of runs and processes
of it. It holds no row and no secret: names and sizes of sources, row numbers, counts, digests and job
ids. Each change is on the disk before the call returns (WAL, synchronous=FULL). The calls block:
`run_journal.py` makes them in a thread of their own.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from appcues_async.bulk.journal.claims import Claims
from appcues_async.bulk.journal.file import as_input_errors, connect, locks_of, moment_text, stored
from appcues_async.bulk.journal.locks import Locks
from appcues_async.bulk.journal.records import (
    ALLOWED_FROM,
    ChunkRecord,
    ChunkState,
    Run,
    RunKey,
)
from appcues_async.bulk.journal.same_run import differences, moved_source, names_of
from appcues_async.clock import Clock, SystemClock
from appcues_async.errors import InvalidInput
from appcues_async.recovery.evidence import Claim, Owned

__all__ = ["Journal"]

_TRIES: Final = 10
_RECORD: Final = [one.name for one in attrs.fields(ChunkRecord)]


class Journal:
    """An open journal, for one run; used by one thread only."""

    def __init__(
        self,
        path: Path,
        *,
        origin: str,
        account_id: str,
        now: float,
        clock: Clock | None = None,
    ) -> None:
        """Opens a journal, or makes one.

        Args:
            path: Its file.
            origin: The server.
            account_id: The account.
            now: The moment, in seconds since 1970.
            clock: The clock that is never set, by which this process shows that it lives.

        Raises:
            InvalidInput: It cannot be opened or written, is damaged or no journal, was made by a newer
                release, or belongs to another account.
        """
        # SQLite follows links, and so must the locks beside it.
        self.path: Path = Path(os.path.realpath(path))
        self._account = {"origin": origin, "account_id": account_id}
        self._db = self._connect(now)
        self._clock = clock or SystemClock()
        try:
            with as_input_errors(self.path):
                (journal_id,) = self._db.execute("SELECT id FROM journal").fetchone()
                self._locks = Locks(locks_of(self.path))
                self._claims = Claims(self._db, journal_id, self._locks)
        except BaseException:
            self._db.close()
            raise
        self._session: int | None = None

    def begin(self, plan: RunKey, now: float) -> Run:
        """Takes a run up, or makes it, for this process alone.

        Raises:
            InvalidInput: Another process has it, or its sources or options are not what they were.
        """
        with self.change() as db:
            run_id = self._found(plan) or self._made(plan, now)
            if not self._acquired(run_id):
                raise InvalidInput(self._held_by(run_id))
            found = db.execute(
                "SELECT fingerprint, options, limits, chunks FROM runs WHERE id = ?", (run_id,)
            ).fetchone()
            if differs := differences(
                plan, stored(self.path, found[0], list), stored(self.path, found[1], dict)
            ):
                raise InvalidInput(
                    f"the journal {self.path} has these sources with other content or options: "
                    f"{'; '.join(differs)}. Give them as they were to go on with that run, or name "
                    "another journal to upload all of it afresh"
                )
            alive = self._clock.time()
            mine = (run_id, os.getpid(), socket.gethostname(), now, now, alive, "[]")
            session = db.execute(
                "INSERT INTO sessions (run, pid, host, started, heartbeat, alive, before) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                mine,
            ).lastrowid
            limits = stored(self.path, found[2], list)
        assert session is not None  # noqa: S101 - SQLite numbers what it takes in
        self._session = session
        return Run(id=run_id, session=session, limits=limits, chunks=found[3])

    def records(self, run: Run) -> list[ChunkRecord]:
        """The chunks of a run so far, in order."""
        with as_input_errors(self.path):
            return _records(self._db, run.id)

    def claim_of(self, run: Run, record: ChunkRecord, kind: str) -> Claim:
        """The claim of a chunk that a process which is no more was about to send."""
        with as_input_errors(self.path):
            return self._claims.of(run.id, record, kind)

    def claim_id(self, run: Run, number: int) -> str:
        """The id of the claim of a chunk."""
        return self._claims.id_of(run.id, number)

    def note_jobs(self, run: Run, before: Collection[str], now: float) -> None:
        """Keeps which jobs were listed before anything was sent."""
        with self.change() as db:
            db.execute(
                "UPDATE sessions SET before = ? WHERE id = ?",
                (json.dumps(sorted(before)), run.session),
            )
            self._beat(now)

    def plan(
        self, run: Run, record: ChunkRecord, now: float, *, unsafe: bool, shared: bool = False
    ) -> bool:
        """Takes in a chunk that was cut.

        Args:
            run: The run.
            record: The chunk.
            now: The moment, in seconds since 1970.
            unsafe: Whether it must not be applied twice.
            shared: Whether its row count may be that of another chunk.

        Returns:
            Whether it was; not where a chunk that is not settled has its row count.
        """
        values = (run.id, *(getattr(record, name) for name in _RECORD))
        marks = ", ".join("?" * len(values))
        with self.change() as db:
            if not shared and self._claims.has_row_count(record.rows, unsafe=unsafe):
                return False
            db.execute(
                f"INSERT INTO chunks (run, {', '.join(_RECORD)}) VALUES ({marks})",  # noqa: S608
                values,
            )
            self._beat(now)
        return True

    def row_counts(self, *, unsafe: bool) -> tuple[frozenset[int], frozenset[int]]:
        """The row counts that are taken.

        Args:
            unsafe: Whether they are taken for chunks that must not be applied twice.

        Returns:
            Those of chunks that a process is at, and those of chunks that nobody settles.
        """
        with as_input_errors(self.path):
            return self._claims.row_counts(unsafe=unsafe)

    def move(self, run: Run, number: int, status: ChunkState, now: float, **values: Any) -> None:
        """Moves a chunk on.

        Args:
            run: The run.
            number: The chunk.
            status: What it becomes.
            now: The moment, in seconds since 1970.
            values: What else is known of it now.

        Raises:
            InvalidInput: It cannot be written, or the chunk is not where it must be for that.
        """
        before = sorted(ALLOWED_FROM[status])
        changes = {"status": status, **values}
        named = ", ".join(f"{name} = ?" for name in changes)
        marks = ", ".join("?" * len(before))
        with self.change() as db:
            moved = db.execute(
                f"UPDATE chunks SET {named} WHERE run = ? AND number = ? AND status IN ({marks})",  # noqa: S608
                (*changes.values(), run.id, number, *before),
            ).rowcount
            if moved != 1:
                raise InvalidInput(
                    f"the journal {self.path} does not let chunk {number} of run {run.id} become "
                    f"{status}: something else has changed it; nothing more is sent"
                )
            self._beat(now)

    def drop(self, run: Run, number: int, *, lost: bool = False) -> None:
        """Forgets a chunk.

        Args:
            run: Its run.
            number: The chunk.
            lost: Whether it may have started a job; its request is kept then, as by `add_request`.
        """
        with self.change() as db:
            if lost:
                db.execute(
                    "INSERT INTO requests (run, number, rows, times) SELECT run, number, rows, times "
                    "FROM chunks WHERE run = ? AND number = ? AND times IS NOT NULL",
                    (run.id, number),
                )
            db.execute("DELETE FROM chunks WHERE run = ? AND number = ?", (run.id, number))

    def add_request(self, run: Run, number: int, claim: Claim, now: float) -> int:
        """Keeps a request of a chunk beside the chunk's own; until its job is known, it may be any.

        Returns:
            The request's number.
        """
        with self.change() as db:
            added = db.execute(
                "INSERT INTO requests (run, number, rows, times) VALUES (?, ?, ?, ?)",
                (run.id, number, claim.rows, claim.times_text()),
            ).lastrowid
            self._beat(now)
        assert added is not None  # noqa: S101 - SQLite numbers what it takes in
        return added

    def end_request(self, number: int, job: str | None, now: float) -> None:
        """Keeps the job of such a request; None where it has started none."""
        with self.change() as db:
            if job is None:
                db.execute("DELETE FROM requests WHERE id = ?", (number,))
            else:
                db.execute("UPDATE requests SET job = ? WHERE id = ?", (job, number))
            self._beat(now)

    def beat(self, now: float) -> None:
        """Shows that this process is alive."""
        with self.change():
            self._beat(now)

    def finish(self, run: Run, chunks: int) -> None:
        """Notes that the sources have been read to their end."""
        with self.change() as db:
            db.execute("UPDATE runs SET chunks = ? WHERE id = ?", (chunks, run.id))

    def whose(self, listed: Collection[str]) -> Owned:
        """Says whose the listed jobs are, and which requests of any run are not settled."""
        with as_input_errors(self.path):
            jobs = self._db.execute(
                "SELECT c.job, r.kind, c.certain, c.times FROM chunks c JOIN runs r ON r.id = c.run "
                "WHERE c.job IN (SELECT value FROM json_each(:listed)) UNION ALL "
                "SELECT q.job, r.kind, 1, NULL FROM requests q JOIN runs r ON r.id = q.run "
                "WHERE q.job IN (SELECT value FROM json_each(:listed))",
                {"listed": json.dumps(list(listed))},
            ).fetchall()
            claims = [*self._claims.open(), *self._claims.lost()]
        return Owned(
            jobs={job: kind if certain else "" for job, kind, certain, _ in jobs},
            claims=claims,
            heard={
                job: Claim(kind=kind, began=0).with_times(times)
                for job, kind, certain, times in jobs
                if certain and times is not None
            },
        )

    def close(self, now: float) -> None:
        """Ends this process's work on the run."""
        try:
            if self._session is not None:
                with self.change() as db:
                    db.execute("UPDATE sessions SET ended = ? WHERE id = ?", (now, self._session))
                    self._beat(now)
        finally:
            self._locks.close()
            self._db.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Makes one transaction of what is changed within."""
        with as_input_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                # A disk that is full may have ended it already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _connect(self, now: float) -> sqlite3.Connection:
        """Opens the file."""
        return connect(self.path, now=now, **self._account)

    def _acquired(self, run_id: int) -> bool:
        for _ in range(_TRIES):
            if self._locks.acquire(run_id):
                return True
            # Somebody may only have had a look at it.
            time.sleep(0.02)
        return False

    def _beat(self, now: float) -> None:
        self._db.execute(
            "UPDATE sessions SET heartbeat = ?, alive = ? WHERE id = ?",
            (now, self._clock.time(), self._session),
        )

    def _found(self, plan: RunKey) -> int | None:
        """The run of the same sources; one of only some of them would send these twice."""
        runs = self._db.execute(
            "SELECT id, sources, fingerprint FROM runs WHERE endpoint = ?", (plan.endpoint,)
        ).fetchall()
        moved: str | None = None
        for run_id, text, stamps in runs:
            sources = stored(self.path, text, list)
            if sources == list(plan.sources):
                return int(run_id)
            stamped = stored(self.path, stamps, list)
            moved = moved or moved_source(plan, run_id, sources, stamped)
            known = set(sources)
            if both := [name for name in plan.sources if name in known]:
                raise InvalidInput(
                    f"the journal {self.path} has {both[0]} in run {run_id}, whose sources are "
                    f"{names_of(sources)}; give exactly these, in this order, to go on with it, or "
                    "leave out what it has"
                )
        if moved is not None:
            raise InvalidInput(
                f"the journal {self.path} has {moved}; give it by that name to go on with that run, or "
                "name another journal to upload all of it afresh"
            )
        return None

    def _made(self, plan: RunKey, now: float) -> int:
        made = self._db.execute(
            "INSERT INTO runs (kind, unsafe, endpoint, sources, fingerprint, options, limits, started) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                plan.kind,
                plan.unsafe,
                plan.endpoint,
                json.dumps(list(plan.sources)),
                json.dumps(list(plan.fingerprint)),
                json.dumps(dict(plan.options)),
                json.dumps(list(plan.limits)),
                now,
            ),
        ).lastrowid
        assert made is not None  # noqa: S101 - SQLite numbers what it takes in
        return made

    def _held_by(self, run_id: int) -> str:
        holder = self._db.execute(
            "SELECT pid, host, started FROM sessions WHERE run = ? ORDER BY id DESC LIMIT 1",
            (run_id,),
        ).fetchone()
        who = "another process"
        if holder is not None:
            pid, host, started = holder
            who = f"process {pid} on {host} since {moment_text(started)}"
            if pid == os.getpid():
                who = f"another run of this process, since {moment_text(started)}"
        return (
            f"the journal {self.path} has these sources in run {run_id}, which {who} is working on; "
            "wait for it to end, or end it"
        )


def _records(db: sqlite3.Connection, run: int) -> list[ChunkRecord]:
    found = db.execute(
        f"SELECT {', '.join(_RECORD)} FROM chunks WHERE run = ? ORDER BY number",  # noqa: S608
        (run,),
    )
    records = [ChunkRecord(**dict(zip(_RECORD, row, strict=True))) for row in found]
    return [attrs.evolve(record, certain=bool(record.certain)) for record in records]
