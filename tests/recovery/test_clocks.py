"""Clocks that differ: whatever they say, no event is recorded twice, and none is lost unsaid.

A run dies while a chunk is about to be sent, or when the server has taken it and nobody has written
that down; another process takes the run up. The wall clocks of both are off, the clock that stamps jobs
is off from the server's `Date`, the list lags, and another producer has a job of as many rows.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from attrs import evolve, frozen

from appcues_async import AppcuesClient, PollPolicy, Timeouts
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.bulk.resource import with_steps
from appcues_async.clock import SystemClock
from appcues_async.recovery.ownership import of_this_process
from appcues_async.sandbox import Sandbox
from appcues_async.sandbox.jobs import Work
from tests.conftest import SOON

COUNT = 40
LAG = 0.1
SETTLE = 0.4
OFF = [0, *(sign * by for by in (1, 2, 5, 64, 90, 600, 3_600, 90_000) for sign in (1, -1))]
JOB_CLOCK = [0, *(sign * by for by in (2, 5, 30, 70, 86_400) for sign in (1, -1))]
Other = Literal["none", "before", "after"]
OTHERS: tuple[Other, ...] = ("none", "before", "after")
OFTEN = PollPolicy(first=0, low=0.03, high=0.1, grace=0.05)


class Off(SystemClock):
    """The clock of a machine whose wall clock is wrong."""

    def __init__(self, seconds: float, machine: str) -> None:
        self.seconds = seconds
        self.machine = machine

    @property
    def id(self) -> str:
        return self.machine

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.seconds)


class Killed(BaseException):
    """Stands for the end of a process."""


@frozen
class Cell:
    """One case of the matrix.

    Attributes:
        crash: Seconds by which the wall clock is ahead in the run that dies.
        rerun: The same in the run that takes it up.
        job_clock: Seconds by which the clock that stamps jobs is ahead of `Date`.
        lag: Seconds after which a job is listed.
        applied: Whether the server has taken the chunk.
        other: When another producer has started a job of as many rows.
        measured: Whether a job of ours shows the clock that stamps jobs in both runs.
        moved: Whether the second run is on another machine.
    """

    crash: float
    rerun: float
    job_clock: float
    lag: float
    applied: bool
    other: Other
    measured: bool
    moved: bool

    @property
    def may_be_unknown(self) -> bool:
        """Whether nothing was measured, or a job that could be it is listed, and is not."""
        alone = self.other == "none"
        if self.measured:
            return not alone and self.moved
        return self.applied or not alone


ALL = [
    Cell(*values)
    for values in itertools.product(
        OFF, OFF, JOB_CLOCK, (0.0, LAG), (True, False), OTHERS, (True, False), (True, False)
    )
]


def client_of(sandbox: Sandbox, clock: Off) -> AppcuesClient:
    timeouts = Timeouts(settle=SETTLE)
    options = {"retry": SOON, "polling": OFTEN, "throttle": None, "timeouts": timeouts}
    return AppcuesClient(**sandbox.credentials, **options, clock=clock)  # type: ignore[arg-type]


def rows(user: str, count: int) -> list[dict[str, str]]:
    time = "2026-07-14T12:00:00Z"
    return [{"user_id": f"{user}{one}", "name": "P", "timestamp": time} for one in range(count)]


def start_elsewhere(sandbox: Sandbox, seconds: float) -> None:
    """Another producer starts a job, so many seconds from now."""
    sandbox.job_clock += seconds
    sandbox._jobs.start("import_events", Work(rows=COUNT))
    sandbox.job_clock -= seconds


async def run_cell(cell: Cell, folder: Path) -> tuple[str, int, int]:
    """Crashes and takes up a run; returns its end, and how many events are doubled and lost."""
    line = '{{"user_id":"u{}","name":"P","timestamp":"2026-07-14T12:00:00Z"}}\n'
    path, journal = folder / "events.ndjson", folder / "journal.db"
    path.write_text("".join(line.format(number) for number in range(COUNT)))
    last: Step = "sent" if cell.applied else "intent"
    async with Sandbox(rate_limit=None, list_lag=cell.lag, job_clock=cell.job_clock) as sandbox:

        def on_step(step: Step, number: int) -> None:
            if step == "intent" and cell.other == "before":
                start_elsewhere(sandbox, -100)
            if step == last:
                raise Killed

        # So that the list reaches back, as it does of any account that is in use.
        sandbox._jobs.start("import_profiles", Work(rows=1))
        await asyncio.sleep(cell.lag)
        async with client_of(sandbox, Off(cell.crash, "first")) as client:
            if cell.measured:
                await (await client.imports.events(rows("first", 7)))
            with pytest.raises(BaseExceptionGroup) as ended:
                await with_steps(client.bulk, on_step).import_events(path, journal=journal)
            assert ended.group_contains(Killed)
        if cell.other == "after":
            start_elsewhere(sandbox, 100)
        of_this_process.forget(sandbox.url, sandbox.credentials["account_id"])
        machine = "second" if cell.moved else "first"
        async with client_of(sandbox, Off(cell.rerun, machine)) as client:
            if cell.measured:
                await (await client.imports.events(rows("second", 7)))
            report = await client.bulk.import_events(path, journal=journal, on_failure="report")
        of_this_process.forget(sandbox.url, sandbox.credentials["account_id"])
        (outcome,) = report.outcomes
        mine = Counter(one["user_id"] for one in sandbox.events)
        times = [mine[f"u{number}"] for number in range(COUNT)]
        lost = 0 if outcome.status == "unknown" else times.count(0)
        return outcome.status, sum(max(0, one - 1) for one in times), lost


async def run_cells(cells: Iterable[Cell], folder: Path) -> Counter[str]:
    """Runs cells, some at a time, and counts how they have ended."""
    left, ends = iter(enumerate(cells)), Counter[str]()

    async def work() -> None:
        for number, cell in left:
            place = folder / str(number)
            place.mkdir()
            status, doubled, lost = await run_cell(cell, place)
            ends.update(cells=1, doubled=doubled, lost=lost)
            ends[status] += 1
            if status == "unknown":
                ends["unknown, measured" if cell.measured else "unknown, not measured"] += 1
            assert (doubled, lost) == (0, 0), cell
            assert status in {"completed", "unknown"}, cell
            assert status == "completed" or cell.may_be_unknown, cell

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(work())
    return ends


async def test_clocks_that_differ_double_and_lose_nothing(tmp_path: Path) -> None:
    ends = await run_cells(random.Random(7).sample(ALL, 60), tmp_path)
    assert ends["cells"] == 60
    assert ends["completed"]
    assert ends["unknown"]


@pytest.mark.long
@pytest.mark.timeout(7_200)
async def test_clocks_that_differ_double_and_lose_nothing_in_the_whole_matrix(
    tmp_path: Path,
) -> None:
    # The wall clocks are drawn for each of the other combinations; all pairs of them would take hours.
    draw = random.Random(11)
    cells = [
        evolve(cell, crash=draw.choice(OFF), rerun=draw.choice(OFF))
        for cell in ALL
        if cell.crash == cell.rerun
    ]
    ends = await run_cells(cells, tmp_path)
    assert ends["cells"] == len(cells)
    print(dict(ends))
