"""Jobs that are waited for, as a table that is drawn anew while they run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, Self

from attrs import define, field
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from appcues_async.cli.output import Form, status_style
from appcues_async.cli.progress import Display, open_display
from appcues_async.models import Job
from appcues_async.notices import (
    JobChanged,
    Notice,
    PauseBegan,
    PauseEnded,
    PollFailed,
    ReplyReceived,
)
from appcues_async.text import counted, printable

__all__ = ["JobTable", "open_job_table"]

SHOWN: Final = 30
"""Rows of the table; of more jobs, those that still run are shown first."""


def open_job_table(quiet: bool, form: Form) -> Display:
    """Chooses how the progress of jobs is shown."""
    return open_display(quiet, form, bars=JobTable)


@define
class _Row:
    """One job, as far as it has been seen."""

    id: str
    job: Job | None = None
    since: float = field(factory=time.monotonic)
    until: float | None = None

    @property
    def seconds(self) -> int:
        return round((self.until or time.monotonic()) - self.since)


@define(eq=False)
class JobTable:
    """A row for each job: status, seconds, counts; and below, how often was looked."""

    console: Console
    rows: dict[str, _Row] = field(factory=dict)
    requests: int = 0
    failed: int = 0
    held: bool = False
    began: float = field(factory=time.monotonic)
    live: Live = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.live = Live(
            console=self.console, transient=True, refresh_per_second=4, get_renderable=self.draw
        )

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        match notice:
            case JobChanged():
                self.see(notice.job)
            case ReplyReceived():
                self.requests += 1
            case PollFailed():
                self.failed += 1
            case PauseBegan():
                self.held = True
            case PauseEnded():
                self.held = False
            case _:
                pass

    def expect(self, jobs: Iterable[str]) -> None:
        """Has these jobs in the table before they have been looked at."""
        self.rows.update((job, _Row(job)) for job in jobs)

    def see(self, job: Job) -> None:
        """Takes in how a job stands."""
        row = self.rows.setdefault(job.id, _Row(job.id))
        row.job = job
        if job.ended and row.until is None:
            row.until = time.monotonic()

    def draw(self) -> RenderableType:
        """Draws the table."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("job", "name", "status"):
            table.add_column(name)
        for name in ("seconds", "ingested", "failed"):
            table.add_column(name, justify="right")
        running = sorted(self.rows.values(), key=lambda row: row.until is not None)
        for row in running[:SHOWN]:
            job = row.job
            table.add_row(
                Text(printable(row.id)),
                Text(printable(job.name) if job else ""),
                Text(
                    printable(job.status) if job else "not looked at yet",
                    style=status_style(job.status if job else None),
                ),
                f"{row.seconds:,}",
                _count(job.ingestions_completed if job else None),
                _count(job.ingestions_failed if job else None),
            )
        return Group(table, Text(self.summary()))

    def summary(self) -> str:
        """Returns the line below the table."""
        ended = sum(row.until is not None for row in self.rows.values())
        minutes = max(time.monotonic() - self.began, 1) / 60
        parts = [
            f"{ended:,} of {len(self.rows):,} ended",
            f"{counted(self.requests, 'request')} ({self.requests / minutes:.0f} a minute)",
        ]
        if len(self.rows) > SHOWN:
            parts.append(f"{len(self.rows) - SHOWN:,} not shown")
        if self.failed:
            parts.append(f"{counted(self.failed, 'look')} failed")
        if self.held:
            parts.append("held back")
        return ", ".join(parts)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
