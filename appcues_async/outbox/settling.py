"""Shows the file of an outbox to people, and settles what is kept aside in it.

Processes that have the outbox open may go on meanwhile: each change is one transaction, and the one that
sends finds rows that wait again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from appcues_async.bulk.journal.file import as_input_errors, locks_of, open_existing, opened_to_read
from appcues_async.bulk.journal.locks import Locks
from appcues_async.errors import InvalidInput
from appcues_async.outbox import tables
from appcues_async.outbox.store import FailedBatch

__all__ = ["ShownOutbox", "read_outbox", "retry_batches", "settle_batch"]


@frozen
class ShownOutbox:
    """An outbox as it can be shown to people.

    Attributes:
        about: Whose it is, and how many rows there are in which state.
        failed: What is kept aside.
    """

    about: dict[str, Any]
    failed: Sequence[FailedBatch]


def read_outbox(path: Path) -> ShownOutbox:
    """Reads what an outbox holds; changes nothing, and disturbs nobody.

    Raises:
        InvalidInput: It cannot be read, is damaged, or no outbox.
    """
    with opened_to_read(path) as db:
        tables.check(path, db)
        origin, account = db.execute("SELECT origin, account FROM journal").fetchone()
        counts = tables.counts(db)
        about = {
            "account": account,
            "origin": origin,
            "waiting": counts.rows - counts.accepted - counts.aside,
            "accepted": counts.accepted,
            "failed": counts.aside,
            "sent": counts.sent,
            "bytes": counts.bytes,
            "oldest": counts.oldest,
        }
        return ShownOutbox(about, tables.failed_batches(db))


def retry_batches(path: Path) -> tuple[Sequence[FailedBatch], Sequence[FailedBatch]]:
    """Sends again, by the process that has the outbox open, what is known not to be doubled by it.

    These are batches that were refused, those whose job has taken none of their rows, and all of profile
    updates.

    Args:
        path: The outbox's file.

    Returns:
        What is sent again, and what stays aside until somebody says what became of it.

    Raises:
        InvalidInput: It cannot be read or written, or is no outbox.
    """
    again: list[FailedBatch] = []
    left: list[FailedBatch] = []
    with _changed(path) as db:
        for failed in tables.failed_batches(db):
            if failed.status == "refused" or failed.kind == "profiles" or _took_none(db, failed):
                _let_wait(db, failed.batch)
                again.append(failed)
            else:
                left.append(failed)
    return again, left


def settle_batch(path: Path, number: int, *, applied: bool) -> FailedBatch:
    """Settles by hand a batch that is kept aside.

    Args:
        path: The outbox's file.
        number: The batch.
        applied: Whether its rows were applied, and are let go; else they are sent again.

    Raises:
        InvalidInput: No batch of this number is kept aside, or the file cannot be read or written.
    """
    with _changed(path) as db:
        found = {one.batch: one for one in tables.failed_batches(db)}
        if number not in found:
            raise InvalidInput(
                f"batch {number} of the outbox {path} is not kept aside; `outbox show` lists the "
                "batches that are"
            )
        if applied:
            _take_for_applied(db, number)
        else:
            _let_wait(db, number)
    return found[number]


def _took_none(db: sqlite3.Connection, failed: FailedBatch) -> bool:
    found = db.execute(
        "SELECT completed FROM chunks WHERE number = ? AND job = ? AND status = 'failed'",
        (failed.batch, failed.job),
    ).fetchone()
    return found is not None and found[0] == 0


def _let_wait(db: sqlite3.Connection, number: int) -> None:
    tables.clear_batch(db, number, "again")
    # What has a job stays, so that nobody takes the job for that of a lost answer.
    db.execute("DELETE FROM chunks WHERE number = ? AND job IS NULL", (number,))


def _take_for_applied(db: sqlite3.Connection, number: int) -> None:
    tables.clear_batch(db, number, "done")
    found = db.execute(
        "SELECT candidates FROM chunks WHERE number = ? AND status IN ('unknown', 'accepted')",
        (number,),
    ).fetchone()
    if found is None:
        return
    known = [one["job"] for one in json.loads(found[0] or "[]")]
    db.execute(
        "UPDATE chunks SET status = 'completed', certain = 0, error = NULL, job = coalesce(job, ?) "
        "WHERE number = ?",
        (known[0] if len(known) == 1 else None, number),
    )


@contextmanager
def _changed(path: Path) -> Iterator[sqlite3.Connection]:
    """Makes one transaction of what is changed within, in the turn of the processes that write."""
    with as_input_errors(path):
        path.stat()
        locks = Locks(locks_of(path))
        try:
            with closing(open_existing(path)) as db, locks.turn(), db:
                tables.check(path, db)
                db.execute("BEGIN IMMEDIATE")
                yield db
        finally:
            locks.close()
