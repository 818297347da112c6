"""Journals of their own, and chunks to write down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve

from appcues_async.bulk.journal.records import (
    ChunkRecord,
    Run,
    RunKey,
)
from appcues_async.bulk.journal.store import Journal
from appcues_async.recovery.evidence import Claim
from tests.virtual_clock import VirtualClock

__all__ = [
    "ACCOUNT",
    "ORIGIN",
    "PLAN",
    "another",
    "entry",
    "intend",
    "opened",
    "times",
]


ORIGIN = "https://api.appcues.com"


ACCOUNT = "7"


PLAN = RunKey(
    kind="import/events",
    unsafe=True,
    endpoint="import/events",
    sources=["/data/events.csv"],
    fingerprint=[(1000, 5)],
    options={"check": "full", "chunk_bytes": None},
    limits=[20_000_000],
)


def opened(path: Path, now: float = 1000.0, clock: VirtualClock | None = None) -> Journal:
    return Journal(path, origin=ORIGIN, account_id=ACCOUNT, now=now, clock=clock)


def times(began: float, ended: float | None = None) -> str:
    return Claim(kind="import/events", began=began, ended=ended, clock="here").times_text()


def entry(number: int = 0, rows: int | None = None, **others: Any) -> ChunkRecord:
    """A chunk; its row count is its own."""
    rows, first = rows or 10 + number, 10 * number + 1
    return ChunkRecord(
        number=number,
        source="/data/events.csv",
        first=first,
        last=first + rows - 1,
        rows=rows,
        bytes=100,
        **others,
    )


def intend(journal: Journal, run: Run, number: int = 0, at: float = 1001) -> None:
    values = {"session": run.session, "intent_at": at, "times": times(at)}
    journal.move(run, number, "intent", at, **values)


def another(name: str) -> RunKey:
    return evolve(PLAN, sources=[name])
