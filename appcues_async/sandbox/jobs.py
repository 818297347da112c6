"""Jobs: they start at once, take their time, and take effect when they end."""

from __future__ import annotations

import heapq
import itertools
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from attrs import define, evolve, field, frozen

from appcues_async.sandbox.clock import SandboxClock

__all__ = ["JOB_NAMES", "Job", "JobBook", "JobKind", "JobPlan", "Work", "stamp"]

JobKind = Literal[
    "import_profiles",
    "import_events",
    "add_user_ids",
    "remove_user_ids",
    "export_events",
    "delete_profile",
    "analytics_export",
]

JOB_NAMES: Final[Mapping[JobKind, str]] = {
    "import_profiles": "Import Profiles",
    "import_events": "Import Events",
    "add_user_ids": "Update Segment",
    "remove_user_ids": "Update Segment",
    "export_events": "Export Events",
    "delete_profile": "Delete Profile",
    "analytics_export": "Analytics Export",
}


@frozen
class JobPlan:
    """How a job ends, where that differs from what its rows say.

    Attributes:
        status: What it ends as; neither COMPLETED nor FAILED adds no last event.
        detail: Why, for a job that fails.
        seconds: How long it takes; None for what the sandbox was given as `job_seconds`.
        rows_applied: How many rows take effect; None for all that are valid.
        ingestions_failed: What it reports; None for the number of rows that took no effect.
        requests_failed: What it reports.
        refuses: Which rows take no effect, if some are not to: only a job that has one of them ends as
            planned. One that is to fail applies nothing then, another one its other rows.
        jobs: How many jobs the plan is for; None for all from then on.
    """

    status: str = "COMPLETED"
    detail: str | None = None
    seconds: float | None = None
    rows_applied: int | None = None
    ingestions_failed: int | None = None
    requests_failed: int = 0
    refuses: Callable[[Any], bool] | None = None
    jobs: int | None = 1

    def judge(self, work: Work) -> tuple[Work, JobPlan]:
        """Leaves the rows out that are refused; says how the job ends without them."""
        if self.refuses is None:
            return work, self
        kept = [row for row in work.kept if not self.refuses(row)]
        refused = len(work.kept) - len(kept)
        if not refused:
            return work, JobPlan(seconds=self.seconds)
        if self.status == "FAILED":
            return work, evolve(self, rows_applied=self.rows_applied or 0)
        return evolve(work, kept=kept, failed=work.failed + refused), self


def _nothing(_rows: Sequence[Any]) -> None:
    """Applies nothing."""


def _no_more(_job: Job) -> Mapping[str, Any]:
    """Returns no further attributes."""
    return {}


@frozen
class Work:
    """The work of a job.

    Attributes:
        rows: How many rows were uploaded, valid or not.
        failed: How many of them are not valid.
        bytes: How many bytes were uploaded.
        kept: The valid rows, or none of them where they are only counted.
        apply: Puts rows into effect.
        reads: What it goes through when it ends.
        finish: Does what is to be done if the job completes, and tells what its last event says
            of it.
    """

    rows: int = 0
    failed: int = 0
    bytes: int = 0
    kept: Sequence[Any] = ()
    apply: Callable[[Sequence[Any]], None] = _nothing
    reads: Sequence[Any] = ()
    finish: Callable[[Job], Mapping[str, Any]] = _no_more


@define(eq=False, kw_only=True)
class Job:
    """A job.

    Attributes:
        id: The job's id.
        kind: Which endpoint started it.
        name: Its name in answers.
        status: IN_PROGRESS, COMPLETED or FAILED.
        rows: How many rows were uploaded.
        bytes: How many bytes were uploaded; of a multipart upload, those of the file.
        ingested: How many rows took effect; 0 until it ends.
        failed: How many did not; 0 until it ends.
        requests_failed: The number of that name in its last event.
        started: When it started, in seconds of the sandbox's clock.
        started_at: When it started, in UTC.
        seconds: How long it takes.
        events: Its events as the API shows them.
    """

    id: str
    kind: JobKind
    name: str
    rows: int
    bytes: int
    started: float
    started_at: datetime
    seconds: float
    status: str = "IN_PROGRESS"
    ingested: int = 0
    failed: int = 0
    requests_failed: int = 0
    events: list[dict[str, Any]] = field(factory=list[dict[str, Any]])

    def end(self, work: Work, plan: JobPlan) -> None:
        """Puts the rows into effect and records how it went."""
        valid = work.rows - work.failed
        applied = valid if plan.rows_applied is None else min(plan.rows_applied, valid)
        work.apply(work.kept if applied == valid else work.kept[:applied])
        self.ingested = applied
        reported = plan.ingestions_failed
        self.failed = work.rows - applied if reported is None else reported
        self.requests_failed = plan.requests_failed
        self.status = plan.status
        counts: dict[str, Any] = {
            "ingestions_completed": self.ingested,
            "ingestions_failed": self.failed,
            "requests_failed": self.requests_failed,
            "runtime_ms": round(self.seconds * 1000),
        }
        if plan.status == "FAILED":
            counts["detail"] = plan.detail
        elif plan.status == "COMPLETED":
            counts.update(work.finish(self))
        if plan.status in {"COMPLETED", "FAILED"}:
            ended_at = self.started_at + timedelta(seconds=self.seconds)
            self._happened(plan.status.capitalize(), ended_at, counts)

    def begin(self) -> None:
        """Records the first event."""
        self._happened("Ingesting", self.started_at, {})

    def _happened(self, name: str, at: datetime, attributes: dict[str, Any]) -> None:
        self.events.append({"name": name, "timestamp": stamp(at), "attributes": attributes})


