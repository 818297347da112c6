"""The tables of an outbox, beside those of the journal in the same file (SQLite).

Each function is one statement or a few of an open transaction, and blocks; who calls it does so in a
thread of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.outbox.rows import KINDS, Kept, KindName, Row
from appcues_async.outbox.store import FailedBatch, FailedStatus, Pending, Waiting

__all__ = [
    "BatchRecord",
    "ClearingState",
    "Counts",
    "Held",
    "add_rows",
    "begin_batch",
    "begin_clearing",
    "check",
    "clear_batch",
    "clear_rows",
    "counts",
    "end_planning",
    "failed_batches",
    "find_batch",
    "forget_batch",
    "half_done",
    "held",
    "kept_rows",
    "look",
    "make_tables",
    "mark_rows",
    "next_number",
    "pending",
    "rows_of_batch",
    "set_aside",
    "urge",
]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS outbox (
    last INTEGER NOT NULL, flush INTEGER NOT NULL, batch INTEGER NOT NULL, rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL, waiting INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL,
    sent INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS rows (
    seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, user TEXT NOT NULL, put REAL NOT NULL,
    body BLOB NOT NULL, batch INTEGER
);
CREATE INDEX IF NOT EXISTS rows_waiting ON rows (kind, seq) WHERE batch IS NULL;
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, state TEXT NOT NULL, rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS aside (
    batch INTEGER PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL, job TEXT, at REAL NOT NULL
);
INSERT INTO outbox SELECT 0, 0, 0, 0, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM outbox);
"""
ClearingState: TypeAlias = Literal["done", "again"]
"""The rows of a batch are deleted, or wait again."""
SAMPLE: Final = 100
"""Rows of a batch that is kept aside that are shown."""


_IN_BATCH: Final = "seq BETWEEN ? AND ? AND batch = ?"
_CHUNKS: Final = """(
    SELECT c.status AS status, b.first AS first, b.rows AS put
    FROM batches b JOIN chunks c ON c.number = b.number JOIN runs r ON r.id = c.run
    WHERE r.sources = '["outbox"]' AND b.state IN ('planning', 'sending')
    AND b.number NOT IN (SELECT batch FROM aside)
)"""
"""The batches on their way, with what the journal has of each; it may hold other runs."""


class BatchRecord(NamedTuple):
    """A batch: how far it is, how much its rows are, and the numbers of the first and the last."""

    number: int
    state: str
    rows: int
    bytes: int
    first: int
    last: int


class Counts(NamedTuple):
    """How many rows there are: that wait, in all, their bytes, sent, kept aside, and accepted.

    And when the oldest was put that is neither accepted nor kept aside.
    """

    waiting: int
    rows: int
    bytes: int
    sent: int
    aside: int
    accepted: int
    oldest: float | None


class Held(NamedTuple):
    """How much a store holds: its rows, and their bytes."""

    rows: int
    bytes: int


def make_tables(db: sqlite3.Connection) -> None:
    """Makes the tables where they are missing, within a transaction."""
    for statement in filter(str.strip, _TABLES.split(";")):
        db.execute(statement)


def check(path: Path, db: sqlite3.Connection) -> None:
    """Makes sure that a journal is that of an outbox.

    Raises:
        InvalidInput: It is not.
    """
    if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'outbox'").fetchone()[0]:
        raise InvalidInput(f"{path} is the journal of bulk runs, and no outbox")


def held(db: sqlite3.Connection) -> Held:
    """How much there is, in whatever state."""
    return Held(*db.execute("SELECT rows, bytes FROM outbox").fetchone())


def add_rows(db: sqlite3.Connection, rows: Sequence[Row], now: float) -> None:
    """Adds rows that wait."""
    size = sum(len(row.body) for row in rows)
    db.execute(
        "UPDATE outbox SET last = last + :rows, rows = rows + :rows, bytes = bytes + :bytes, "
        "waiting = waiting + :rows, waiting_bytes = waiting_bytes + :bytes",
        {"rows": len(rows), "bytes": size},
    )
    (last,) = db.execute("SELECT last FROM outbox").fetchone()
    db.executemany(
        "INSERT INTO rows VALUES (?, ?, ?, ?, ?, NULL)",
        [
            (seq, KINDS.index(row.kind), row.user, now, row.body)
            for seq, row in enumerate(rows, last - len(rows) + 1)
        ],
    )


