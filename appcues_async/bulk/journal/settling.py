"""Settles by hand what stays unknown in a journal, and forgets what is long settled."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from appcues_async.bulk.journal.file import as_input_errors, locks_of, open_existing, stored
from appcues_async.bulk.journal.locks import Locks
from appcues_async.errors import AppcuesError, InvalidInput, OutcomeUnknown
from appcues_async.models import Job

__all__ = ["BY_HAND", "candidates_text", "prune_journal", "settle_chunk"]

BY_HAND: Final = "settled-by-hand"
"""Stands for the job of a chunk that was applied, as somebody says who does not know by which job."""
_CANDIDATES: Final = 20
"""Candidates of a chunk that are kept."""


def candidates_text(error: AppcuesError) -> str | None:
    """The jobs that may be a chunk's own, with their counts, as JSON for the journal."""
    if not isinstance(error, OutcomeUnknown) or not error.candidates:
        return None
    return json.dumps([_candidate(job) for job in error.candidates[:_CANDIDATES]])


def _candidate(job: Job) -> dict[str, Any]:
    return {
        "job": job.id,
        "status": job.status,
        "started_at": None if job.started_at is None else job.started_at.isoformat(),
        "completed": job.ingestions_completed,
        "failed": job.ingestions_failed,
    }


def settle_chunk(
    path: Path, number: int, *, applied: bool, run: int | None = None, job: str | None = None
) -> int:
    """Settles a chunk of which nothing says whether it was applied; the next run goes on from there.

    Args:
        path: The journal's file.
        number: The chunk.
        applied: Whether it was applied. If not, the next run sends it.
        run: Its run; may be left out where only one run has an unknown chunk of this number.
        job: The job that has applied it, if that is known; the next run then asks how it has ended.

    Returns:
        The run.

    Raises:
        InvalidInput: No unknown chunk has this number, several have, another process works on the run,
            or the journal cannot be read or written.
    """
    if job is not None and not applied:
        raise InvalidInput(
            f"job is {job!r}, and the chunk is to be sent again; leave one of them out"
        )
    with _opened(path) as (db, locks):
        found = db.execute(
            "SELECT run, candidates, rows FROM chunks WHERE number = ? "
            "AND status IN ('unknown', 'intent') AND run = coalesce(?, run)",
            (number, run),
        ).fetchall()
        if len(found) != 1:
            raise InvalidInput(_not_one(path, number, [one for one, _, _ in found]))
        run_id, candidates, rows = found[0]
        _check_idle(path, locks, run_id)
        known = [one["job"] for one in stored(path, candidates or "[]", list)]
        if job is None and applied and len(known) == 1:
            job = known[0]
        if job is not None and (owner := _owner_of(db, job)) is not None:
            raise InvalidInput(f"job {job} is that of chunk {owner[1]} of run {owner[0]}")
        changes: dict[str, Any] = {"status": "planned", "times": None}
        if job is not None:
            changes = {"status": "accepted", "job": job, "certain": False}
        elif applied:
            changes = {"status": "completed", "job": None, "completed": rows, "failed": 0}
        named = ", ".join(f"{name} = ?" for name in changes)
        with db:
            db.execute(
                f"UPDATE chunks SET {named}, error = NULL WHERE run = ? AND number = ?",  # noqa: S608
                (*changes.values(), run_id, number),
            )
    return int(run_id)


def prune_journal(path: Path, before: float) -> list[int]:
    """Forgets runs that are settled: read to their end, each chunk completed or failed.

    A source whose run was forgotten is uploaded afresh if it is given again.

    Args:
        path: The journal's file.
        before: Runs with a sign of life since then are kept; in seconds since 1970.

    Returns:
        The runs that were forgotten.

    Raises:
        InvalidInput: The journal cannot be read or written.
    """
    with _opened(path) as (db, locks):
        found = db.execute(
            "SELECT id FROM runs r WHERE chunks IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM chunks WHERE run = r.id "
            "                AND status NOT IN ('completed', 'failed')) "
            "AND (SELECT max(heartbeat) FROM sessions WHERE run = r.id) < ?",
            (before,),
        ).fetchall()
        settled = [run for (run,) in found if not locks.is_held(run)]
        with db:
            for run in settled:
                for table in ("chunks", "requests", "sessions"):
                    db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))  # noqa: S608
                db.execute("DELETE FROM runs WHERE id = ?", (run,))
        if settled:
            # Somebody may be writing; then the room is left to what is written next.
            with suppress(sqlite3.OperationalError):
                db.execute("VACUUM")
    return settled


@contextmanager
def _opened(path: Path) -> Iterator[tuple[sqlite3.Connection, Locks]]:
    # The locks are beside what a link leads to, as for those who write it.
    path = Path(os.path.realpath(path))
    with as_input_errors(path):
        path.stat()
        db = open_existing(path)
        try:
            locks = Locks(locks_of(path))
            try:
                yield db, locks
            finally:
                locks.close()
        finally:
            db.close()


def _check_idle(path: Path, locks: Locks, run: int) -> None:
    if locks.is_held(run):
        raise InvalidInput(
            f"another process works on run {run} of the journal {path}; end it first"
        )


def _owner_of(db: sqlite3.Connection, job: str) -> tuple[int, int] | None:
    found: tuple[int, int] | None = db.execute(
        "SELECT run, number FROM chunks WHERE job = ?", (job,)
    ).fetchone()
    return found


def _not_one(path: Path, number: int, runs: list[int]) -> str:
    if not runs:
        return (
            f"chunk {number} of the journal {path} is not unknown, or there is none; "
            "`journal show` lists the chunks that are"
        )
    named = ", ".join(map(str, runs))
    return f"chunk {number} is unknown in the runs {named} of the journal {path}; name one of them"
