"""Standard logging: a listener that every client has, as the logger `appcues_async`.

INFO tells of pauses, jobs and runs; WARNING of lost answers, outages, rejected rows, failures and runs
without rows; DEBUG of each attempt. The environment variable `APPCUES_LOG` (`debug` or `info`) writes it
to stderr.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from logging import DEBUG, INFO, WARNING
from typing import Any, Final, TypeAlias

from appcues_async import notices
from appcues_async.errors import InvalidInput
from appcues_async.notices import Listener, Notice, log, notify
from appcues_async.text import counted, printable

__all__ = ["listen_and_log", "log_as_environment_says", "log_notice", "log_to_stderr"]

Record: TypeAlias = tuple[Any, ...]
"""A level, a text, and the values in it."""


def listen_and_log(listener: Listener | None) -> Listener:
    """Makes a listener that logs every notice and passes it on."""

    def heard(notice: Notice) -> None:
        log_notice(notice)
        notify(listener, notice)

    return heard


def log_to_stderr(level: str) -> None:
    """Writes the log of this package to stderr, once however often it is asked for.

    Args:
        level: `debug` or `info`, in upper or lower case.

    Raises:
        InvalidInput: It is neither.
    """
    if level.lower() not in {"debug", "info"}:
        raise InvalidInput(f"the level of the log is {level!r}; it must be debug or info")
    log.setLevel(level.upper())
    if not any(type(handler) is logging.StreamHandler for handler in log.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)


def log_as_environment_says() -> None:
    """Writes the log to stderr where `APPCUES_LOG` says so.

    Raises:
        InvalidInput: It says something else.
    """
    if level := os.environ.get("APPCUES_LOG"):
        log_to_stderr(level)


def log_notice(notice: Notice) -> None:
    """Logs a notice: no row, no link, no secret, and nothing that steers a terminal."""
    highest, record_of = _RECORDS.get(type(notice), (0, None))
    if record_of is not None and log.isEnabledFor(highest):
        level, text, *values = record_of(notice)
        log.log(level, text, *(printable(one) if isinstance(one, str) else one for one in values))


def _failed_attempt(notice: notices.AttemptFailed) -> Record:
    then = "no more" if notice.delay is None else f"the next in {notice.delay:.1f} s"
    text = "%s %s: attempt %d failed, %s %s; %s"
    why = notice.status or f"({notice.reason})"
    return DEBUG, text, notice.method, notice.route, notice.number, notice.error, why, then


def _job(notice: notices.JobChanged) -> Record:
    job = notice.job
    level = INFO if job.ended else DEBUG
    if job.status == "FAILED" or job.ingestions_failed:
        level = WARNING
    counts = ["?" if n is None else n for n in (job.ingestions_completed, job.ingestions_failed)]
    return level, "job %s is %s: ingested %s, failed %s", job.id, job.status, *counts


def _chunk(notice: notices.ChunkEnded) -> Record:
    level = WARNING if notice.status in {"refused", "failed", "unknown"} else DEBUG
    text, rows = "chunk %d (%s, %d bytes) is %s, job %s", counted(notice.rows, "row")
    return level, text, notice.chunk, rows, notice.size, notice.status, notice.job or "none"


def _run(notice: notices.RunEnded) -> Record:
    text = "run of %s ended after %.1f s: %s read, %d rejected; %s, %s accepted, %d ingested"
    read, accepted = counted(notice.rows, "row"), counted(notice.accepted, "row")
    chunks = counted(notice.chunks, "chunk")
    counts = (read, notice.rejected, chunks, accepted, notice.ingested)
    level = WARNING if notice.rejected or not notice.rows else INFO
    return level, text, notice.kind, notice.seconds, *counts


def _left_outbox(notice: notices.OutboxClosed) -> Record:
    rows = notice.waiting + notice.failed
    text = (
        "outbox closed: %d rows not sent, %d kept aside, %d accepted whose jobs still run; all of them "
        + ("stay on disk" if notice.on_disk else "were in memory only")
    )
    level = WARNING if rows else INFO
    return level, text, notice.waiting, notice.failed, notice.accepted


def _worker(notice: notices.WorkerChanged) -> Record:
    if notice.gone:
        return WARNING, "worker %s is gone; %d chunks came from it", notice.worker, notice.chunks
    text = "worker %s: %d of %d threads send; %d chunks, %d bytes accepted from it"
    counts = (notice.sending, notice.threads, notice.chunks, notice.bytes_sent)
    return DEBUG, text, notice.worker, *counts


_RECORDS: Final[dict[type[Any], tuple[int, Callable[[Any], Record]]]] = {
    notices.ReplyReceived: (
        DEBUG,
        lambda one: (
            DEBUG,
            "%s %s: %d in %.3f s, attempt %d",
            *(one.method, one.route, one.status, one.seconds, one.number),
        ),
    ),
    notices.AttemptFailed: (DEBUG, _failed_attempt),
    notices.PollFailed: (
        DEBUG,
        lambda one: (DEBUG, "poll of %s failed: %s", one.id or "the list of jobs", one.error),
    ),
    notices.PauseBegan: (
        WARNING,
        lambda one: (
            WARNING if one.reason == "outage" else INFO,
            "requests are held back for %.3g s (%s)",
            *(one.seconds, one.reason),
        ),
    ),
    notices.PauseEnded: (INFO, lambda _: (INFO, "requests are no longer held back")),
    notices.JobStarted: (INFO, lambda one: (INFO, "job %s started by %s", one.id, one.kind)),
    notices.JobChanged: (WARNING, _job),
    notices.AnswerLost: (
        WARNING,
        lambda one: (WARNING, "the answer to %s was lost; its outcome is looked up", one.kind),
    ),
    notices.AnswerSettled: (
        WARNING,
        lambda one: (
            WARNING if one.outcome == "undecided" else INFO,
            "the lost answer to %s is settled: %s%s",
            *(one.kind, one.outcome, f" {one.id}" if one.id else ""),
        ),
    ),
    notices.ChunkEnded: (WARNING, _chunk),
    notices.RunStarted: (INFO, lambda one: (INFO, "run of %s started", one.kind)),
    notices.RunEnded: (WARNING, _run),
    notices.OutboxSends: (INFO, lambda _: (INFO, "this process sends what the outbox holds")),
    notices.OutboxStalled: (
        WARNING,
        lambda one: (WARNING, "the outbox cannot send (%s); it tries again", one.error),
    ),
    notices.OutboxKeptAside: (
        WARNING,
        lambda one: (
            WARNING,
            "outbox: %s of %s kept aside, batch %d (%s)",
            *(counted(one.rows, "row"), one.kind, one.batch, one.error),
        ),
    ),
    notices.OutboxFilled: (
        WARNING,
        lambda one: (
            WARNING,
            "the outbox is full (on_full=%s): %d rows dropped since the last line",
            *(one.on_full, one.dropped),
        ),
    ),
    notices.OutboxClosed: (WARNING, _left_outbox),
    notices.WorkerChanged: (WARNING, _worker),
}
"""By the kind of a notice, the highest level that it is logged at, and what its record is made by."""