def look(db: sqlite3.Connection) -> Waiting:
    """The rows that wait for a batch."""
    rows, size, flush = db.execute("SELECT waiting, waiting_bytes, flush FROM outbox").fetchone()
    # The index has an order for each kind.
    found = [
        db.execute(
            "SELECT seq, put FROM rows WHERE kind = ? AND batch IS NULL ORDER BY seq LIMIT 1",
            (kind,),
        ).fetchone()
        for kind in range(len(KINDS))
    ]
    first, oldest = min((one for one in found if one is not None), default=(0, None))
    return Waiting(rows, first, size, oldest, flush)


def urge(db: sqlite3.Connection) -> int:
    """Asks for all rows to be sent now; returns the number of the last."""
    db.execute("UPDATE outbox SET flush = last")
    (last,) = db.execute("SELECT last FROM outbox").fetchone()
    return int(last)


def pending(db: sqlite3.Connection, last: int) -> Pending:
    """The rows up to a number that are not done."""
    waits = [
        db.execute(
            "SELECT EXISTS (SELECT 1 FROM rows WHERE kind = ? AND batch IS NULL AND seq <= ?)",
            (kind, last),
        ).fetchone()[0]
        for kind in range(len(KINDS))
    ]
    states = dict(
        db.execute(
            f"SELECT status, count(*) FROM {_CHUNKS} WHERE first <= ? GROUP BY status",  # noqa: S608
            (last,),
        ).fetchall()
    )
    running = states.pop("accepted", 0)
    (again,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM batches WHERE state = 'again' AND first <= ?)", (last,)
    ).fetchone()
    return Pending(
        any(waits) or bool(states) or bool(again), bool(running), failed_batches(db, last)
    )


def kept_rows(
    db: sqlite3.Connection, kind: KindName, busy: Collection[str], most: int
) -> list[Kept]:
    """The rows that wait, in their order, up to so many bytes."""
    found: list[Kept] = []
    size = 0
    for seq, user, body in db.execute(
        "SELECT seq, user, body FROM rows WHERE kind = ? AND batch IS NULL ORDER BY seq",
        (KINDS.index(kind),),
    ):
        if user in busy:
            continue
        size += len(body)
        if found and size > most:
            break
        found.append(Kept(seq, user, body))
    return found


def next_number(db: sqlite3.Connection) -> int:
    """Takes a number for a batch."""
    db.execute("UPDATE outbox SET batch = batch + 1")
    (number,) = db.execute("SELECT batch FROM outbox").fetchone()
    return int(number)


def begin_batch(
    db: sqlite3.Connection, number: int, kind: KindName, seqs: Sequence[int], size: int
) -> None:
    """Begins a batch of rows that wait; `mark_rows` takes them, and `end_planning` comes after that."""
    db.execute(
        "INSERT INTO batches VALUES (?, ?, 'planning', ?, ?, ?, ?)",
        (number, KINDS.index(kind), len(seqs), size, min(seqs), max(seqs)),
    )
    db.execute(
        "UPDATE outbox SET waiting = waiting - ?, waiting_bytes = waiting_bytes - ?",
        (len(seqs), size),
    )


def mark_rows(db: sqlite3.Connection, number: int, seqs: Sequence[int]) -> None:
    """Puts some rows into a batch."""
    db.executemany("UPDATE rows SET batch = ? WHERE seq = ?", [(number, one) for one in seqs])


def end_planning(db: sqlite3.Connection, number: int) -> None:
    """Ends the making of a batch: all of its rows are in it."""
    db.execute("UPDATE batches SET state = 'sending' WHERE number = ?", (number,))


def rows_of_batch(db: sqlite3.Connection, number: int) -> list[Kept]:
    """The rows of a batch, in their order."""
    if (batch := find_batch(db, number)) is None:
        return []
    return [
        Kept(*row)
        for row in db.execute(
            f"SELECT seq, user, body FROM rows WHERE {_IN_BATCH} ORDER BY seq",  # noqa: S608
            (batch.first, batch.last, number),
        )
    ]


def find_batch(db: sqlite3.Connection, number: int) -> BatchRecord | None:
    """A batch, if its rows are not gone."""
    found = db.execute(
        "SELECT number, state, rows, bytes, first, last FROM batches WHERE number = ?", (number,)
    ).fetchone()
    return None if found is None else BatchRecord(*found)


def half_done(db: sqlite3.Connection, kind: KindName) -> list[BatchRecord]:
    """The batches that a process was making or clearing away when it ended."""
    found = db.execute(
        "SELECT number, state, rows, bytes, first, last FROM batches "
        "WHERE kind = ? AND state <> 'sending'",
        (KINDS.index(kind),),
    )
    return [BatchRecord(*one) for one in found]


