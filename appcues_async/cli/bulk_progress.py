"""How far bulk runs are, stage by stage: read, sent, ingested."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from attrs import define, field, frozen
from rich.progress import TaskID

from appcues_async.cli.output import Form, say
from appcues_async.cli.progress import Bars, Display, Lines, counts_of, open_display
from appcues_async.models import Job
from appcues_async.notices import (
    AttemptFailed,
    BodySent,
    BulkProgressed,
    ChunkEnded,
    JobChanged,
    JobStarted,
    Notice,
    WorkerChanged,
)
from appcues_async.text import counted

__all__ = ["Course", "Stage", "StageBars", "StageLines", "open_stages"]

EVERY: Final = 5.0
"""Seconds between two lines of progress."""
SCALE: Final = 1_000
"""Steps of a bar."""


def open_stages(quiet: bool, form: Form) -> Display:
    """Chooses how the progress of bulk runs is shown."""
    return open_display(quiet, form, bars=StageBars, lines=StageLines)


@frozen
class Stage:
    """How far one stage is.

    Attributes:
        name: What is done in it.
        rows: Rows that have passed it.
        size: Bytes that have passed it, where these are counted.
        share: How much of all rows that is, from 0 to 1; None where nobody knows how many there are.
        seconds: Since the run began.
    """

    name: str
    rows: int
    size: int | None
    share: float | None
    seconds: float

    @property
    def left(self) -> float | None:
        """Seconds until it is done, at the pace so far."""
        if not self.share or self.share >= 1:
            return None
        return self.seconds * (1 - self.share) / self.share

    def __str__(self) -> str:
        """Rows, bytes and the pace of what there is."""
        seconds = max(self.seconds, 0.001)
        rows = counted(self.rows, "row")
        if self.size is None:
            return f"{rows}, {self.rows / seconds:,.0f} rows/s"
        return f"{rows}, {_megabytes(self.size)}, {_megabytes(self.size / seconds)}/s"


@define(eq=False)
class Course:
    """The state of one or several bulk runs, as their notices tell it.

    Attributes:
        clock: Tells seconds.
        began: When the first run did.
        runs: The last word of each run, by what its rows are.
        uploads: How far each upload is that has not been accepted yet.
        faulty: Jobs that ended badly, whose chunks have not been told of.
        workers: The last word of each worker, by its address.
    """

    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)
    runs: dict[str, BulkProgressed] = field(factory=dict)
    uploads: dict[int, BodySent] = field(factory=dict)
    faulty: dict[str, Job] = field(factory=dict)
    workers: dict[str, WorkerChanged] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.began = self.clock()

    def take(self, notice: Notice) -> str | None:
        """Takes a notice in; returns what is to be said at once, if something is."""
        match notice:
            case BulkProgressed():
                self.runs[notice.kind] = notice
            case BodySent():
                self.uploads[notice.upload] = notice
            case JobStarted():
                self._accepted(notice.kind)
            case AttemptFailed():
                # Which upload it was is not said; those that go on are told of again at once.
                self._forget(notice.route)
            case JobChanged() if notice.job.status == "FAILED" or notice.job.ingestions_failed:
                self.faulty[notice.job.id] = notice.job
            case ChunkEnded():
                return self._ended(notice)
            case WorkerChanged(gone=True):
                self.workers[notice.worker] = notice
                return f"worker {notice.worker} is gone"
            case WorkerChanged():
                self.workers[notice.worker] = notice
            case _:
                pass
        return None

    def stages(self) -> list[Stage]:
        """How far each stage is now."""
        runs = self.runs.values()
        seconds = self.clock() - self.began
        known = [_expected(run) for run in runs]
        expected = None if None in known else sum(rows for rows in known if rows is not None)
        read, sent, ingested, sent_bytes, read_bytes = (
            sum(getattr(run, name) for run in runs)
            for name in ("rows_read", "rows_sent", "rows_ingested", "bytes_sent", "bytes_read")
        )
        rejected = sum(run.rows_rejected for run in runs)
        under_way = sum(one.sent for one in self.uploads.values())
        good = read - rejected
        rows_a_byte = sent / sent_bytes if sent_bytes else good / read_bytes if read_bytes else 0

        def share(rows: float) -> float | None:
            return None if expected is None else min(1.0, rows / expected) if expected else 1.0

        return [
            Stage("read", read, read_bytes, share(good), seconds),
            Stage(
                "sent", sent, sent_bytes + under_way, share(sent + under_way * rows_a_byte), seconds
            ),
            Stage("ingested", ingested, None, share(ingested), seconds),
        ]

    def _accepted(self, route: str) -> None:
        """From here on the bytes of an upload are told by its run."""
        for number, one in self.uploads.items():
            if one.route == route and one.sent >= one.size:
                del self.uploads[number]
                return

    def _forget(self, route: str) -> None:
        self.uploads = {number: one for number, one in self.uploads.items() if one.route != route}

    def _ended(self, notice: ChunkEnded) -> str | None:
        job = None if notice.job is None else self.faulty.pop(notice.job, None)
        if job is not None:
            return f"chunk {notice.chunk}, job {job.id}: {counts_of(job)}"
        if notice.status in {"refused", "unknown", "failed"}:
            return f"chunk {notice.chunk}, {counted(notice.rows, 'row')}: {notice.status}"
        return None


@define(eq=False)
class StageLines(Lines):
    """A line for all stages every few seconds, and one for each job that was accepted or ended badly."""

    course: Course = field(factory=Course)
    told: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.told = self.course.began

    def __exit__(self, *_: object) -> None:
        if self.course.runs:
            self._tell(ended=True)

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        said = self.course.take(notice)
        if said is not None:
            say(said)
        match notice:
            case BodySent() | JobChanged() | WorkerChanged():
                pass
            case _:
                super().__call__(notice)
        if self.course.runs and self.course.clock() - self.told >= EVERY:
            self._tell()

    def _tell(self, *, ended: bool = False) -> None:
        self.told = self.course.clock()
        stages = self.course.stages()
        parts = [f"{stage.name} {stage}" for stage in stages]
        left = stages[-1].left or stages[1].left
        if left is not None and not ended:
            parts.append(f"about {_clock(left)} left")
        say("; ".join(parts))
        for worker in self.course.workers.values():
            say(f"worker {worker.worker}: {_work_of(worker)}")


@define(eq=False)
class StageBars(Bars):
    """A bar for each stage, and a line for each job that ended badly."""

    course: Course = field(factory=Course)
    rows: dict[str, TaskID] = field(factory=dict)

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        said = self.course.take(notice)
        if said is not None:
            self._say(said, "red")
        match notice:
            case BulkProgressed() | BodySent() | JobStarted() | JobChanged() | ChunkEnded():
                self._draw()
            case WorkerChanged():
                self._draw_worker(notice)
            case _:
                super().__call__(notice)

    def _draw_worker(self, worker: WorkerChanged) -> None:
        task = self.rows.get(worker.worker)
        if task is None:
            task = self.rows[worker.worker] = self._add(worker.worker)
        self.progress.update(task, note=_work_of(worker))

    def _draw(self) -> None:
        for stage in self.course.stages():
            task = self.rows.get(stage.name)
            if task is None:
                task = self.rows[stage.name] = self._add(stage.name)
            size, sent = (0, 0) if stage.share is None else (SCALE, int(SCALE * stage.share))
            left = "" if stage.left is None else f"{_clock(stage.left)} left"
            self.progress.update(task, size=size, sent=sent, note=str(stage), left=left)


def _expected(run: BulkProgressed) -> float | None:
    """How many good rows a run will have read in the end, as far as that can be told."""
    if not run.bytes_in_all:
        return None
    if not run.bytes_read:
        return 0 if run.rows_read else None
    return (run.rows_read - run.rows_rejected) * max(1.0, run.bytes_in_all / run.bytes_read)


def _work_of(worker: WorkerChanged) -> str:
    state = "gone" if worker.gone else f"sends {worker.sending} of {worker.threads} at once"
    return f"{state}, {counted(worker.chunks, 'chunk')}, {_megabytes(worker.bytes_sent)} accepted"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
