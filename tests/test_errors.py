"""Errors carry what is known, wherever they are carried."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Iterator

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async import errors
from appcues_async.bulk.report import Report
from appcues_async.errors import (
    AppcuesError,
    Attempt,
    BadRequest,
    BulkFailed,
    ConnectionFailed,
    Delivery,
    Forbidden,
    InvalidInput,
    JobError,
    JobFailed,
    JobPending,
    NoDownload,
    NotFound,
    NoTurn,
    OutboxFull,
    OutboxPending,
    OutcomeUnknown,
    ReplyError,
    RowsFailed,
    ServerError,
    Throttled,
    Unauthorized,
    UnexpectedReply,
    UnsupportedMediaType,
)
from appcues_async.models import Job, JobEvent
from appcues_async.wire.reply import Problem, Reply

JOB = Job(id="7", status="FAILED", events=(JobEvent(name="Failed", attributes={"n": 1}),))
REPLY = Reply(
    503, CIMultiDictProxy(CIMultiDict([("Retry-After", "7"), ("X", "1"), ("X", "2")])), b"\xff"
)
PROBLEM = Problem("Oops", "`x` is missing")


def one_of_each() -> Iterator[AppcuesError]:
    yield AppcuesError("it", delivery=Delivery.UNKNOWN, reply=REPLY, problem=PROBLEM, retry_after=7)
    yield InvalidInput("it")
    yield ConnectionFailed("it")
    yield OutcomeUnknown("it", reply=REPLY, candidates=[JOB], chunk=3, rows=(10, 20))
    for cls in (ReplyError, BadRequest, Unauthorized, Forbidden, NotFound, UnsupportedMediaType):
        yield cls.of("it", REPLY, PROBLEM)
    yield Throttled.of("it", REPLY, PROBLEM, retry_after=7.5)
    yield ServerError.of("it", REPLY, PROBLEM)
    yield UnexpectedReply("it", reply=REPLY, delivery=Delivery.REFUSED)
    yield JobError("it", JOB)
    yield JobFailed("it", JOB)
    yield JobPending("it", url="https://api.appcues.com/v2/accounts/1/jobs/7", token="{}")
    yield RowsFailed("it", JOB)
    yield NoDownload("it", JOB)
    yield BulkFailed("it", Report(kind="profiles"))
    yield NoTurn("it")
    yield OutboxFull("it")
    yield OutboxPending("it")


EACH = list(one_of_each())
KINDS = [type(error).__name__ for error in EACH]


# --- the tree ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "parents"),
    [
        (AppcuesError, (Exception,)),
        (InvalidInput, (AppcuesError, ValueError)),
        (ConnectionFailed, (AppcuesError,)),
        (OutcomeUnknown, (AppcuesError,)),
        (ReplyError, (AppcuesError,)),
        (BadRequest, (ReplyError,)),
        (Unauthorized, (ReplyError,)),
        (Forbidden, (ReplyError,)),
        (NotFound, (ReplyError,)),
        (UnsupportedMediaType, (ReplyError,)),
        (Throttled, (ReplyError,)),
        (ServerError, (ReplyError,)),
        (UnexpectedReply, (AppcuesError,)),
        (JobError, (AppcuesError,)),
        (JobFailed, (JobError,)),
        (JobPending, (AppcuesError, TimeoutError)),
        (RowsFailed, (JobError,)),
        (NoDownload, (JobError,)),
        (NoTurn, (AppcuesError, TimeoutError)),
        (OutboxFull, (AppcuesError,)),
        (OutboxPending, (AppcuesError, TimeoutError)),
    ],
)
def test_each_error_stands_where_the_tree_shows_it(
    cls: type[AppcuesError], parents: tuple[type[Exception], ...]
) -> None:
    assert cls.__bases__ == parents


def test_the_tree_in_the_docstring_shows_every_error() -> None:
    shown = re.findall(r"^    (?:[│├└─ ]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    defined = {name for name in errors.__all__ if name not in {"Attempt", "Delivery"}}
    assert sorted(shown) == sorted(defined)


def test_every_error_of_the_tree_is_tested_here() -> None:
    defined = {name for name in errors.__all__ if name not in {"Attempt", "Delivery"}}
    assert set(KINDS) == defined


def test_a_connection_that_failed_is_no_connection_error_of_the_system() -> None:
    # `except OSError` around a file and a call must not take the one for the other.
    assert not issubclass(ConnectionFailed, OSError)


# --- what they carry -----------------------------------------------------------------------------


@pytest.mark.parametrize("error", EACH, ids=KINDS)
def test_every_error_answers_the_same_questions(error: AppcuesError) -> None:
    assert isinstance(error.delivery, Delivery)
    assert error.status is None or error.status == 503
    assert error.retry_after is None or error.retry_after >= 7
    assert error.reply is None or error.reply is REPLY
    assert error.problem is None or error.problem is PROBLEM
    assert error.attempts == ()
    assert str(error) == "it"


@pytest.mark.parametrize(
    ("error", "delivery"),
    [
        (AppcuesError("it"), Delivery.NOT_SENT),
        (InvalidInput("it"), Delivery.NOT_SENT),
        (ConnectionFailed("it"), Delivery.NOT_SENT),
        (OutcomeUnknown("it"), Delivery.UNKNOWN),
        (Throttled("it"), Delivery.REFUSED),
        (NotFound("it"), Delivery.REFUSED),
        (ServerError("it"), Delivery.UNKNOWN),
        (UnexpectedReply("it"), Delivery.UNKNOWN),
        (JobFailed("it", JOB), Delivery.REFUSED),
        (JobPending("it", url="", token=""), Delivery.UNKNOWN),
        (RowsFailed("it", JOB), Delivery.REFUSED),
    ],
)
def test_each_kind_of_error_knows_how_far_the_request_got(
    error: AppcuesError, delivery: Delivery
) -> None:
    assert error.delivery is delivery


def test_one_error_may_have_got_further_than_its_kind() -> None:
    error = InvalidInput("the file has changed", delivery=Delivery.UNKNOWN)
    assert error.delivery is Delivery.UNKNOWN
    assert InvalidInput("it").delivery is Delivery.NOT_SENT


def test_the_status_is_that_of_the_reply() -> None:
    assert AppcuesError("it", reply=REPLY).status == 503
    assert AppcuesError("it").status is None


def test_a_lost_outcome_says_which_jobs_and_rows_it_may_be_about() -> None:
    error = OutcomeUnknown("it", candidates=[JOB], chunk=0, rows=(1, 2))
    assert (error.candidates, error.chunk, error.rows) == ((JOB,), 0, (1, 2))


def test_a_pending_job_is_a_timeout_that_says_where_to_look() -> None:
    with pytest.raises(TimeoutError) as caught:
        raise JobPending("still running", url="https://x/jobs/7", token="{}")
    assert str(caught.value) == "still running"
    assert isinstance(caught.value, JobPending)
    assert (caught.value.url, caught.value.token) == ("https://x/jobs/7", "{}")


# --- where they are carried ----------------------------------------------------------------------


def by_pickle(protocol: int) -> Callable[[AppcuesError], AppcuesError]:
    def carry(error: AppcuesError) -> AppcuesError:
        carried = pickle.loads(pickle.dumps(error, protocol))
        assert isinstance(carried, AppcuesError)
        return carried

    return carry


WAYS = [*map(by_pickle, range(pickle.HIGHEST_PROTOCOL + 1)), copy.copy, copy.deepcopy]


@pytest.mark.parametrize("carry", WAYS)
@pytest.mark.parametrize("error", EACH, ids=KINDS)
def test_an_error_arrives_in_another_process_as_it_was(
    error: AppcuesError, carry: Callable[[AppcuesError], AppcuesError]
) -> None:
    sent = copy.copy(error)
    sent.attempts = (Attempt(1, "Throttled (429)", 429, 0.5), Attempt(2, "ServerError (503)", 503))
    sent.add_note("while syncing users")
    arrived = carry(sent)
    assert type(arrived) is type(sent)
    assert arrived.args == sent.args
    assert str(arrived) == str(sent)
    assert vars(arrived) == vars(sent)
    assert arrived.delivery is sent.delivery
    assert arrived.status == sent.status


def test_an_error_of_a_users_own_arrives_as_well() -> None:
    arrived = by_pickle(5)(Own("it", 7))
    assert isinstance(arrived, Own)
    assert arrived.number == 7


class Own(NotFound):
    """An error with an argument that its parents know nothing of."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