def stamp(at: datetime) -> str:
    """Formats a job's time: whole seconds, without a zone."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds")


class JobBook:
    """All jobs of the account.

    Args:
        clock: What time it is.
        seconds: How long a job takes, by its kind.
        names: What jobs are called, by their kind.
        list_lag: How many seconds after its start a job is first listed.
        ahead: How many seconds the clock that stamps jobs is ahead.
    """

    def __init__(
        self,
        clock: SandboxClock,
        seconds: float | Callable[[JobKind], float],
        names: Mapping[JobKind, str],
        list_lag: float,
        ahead: float = 0.0,
    ) -> None:
        self.all: dict[str, Job] = {}
        self._clock = clock
        self._seconds = seconds
        self._names = {**JOB_NAMES, **names}
        self._list_lag = list_lag
        #: How many seconds the clock that stamps jobs is ahead of the rest of the server.
        self.ahead = ahead
        self._plans: deque[JobPlan] = deque()
        self._planned = 0
        self._running: list[tuple[float, int, Job, Work, JobPlan]] = []
        self._number = itertools.count()
        self._lock = threading.RLock()

    def plan(self, plan: JobPlan) -> None:
        """Sets how the next job ends that has no plan yet."""
        self._plans.append(plan)

    def start(self, kind: JobKind, work: Work) -> Job:
        """Starts a job; `settle` ends it when its time has come."""
        with self._lock:
            plan = self._next_plan()
            seconds = plan.seconds
            if seconds is None:
                seconds = self._seconds(kind) if callable(self._seconds) else self._seconds
            job = Job(
                id=str(uuid.uuid4()),
                kind=kind,
                name=self._names[kind],
                rows=work.rows,
                bytes=work.bytes,
                started=self._clock.time(),
                started_at=self._clock.now() + timedelta(seconds=self.ahead),
                seconds=seconds,
            )
            job.begin()
            self.all[job.id] = job
            place = (job.started + seconds, next(self._number), job, work, plan)
            heapq.heappush(self._running, place)
            return job

    def _next_plan(self) -> JobPlan:
        if not self._plans:
            return JobPlan()
        plan = self._plans[0]
        self._planned += 1
        if plan.jobs is not None and self._planned >= plan.jobs:
            self._plans.popleft()
            self._planned = 0
        return plan

    def listed(self) -> list[Job]:
        """Returns the jobs that the list shows, oldest first; analytics exports are not among them."""
        latest = self._clock.time() - self._list_lag
        jobs = [job for job in self.all.values() if job.started <= latest]
        return [job for job in jobs if job.kind != "analytics_export"]

    def running(self, kind: JobKind) -> int:
        """Returns how many jobs of a kind have not ended."""
        with self._lock:
            return sum(job.kind == kind for _, _, job, _, _ in self._running)

    def due_rows(self) -> int:
        """Returns how many rows `settle` would apply or read now."""
        now = self._clock.time()
        with self._lock:
            due = [work for ends, _, _, work, _ in self._running if ends <= now]
            return sum(len(work.kept) + len(work.reads) for work in due)

    def settle(self) -> None:
        """Ends every job whose time has come, in the order of their ends."""
        with self._lock:
            now = self._clock.time()
            while self._running and self._running[0][0] <= now:
                _, _, job, work, plan = heapq.heappop(self._running)
                job.end(*plan.judge(work))

    def clear(self) -> None:
        """Forgets all jobs and plans; what still ran takes no effect."""
        with self._lock:
            self.all.clear()
            self._plans.clear()
            self._planned = 0
            self._running.clear()
