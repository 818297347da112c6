"""Progress on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Protocol, Self

from attrs import define, field
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from appcues_async.models import IN_PROGRESS, Job
from appcues_async.notices import (
    BodySent,
    JobChanged,
    JobStarted,
    Notice,
    PauseBegan,
    ReplyReceived,
)

__all__ = ["Display", "open_display"]


class Display(Protocol):
    """Shows notices for as long as it is open."""

    def __call__(self, notice: Notice) -> None:
        """Takes a notice; a client's `on_notice`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_display(quiet: bool) -> Display:
    """Chooses how progress is shown."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


class Silent:
    """Shows nothing."""

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Lines(Silent):
    """A line for what one may want to find in a log."""

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        match notice:
            case JobStarted():
                self._say(f"{notice.kind}: accepted as job {notice.id}")
            case JobChanged() if notice.job.status != IN_PROGRESS:
                self._say(f"job {notice.job.id}: {counts_of(notice.job)}")
            case PauseBegan():
                self._say(pause_of(notice))
            case _:
                pass

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


@define(eq=False)
class Bars:
    """Bars for uploads and spinners for jobs, with a line for all requests below."""

    progress: Progress = field(
        factory=lambda: Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
    )
    uploads: dict[int, TaskID] = field(factory=dict)
    jobs: dict[str, TaskID] = field(factory=dict)
    requests: int = 0
    refused: int = 0
    total: TaskID | None = None

    def __enter__(self) -> Self:
        self.progress.start()
        self.total = self.progress.add_task("requests", total=None, note="")
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        match notice:
            case BodySent():
                self._sent(notice)
            case JobStarted():
                note = "accepted"
                self.jobs[notice.id] = self.progress.add_task(
                    f"job {notice.id[:8]} {notice.kind}", total=None, note=note
                )
            case JobChanged():
                self._changed(notice.job)
            case ReplyReceived():
                self.requests += 1
                self.refused += notice.status == 429
                self._note(f"{self.requests} sent, {self.refused} refused (429)")
            case PauseBegan():
                self.progress.console.print(pause_of(notice), style="yellow")
            case _:
                pass

    def _sent(self, notice: BodySent) -> None:
        if notice.upload not in self.uploads:
            self.uploads[notice.upload] = self.progress.add_task(
                f"upload {notice.route}", total=notice.size, note=""
            )
        task = self.uploads[notice.upload]
        self.progress.update(task, completed=notice.sent)
        if notice.sent == notice.size:
            self.progress.remove_task(self.uploads.pop(notice.upload))

    def _changed(self, job: Job) -> None:
        task = self.jobs.get(job.id)
        if job.ended:
            self.progress.console.print(f"job {job.id}: {counts_of(job)}")
            if task is not None:
                self.progress.remove_task(self.jobs.pop(job.id))
        elif task is not None:
            self.progress.update(task, note=job.status)

    def _note(self, text: str) -> None:
        if self.total is not None:
            self.progress.update(self.total, note=text)


def counts_of(job: Job) -> str:
    """A job's state in a few words."""
    if job.ingestions_completed is None:
        return job.status
    failed = f", {job.ingestions_failed:,} failed" if job.ingestions_failed else ""
    return f"{job.status}, {job.ingestions_completed:,} rows taken{failed}"


def pause_of(notice: PauseBegan) -> str:
    """A pause in a few words."""
    return f"held back for {notice.seconds:.1f} s ({notice.reason})"
