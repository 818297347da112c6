"""A server's jobs without a server, so that waiting is tested on a clock that only the test moves."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from attrs import define, field

from appcues_async.clock import sleep_on
from appcues_async.errors import AppcuesError, UnexpectedReply
from appcues_async.models import Job, JobEvent
from appcues_async.notices import Notice
from appcues_async.settings import PollPolicy
from appcues_async.waiting.address import JobAddress
from appcues_async.waiting.handle import JobHandle, JobHandles
from appcues_async.waiting.watch import JobWatch
from appcues_async.waiting.watcher import Watcher
from appcues_async.wire.codec import JobSummary
from tests.virtual_clock import VirtualClock

ORIGIN = "https://api.appcues.com"


@define
class Office:
    """Jobs that end when a test says so, and a record of who asked for what and when."""

    clock: VirtualClock
    jobs: dict[str, Job] = field(factory=dict)
    hidden: set[str] = field(factory=set)
    failures: list[AppcuesError] = field(factory=list)
    looks: list[tuple[str, float]] = field(factory=list)
    told: list[Notice] = field(factory=list)
    slow: set[str] = field(factory=set)
    unreadable: bool = False
    watcher: Watcher = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.watcher = Watcher(
            get=self._get, list_recent=self._list, clock=self.clock, listener=self.told.append
        )

    def start(self, job_id: str = "job-1") -> JobHandle:
        self.jobs[job_id] = Job(id=job_id, name="Import Profiles", status="IN_PROGRESS")
        return self.handle(job_id)

    def handle(
        self, job_id: str, policy: PollPolicy | None = None, patience: float = 86_400
    ) -> JobHandle:
        return JobHandle(self.watch(job_id, policy), self.shared(patience))

    def watch(self, job_id: str, policy: PollPolicy | None = None) -> JobWatch:
        address = JobAddress(ORIGIN, "123", job_id, "import/profiles")
        return JobWatch(address, policy or PollPolicy())

    def shared(self, wait_timeout: float = 86_400) -> JobHandles:
        sender: Any = None
        return JobHandles(
            sender=sender,
            watcher=self.watcher,
            origin=ORIGIN,
            account_id="123",
            polling=PollPolicy(),
            wait_timeout=wait_timeout,
        )

    def change(self, job_id: str = "job-1", **changes: object) -> None:
        self.jobs[job_id] = attrs.evolve(self.jobs[job_id], **changes)  # type: ignore[arg-type]

    def complete(self, job_id: str = "job-1", *, failed: int = 0) -> None:
        counts = {"ingestions_completed": 22, "ingestions_failed": failed, "requests_failed": 0}
        events = (JobEvent(name="Ingesting"), JobEvent(name="Completed", attributes=counts))
        self.change(job_id, status="COMPLETED", events=events)

    def asked(self, what: str) -> int:
        return sum(one == what for one, _ in self.looks)

    async def _get(self, address: JobAddress) -> Job:
        self.looks.append((address.id, self.clock.time()))
        self._fail()
        while address.id in self.slow:
            await sleep_on(self.clock, 0.5)
        return self.jobs[address.id]

    async def _list(self) -> dict[str, JobSummary]:
        self.looks.append(("list", self.clock.time()))
        self._fail()
        if self.unreadable:
            raise UnexpectedReply("200 with a body that is not a list")
        return {
            job.id: JobSummary(job.id, job.status, job.name)
            for job in self.jobs.values()
            if job.id not in self.hidden
        }

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def office(clock: VirtualClock) -> Office:
    return Office(clock)