def begin_clearing(db: sqlite3.Connection, batch: BatchRecord, state: ClearingState) -> None:
    """Decides what becomes of the rows of a batch; `clear_rows` does it, and `forget_batch` ends it.

    Args:
        db: The store.
        batch: The batch.
        state: `done` for rows that were taken, `again` for rows that wait for another batch.
    """
    db.execute("UPDATE batches SET state = ? WHERE number = ?", (state, batch.number))
    db.execute("DELETE FROM aside WHERE batch = ?", (batch.number,))
    if state == "done":
        change = "rows = rows - :rows, bytes = bytes - :bytes, sent = sent + :rows"
    else:
        change = "waiting = waiting + :rows, waiting_bytes = waiting_bytes + :bytes"
    counts = {"rows": batch.rows, "bytes": batch.bytes}
    db.execute(f"UPDATE outbox SET {change}", counts)  # noqa: S608


def clear_rows(
    db: sqlite3.Connection, batch: BatchRecord, state: ClearingState, first: int, last: int
) -> None:
    """Does with some rows of a batch what was decided.

    Args:
        db: The store.
        batch: The batch.
        state: What was decided.
        first: The number of the first row.
        last: The number of the last.
    """
    change = "DELETE FROM rows" if state == "done" else "UPDATE rows SET batch = NULL"
    db.execute(f"{change} WHERE {_IN_BATCH}", (first, last, batch.number))


def forget_batch(db: sqlite3.Connection, number: int) -> None:
    """Forgets a batch that has no rows any more."""
    db.execute("DELETE FROM batches WHERE number = ?", (number,))


def clear_batch(db: sqlite3.Connection, number: int, state: ClearingState) -> None:
    """Decides what becomes of the rows of a batch, and does it."""
    if (batch := find_batch(db, number)) is not None:
        begin_clearing(db, batch, state)
        clear_rows(db, batch, state, batch.first, batch.last)
        forget_batch(db, number)


def set_aside(db: sqlite3.Connection, failed: FailedBatch) -> None:
    """Keeps the rows of a batch aside."""
    db.execute(
        "INSERT OR REPLACE INTO aside VALUES (?, ?, ?, ?, ?)",
        (failed.batch, failed.status, failed.reason, failed.job, failed.at.timestamp()),
    )


def failed_batches(db: sqlite3.Connection, last: int | None = None) -> list[FailedBatch]:
    """The batches that are kept aside, of the rows up to a number where one is given."""
    found = db.execute(
        "SELECT batch, kind, status, reason, rows, first, last, job, at "
        "FROM aside JOIN batches ON number = batch WHERE :last IS NULL OR first <= :last "
        "ORDER BY batch",
        {"last": last},
    ).fetchall()
    return [
        FailedBatch(
            batch=batch,
            kind=KINDS[kind],
            status=cast("FailedStatus", status),
            reason=reason,
            rows=rows,
            job=job,
            at=datetime.fromtimestamp(at, UTC),
            sample=_sample(db, batch, first, end),
        )
        for batch, kind, status, reason, rows, first, end, job, at in found
    ]


def counts(db: sqlite3.Connection) -> Counts:
    """Counts the rows."""
    waiting, rows, size, sent = db.execute(
        "SELECT waiting, rows, bytes, sent FROM outbox"
    ).fetchone()
    (aside,) = db.execute(
        "SELECT coalesce(sum(rows), 0) FROM aside JOIN batches ON number = batch"
    ).fetchone()
    (accepted,) = db.execute(
        f"SELECT coalesce(sum(put), 0) FROM {_CHUNKS} WHERE status = 'accepted'"  # noqa: S608
    ).fetchone()
    (oldest,) = db.execute(
        f"SELECT min(put) FROM (SELECT min(first) AS seq FROM {_CHUNKS} "  # noqa: S608
        "WHERE status NOT IN ('accepted', 'completed')) JOIN rows USING (seq)"
    ).fetchone()
    oldest = min((one for one in (oldest, look(db).oldest) if one is not None), default=None)
    return Counts(waiting, rows, size, sent, aside, accepted, oldest)


def _sample(db: sqlite3.Connection, number: int, first: int, last: int) -> list[dict[str, Any]]:
    found = db.execute(
        f"SELECT body FROM rows WHERE {_IN_BATCH} ORDER BY seq LIMIT ?",  # noqa: S608
        (first, last, number, SAMPLE),
    )
    return [msgspec.json.decode(body) for (body,) in found]
