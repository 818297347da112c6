"""The requests of a journal of which it is not known what they have started, and their row counts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Final

from attrs import evolve

from appcues_async.bulk.journal.locks import Locks
from appcues_async.bulk.journal.records import UNSETTLED, ChunkRecord
from appcues_async.recovery.evidence import Claim

__all__ = ["HEARTBEAT", "Claims"]

HEARTBEAT: Final = 3.0
"""Seconds between two signs of life of a process."""
_LAST: Final = f"s.alive + CASE WHEN s.ended IS NULL THEN {HEARTBEAT} ELSE 0 END"
"""When a process that is no more can have sent something for the last time, by its own clock."""
_OPEN: Final = f"""
    SELECT c.run, c.number, c.rows, c.status, c.times, r.kind, s.id, {_LAST},
           s.id = (SELECT max(id) FROM sessions WHERE run = c.run)
    FROM chunks c JOIN runs r ON r.id = c.run JOIN sessions s ON s.id = c.session
    WHERE c.status IN ('intent', 'unknown') ORDER BY c.run, c.number
"""  # noqa: S608
_STATES: Final = ", ".join(f"'{status}'" for status in UNSETTLED)
_ROW_COUNTS: Final = f"""
    SELECT c.rows AS rows, c.run AS run, c.status IN ('planned', 'intent') AS moves, r.unsafe AS unsafe
    FROM chunks c JOIN runs r ON r.id = c.run WHERE c.status IN ({_STATES})
    UNION ALL SELECT q.rows, q.run, 0, r.unsafe FROM requests q JOIN runs r ON r.id = q.run
    WHERE q.job IS NULL
"""  # noqa: S608
"""The row counts of unsettled chunks. Two that are safe may share one; see `RowCounts`."""
_IS_TAKEN: Final = f"SELECT EXISTS (SELECT 1 FROM ({_ROW_COUNTS}) WHERE rows = ? AND (unsafe OR ?))"  # noqa: S608


class Claims:
    """Reads the claims of all runs of a journal."""

    def __init__(self, db: sqlite3.Connection, journal_id: str, locks: Locks) -> None:
        """Reads nothing yet.

        Args:
            db: The journal.
            journal_id: Its id.
            locks: Which runs a process is at.
        """
        self._db = db
        self._id = journal_id
        self._locks = locks
        self._before: dict[int, frozenset[str]] = {}

    def read_with(self, db: sqlite3.Connection) -> None:
        """Reads with another connection from now on."""
        self._db = db

    def id_of(self, run: int, number: int) -> str:
        """The id of the claim of a chunk."""
        return f"{self._id}/{run}/{number}"

    def of(self, run: int, record: ChunkRecord, kind: str) -> Claim:
        """The claim of a chunk that a process which is no more was about to send."""
        (last,) = self._db.execute(
            f"SELECT {_LAST} FROM sessions s WHERE id = ?",  # noqa: S608
            (record.session,),
        ).fetchone()
        claim = Claim(
            kind=kind,
            began=0,
            rows=record.rows,
            before=self._listed_before(record.session or 0),
            id=self.id_of(run, record.number),
            answerable=False,
        ).with_times(record.times or "")
        return claim if claim.ended is not None else _ended(claim, last)

    def open(self) -> Iterator[Claim]:
        """The claims of chunks that may have been sent."""
        alive: dict[int, bool] = {}
        found = self._db.execute(_OPEN).fetchall()
        for run, number, rows, status, times, kind, session, last, latest in found:
            if run not in alive:
                alive[run] = self._locks.is_held(run)
            claim = Claim(
                kind=kind,
                began=0,
                rows=rows,
                before=self._listed_before(session),
                id=self.id_of(run, number),
                answerable=status == "intent" and alive[run],
            ).with_times(times)
            if claim.ended is None and not (latest and alive[run]):
                claim = _ended(claim, last)
            yield claim

    def lost(self) -> Iterator[Claim]:
        """The claims of requests beside those of the chunks, of which no job is known."""
        found = self._db.execute(
            "SELECT q.id, q.run, q.rows, q.times, r.kind FROM requests q JOIN runs r ON r.id = q.run "
            "WHERE q.job IS NULL"
        )
        for number, run, rows, times, kind in found:
            claim_id = f"{self._id}/{run}/request/{number}"
            claim = Claim(kind=kind, began=0, rows=rows, id=claim_id, answerable=False)
            yield claim.with_times(times)

    def has_row_count(self, rows: int, *, unsafe: bool) -> bool:
        """Whether a chunk that is not settled has this row count; see `row_counts`."""
        (taken,) = self._db.execute(_IS_TAKEN, (rows, unsafe)).fetchone()
        return bool(taken)

    def row_counts(self, *, unsafe: bool) -> tuple[frozenset[int], frozenset[int]]:
        """The row counts that are taken, as `Journal.row_counts` returns them."""
        found = self._db.execute(
            f"SELECT rows, run, moves FROM ({_ROW_COUNTS}) WHERE unsafe OR ?",  # noqa: S608
            (unsafe,),
        ).fetchall()
        held = {run: self._locks.is_held(run) for run in {run for _, run, _ in found}}
        live = frozenset(rows for rows, run, moves in found if moves and held[run])
        return live, frozenset(rows for rows, _, _ in found) - live

    def _listed_before(self, session: int) -> frozenset[str]:
        if session not in self._before:
            (text,) = self._db.execute(
                "SELECT before FROM sessions WHERE id = ?", (session,)
            ).fetchone()
            if text == "[]":
                # It may be about to be filled in.
                return frozenset()
            self._before[session] = frozenset(json.loads(text))
        return self._before[session]


def _ended(claim: Claim, last: float) -> Claim:
    """The claim of a process that showed itself for the last time at `last`."""
    return evolve(claim, ended=max(claim.began, last) + claim.linger)
