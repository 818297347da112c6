"""Requests, jobs and clocks to judge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from appcues_async.models import Job, JobEvent
from appcues_async.recovery.evidence import (
    Claim,
)
from appcues_async.recovery.job_clock import Clocks, ClockSkew, Measurement

__all__ = [
    "AGREES",
    "BEGAN",
    "ENDED",
    "EVENTS",
    "HERE",
    "NOW",
    "claim",
    "counted",
    "ended",
    "heard",
    "job",
    "measured",
]


EVENTS = "import/events"


BEGAN = 1_000_000.5


ENDED = 1_000_010.0


NOW = ENDED + 20


HERE = "our clock"


AGREES = Clocks(id=HERE, now=NOW, date=ClockSkew(0, 0))
"""The `Date` of replies is that of our clock, and nothing was measured."""


def heard(at: float, ahead: float = 0.0, clock: str = HERE) -> Measurement:
    """An own job that was accepted at that time."""
    return Measurement(clock=clock, sent=at, heard=at, stamp=float(int(at + ahead)))


def measured(ahead: float, *times: float) -> Clocks:
    """The clock that stamps jobs was so far ahead at these times."""
    found = [heard(at, ahead) for at in times]
    return attrs.evolve(AGREES, measurements=found)


def claim(**changes: object) -> Claim:
    mine = Claim(kind=EVENTS, began=BEGAN, ended=ENDED, clock=HERE, answerable=False)
    return attrs.evolve(mine, **changes)  # type: ignore[arg-type]


def job(job_id: str = "job-1", *, start: float | None = BEGAN, **changes: object) -> Job:
    started_at = None if start is None else datetime.fromtimestamp(start, UTC)
    running = Job(id=job_id, name="Import Events", status="IN_PROGRESS", started_at=started_at)
    return attrs.evolve(running, **changes)  # type: ignore[arg-type]


def ended(one: Job, counts: Mapping[str, int] | None = None, status: str = "COMPLETED") -> Job:
    event = JobEvent(name="Ended", attributes=counts or {})
    return attrs.evolve(one, status=status, events=(event,))


def counted(completed: int, failed: int = 0, **more: int) -> dict[str, int]:
    return {"ingestions_completed": completed, "ingestions_failed": failed, **more}
