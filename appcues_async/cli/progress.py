"""Progress on stderr: bars on a terminal, plain lines elsewhere.

A display is a listener. A notice names the route of an upload; what people call it, the task that
uploads it has put into `UPLOADING`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, Protocol, Self

from attrs import define, field
from rich.console import Console, RenderableType
from rich.progress import (
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress_bar import ProgressBar
from rich.text import Text

from appcues_async.cli.output import Form, say
from appcues_async.models import IN_PROGRESS, Job
from appcues_async.notices import (
    AttemptFailed,
    JobChanged,
    JobStarted,
    Notice,
    PauseBegan,
    PauseEnded,
    ReplyReceived,
)
from appcues_async.text import counted, printable

__all__ = ["UPLOADING", "Display", "Label", "open_display"]


@define(eq=False)
class Label:
    """The name of an upload, for people; two uploads of one file are two."""

    text: str


UPLOADING: Final[ContextVar[Label | None]] = ContextVar("UPLOADING", default=None)


class Display(Protocol):
    """Shows notices for as long as it is open."""

    def __call__(self, notice: Notice) -> None:
        """Takes a notice; a client's `on_notice`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_display(
    quiet: bool,
    form: Form,
    *,
    bars: Callable[[Console], Display] | None = None,
    lines: Callable[[], Display] | None = None,
) -> Display:
    """Chooses how progress is shown.

    Args:
        quiet: Not at all.
        form: How results are shown: only those of a table are for people.
        bars: What people at a terminal are shown; a row for each upload, if left out.
        lines: What is written elsewhere; what one may want to find in a log, if left out.
    """
    if quiet:
        return Silent()
    console = Console(stderr=True)
    people = sys.stdout.isatty() and sys.stderr.isatty() and not console.is_dumb_terminal
    if people and form == "table":
        return (bars or Bars)(console)
    return (lines or Lines)()


class Silent:
    """Shows nothing."""

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@define(eq=False)
class Lines(Silent):
    """A line for what one may want to find in a log."""

    jobs: dict[str, str] = field(factory=dict)

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        match notice:
            case JobStarted():
                label = UPLOADING.get()
                self.jobs[notice.id] = label.text if label else notice.kind
                say(f"{self.jobs[notice.id]}: accepted as job {notice.id}")
            case JobChanged() if notice.job.status != IN_PROGRESS:
                name = self.jobs.get(notice.job.id, f"job {notice.job.id}")
                say(f"{name}: {counts_of(notice.job)}")
            case PauseBegan():
                say(pause_of(notice))
            case AttemptFailed() if notice.status != 429:
                say(attempt_of(notice))
            case _:
                pass


class ShareColumn(ProgressColumn):
    """How much is done; a task's own count would end it before its job has ended."""

    def render(self, task: Task) -> RenderableType:
        """Draws a bar where that is known, and nothing elsewhere."""
        size = task.fields["size"]
        return ProgressBar(size, task.fields["sent"], width=16) if size else Text()


class TimeColumn(TimeElapsedColumn):
    """The time that is left where that is known, and else the time that has passed."""

    def render(self, task: Task) -> Text:
        """Draws it."""
        left = task.fields["left"]
        return super().render(task) if left is None else Text(left, style="progress.remaining")


@define(eq=False)
class Bars:
    """A row for each upload until its job has ended, and one for all requests."""

    console: Console
    progress: Progress = field(init=False)
    uploads: dict[Label | None, TaskID] = field(factory=dict)
    jobs: dict[str, TaskID] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)
    requests: int = 0
    refused: int = 0
    held: bool = False
    total: TaskID | None = None

    def __attrs_post_init__(self) -> None:
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            ShareColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeColumn(),
            console=self.console,
            transient=True,
        )

    def __enter__(self) -> Self:
        self.progress.start()
        self.total = self._add("requests")
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        match notice:
            case JobStarted():
                label = UPLOADING.get()
                self.names[notice.id] = label.text if label else notice.kind
                self.jobs[notice.id] = self._row(label, notice.kind)
                self.uploads.pop(label, None)
                self.progress.update(self.jobs[notice.id], note="accepted")
            case JobChanged():
                self._changed(notice.job)
            case ReplyReceived():
                self.requests += 1
                self.refused += notice.status == 429
                self._count()
            case PauseBegan():
                self.held = True
                self._say(pause_of(notice), "yellow")
                self._count()
            case PauseEnded():
                self.held = False
                self._count()
            case AttemptFailed() if notice.status != 429:
                self._say(attempt_of(notice), "yellow")
            case _:
                pass

    def _row(self, label: Label | None, route: str) -> TaskID:
        if label not in self.uploads:
            name = label.text if label else route
            self.uploads[label] = self._add(name)
        return self.uploads[label]

    def _add(self, name: str) -> TaskID:
        return self.progress.add_task(
            printable(name), total=None, size=0, sent=0, note="", left=None
        )

    def _changed(self, job: Job) -> None:
        name = self.names.get(job.id, f"job {job.id}")
        if job.ended:
            self._say(f"{name}: {counts_of(job)}", "red" if job.status == "FAILED" else "")
            if job.id in self.jobs:
                self.progress.remove_task(self.jobs.pop(job.id))
            return
        if job.id not in self.jobs:
            self.jobs[job.id] = self._add(name)
        self.progress.update(self.jobs[job.id], note=printable(job.status))

    def _count(self) -> None:
        if self.total is not None:
            # Short enough for a terminal of 80 columns, which would lose the bars to it.
            note = f"{self.requests:,} answered, {self.refused:,} x 429"
            self.progress.update(self.total, note=f"{note}, held back" if self.held else note)

    def _say(self, text: str, style: str) -> None:
        self.console.print(
            printable(text), style=style, markup=False, highlight=False, soft_wrap=True
        )


def counts_of(job: Job) -> str:
    """A job's state in a few words."""
    if job.ingestions_completed is None:
        return job.status
    failed = f", {job.ingestions_failed:,} failed" if job.ingestions_failed else ""
    return f"{job.status}, {counted(job.ingestions_completed, 'row')} taken{failed}"


def pause_of(notice: PauseBegan) -> str:
    """A pause in a few words."""
    by = {"429": " by 429", "outage": " by an outage"}.get(notice.reason, "")
    return f"held back{by} for {notice.seconds:.3g} s"


def attempt_of(notice: AttemptFailed) -> str:
    """A failed attempt in a few words."""
    what = f"{notice.error} ({notice.status})" if notice.status else notice.error
    if notice.reason and not notice.status:
        what = printable(f"{what}: {notice.reason}")
    then = "" if notice.delay is None else f"; again in {notice.delay:.1f} s"
    return f"{notice.method} {notice.route}: {what}{then}"
