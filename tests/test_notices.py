"""A listener hears of everything, disturbs nothing, and is shown no secret."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, get_args

import attrs
import pytest

from appcues_async import notices
from appcues_async.models import Job
from appcues_async.notices import (
    AnswerLost,
    AnswerSettled,
    AttemptFailed,
    BodySent,
    BulkProgressed,
    ChunkEnded,
    JobChanged,
    JobStarted,
    Notice,
    OutboxClosed,
    OutboxFilled,
    OutboxKeptAside,
    OutboxSends,
    OutboxStalled,
    PauseBegan,
    PauseEnded,
    PollFailed,
    ReplyReceived,
    RunEnded,
    RunStarted,
    WorkerChanged,
    notify,
)

EACH: list[Notice] = [
    ReplyReceived("GET", "segments/{segment_id}", 200, 1, 0.25),
    AttemptFailed("POST", "import/events", 1, "Throttled", 429, 0.5),
    BodySent("import/profiles", 7, 1 << 20, 2 << 20),
    BulkProgressed(
        kind="profiles",
        rows_read=9,
        bytes_read=90,
        rows_rejected=1,
        rows_sent=8,
        bytes_sent=80,
        rows_ingested=7,
        bytes_in_all=None,
    ),
    ChunkEnded(0, 8, 80, "completed", "7"),
    PauseBegan(2.0, "429"),
    PauseEnded(),
    AnswerLost("import/events"),
    AnswerSettled("import/events", "found", "7"),
    JobStarted("7", "import/profiles"),
    JobChanged(Job(id="7")),
    PollFailed(None, "ServerError"),
    RunStarted("profiles"),
    WorkerChanged(worker="tcp://10.0.0.2:1", threads=4, sending=1, chunks=2, bytes_sent=80),
    RunEnded(kind="profiles", rows=9, rejected=1, chunks=1, accepted=8, ingested=7, seconds=0.5),
    OutboxSends(),
    OutboxStalled("InvalidInput"),
    OutboxKeptAside(7, "events", 9, "BadRequest"),
    OutboxFilled("drop", 9),
    OutboxClosed(waiting=1, accepted=2, failed=3, on_disk=True),
]


def test_every_notice_reaches_the_listener_in_order() -> None:
    heard: list[Notice] = []
    for notice in EACH:
        notify(heard.append, notice)
    assert heard == EACH


def test_without_a_listener_nothing_happens() -> None:
    notify(None, PauseEnded())


@pytest.mark.parametrize("error", [ValueError("no"), AssertionError(), StopIteration()])
def test_a_listener_that_fails_is_logged_and_disturbs_nothing(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(notice: Notice) -> None:
        raise error

    with caplog.at_level(logging.ERROR, "appcues_async"):
        notify(fail, JobStarted("7", "import/profiles"))
    (record,) = caplog.records
    assert record.getMessage() == "the on_notice listener failed on a JobStarted"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_passes_through(error: type[BaseException]) -> None:
    def stop(notice: Notice) -> None:
        raise error

    with pytest.raises(error):
        notify(stop, PauseEnded())


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, BaseException])
def test_what_a_listener_raises_besides_is_an_error_of_its_own(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def stop(notice: Notice) -> None:
        raise error

    notify(stop, PauseEnded())
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is error


def test_every_notice_is_part_of_what_can_be_told() -> None:
    assert set(map(type, EACH)) == set(get_args(Notice))
    assert {cls.__name__ for cls in get_args(Notice)} < set(notices.__all__)


@pytest.mark.parametrize("notice", EACH, ids=lambda notice: type(notice).__name__)
def test_a_notice_does_not_change(notice: Any) -> None:
    with pytest.raises(AttributeError):
        notice.anything = 1
    for field in attrs.fields(type(notice)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(notice, field.name, None)


def test_what_a_notice_may_hold_is_on_this_list_and_nothing_else() -> None:
    held = {cls.__name__: [field.name for field in attrs.fields(cls)] for cls in get_args(Notice)}
    assert held == {
        "ReplyReceived": ["method", "route", "status", "number", "seconds", "limits"],
        "AttemptFailed": ["method", "route", "number", "error", "status", "delay", "reason"],
        "BodySent": ["route", "upload", "sent", "size"],
        "BulkProgressed": [
            "kind",
            "rows_read",
            "bytes_read",
            "rows_rejected",
            "rows_sent",
            "bytes_sent",
            "rows_ingested",
            "bytes_in_all",
        ],
        "ChunkEnded": ["chunk", "rows", "size", "status", "job"],
        "PauseBegan": ["seconds", "reason", "gauges"],
        "PauseEnded": ["gauges"],
        "AnswerLost": ["kind"],
        "AnswerSettled": ["kind", "outcome", "id"],
        "JobStarted": ["id", "kind"],
        "JobChanged": ["job"],
        "PollFailed": ["id", "error"],
        "RunStarted": ["kind"],
        "WorkerChanged": ["worker", "threads", "sending", "chunks", "bytes_sent", "gone"],
        "RunEnded": ["kind", "rows", "rejected", "chunks", "accepted", "ingested", "seconds"],
        "OutboxSends": [],
        "OutboxStalled": ["error"],
        "OutboxKeptAside": ["batch", "kind", "rows", "error"],
        "OutboxFilled": ["on_full", "dropped"],
        "OutboxClosed": ["waiting", "accepted", "failed", "on_disk"],
    }
