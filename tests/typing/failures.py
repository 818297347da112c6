"""What errors and notices carry."""

from __future__ import annotations

from typing import Any, assert_type

from appcues_async import (
    AppcuesError,
    Attempt,
    Delivery,
    InvalidInput,
    Job,
    JobFailed,
    JobPending,
    OutcomeUnknown,
    Problem,
    Reply,
    RowsFailed,
)
from appcues_async.notices import JobChanged, Notice, ReplyReceived


def errors(
    error: AppcuesError,
    unknown: OutcomeUnknown,
    failed: JobFailed | RowsFailed,
    pending: JobPending,
) -> None:
    assert_type(error.status, int | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.delivery, Delivery)
    assert_type(error.reply, Reply | None)
    assert_type(error.problem, Problem | None)
    assert_type(error.attempts, tuple[Attempt, ...])
    assert_type(unknown.candidates, tuple[Job, ...])
    assert_type(unknown.chunk, int | None)
    assert_type(unknown.rows, tuple[int, int] | None)
    assert_type(failed.job, Job)
    assert_type(pending.url, str)
    assert_type(pending.token, str)
    timeout: TimeoutError = pending
    value: ValueError = InvalidInput(str(timeout))
    assert_type(value.args, tuple[Any, ...])


def a_listener(notice: Notice) -> None:
    match notice:
        case JobChanged():
            assert_type(notice.job, Job)
        case ReplyReceived():
            assert_type(notice.seconds, float)
