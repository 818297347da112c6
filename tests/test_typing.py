"""The public signatures, twice: as mypy sees them in use, and as they are written.

The functions in the first half are never called. mypy reads them with all other tests, and fails when
what they are given or what they return is no longer what is asserted here.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import pytest
from multidict import CIMultiDictProxy

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    Attempt,
    Delivery,
    InvalidInput,
    Job,
    JobEvent,
    JobFailed,
    JobHandle,
    JobPending,
    OutcomeUnknown,
    Pace,
    PollPolicy,
    Problem,
    Reply,
    RetryPolicy,
    RowsFailed,
    Segment,
    Throttle,
    Timeouts,
)
from appcues_async.api.imports import Imports
from appcues_async.api.jobs import Jobs
from appcues_async.api.segments import Segments
from appcues_async.notices import JobChanged, Notice, ReplyReceived

if TYPE_CHECKING:
    from aiohttp import ClientSession


# --- in use --------------------------------------------------------------------------------------


def three_ways_in(
    session: ClientSession, throttle: Throttle, listener: Callable[[Notice], None]
) -> list[AppcuesClient]:
    class Mine(AppcuesClient):
        pass

    mine = Mine.from_env()
    assert_type(mine, Mine)
    return [
        AppcuesClient("1", "key", "secret"),
        AppcuesClient(account_id="1", api_key="key", api_secret="secret", region="eu"),
        AppcuesClient(
            "1",
            "key",
            "secret",
            region="us",
            base_url="http://127.0.0.1:8080",
            timeouts=Timeouts(connect=10, idle=60.0, budget=60, wait=86_400),
            retry=RetryPolicy(attempts=5, base=0.5, cap=20, max_retry_after=60, outage=600),
            polling=PollPolicy(first=0.5, low=1, high=15, grace=5),
            throttle=Pace(rate=50),
            on_unknown="reconcile",
            session=session,
            on_notice=listener,
        ),
        AppcuesClient("1", "key", "secret", base_url=None, throttle=None, session=None),
        AppcuesClient("1", "key", "secret", throttle=throttle, on_unknown="raise"),
        AppcuesClient.from_env(throttle=None),
        AppcuesClient.from_profile("eu"),
        AppcuesClient.from_profile("eu", path=Path("config.toml"), on_unknown="resend"),
        mine,
    ]


async def a_client(client: AppcuesClient) -> None:
    async with client as opened:
        assert_type(opened, AppcuesClient)
    assert_type(
        client.with_options(
            retry=RetryPolicy(), timeouts=Timeouts(), polling=PollPolicy(), on_unknown="raise"
        ),
        AppcuesClient,
    )
    assert_type(client.imports, Imports)
    assert_type(client.segments, Segments)
    assert_type(client.jobs, Jobs)


async def any_request(client: AppcuesClient) -> None:
    reply = await client.request(
        "GET", "sdk_keys", json={"a": [1]}, query={"limit": "1"}, accept="application/json"
    )
    assert_type(reply, Reply)
    assert_type(reply.status, int)
    assert_type(reply.headers, CIMultiDictProxy[str])
    assert_type(reply.body, bytes)
    assert_type(reply.text(), str)
    assert_type(reply.json(), Any)


async def uploads(
    client: AppcuesClient,
    rows: Iterable[Mapping[str, Any]],
    later: AsyncIterator[dict[str, Any]],
) -> None:
    assert_type(await client.imports.profiles("users.csv"), JobHandle)
    assert_type(await client.imports.profiles(Path("users.csv"), format="csv"), JobHandle)
    assert_type(await client.imports.profiles(b"user_id\n7\n", format=None), JobHandle)
    assert_type(await client.imports.events(rows, format="ndjson"), JobHandle)
    assert_type(await client.imports.events(later), JobHandle)
    assert_type(await client.segments.add_user_ids("s", ["7", "8"]), JobHandle)
    assert_type(await client.segments.remove_user_ids("s", Path("ids.csv")), JobHandle)


async def segments(client: AppcuesClient) -> None:
    assert_type(await client.segments.list(), list[Segment])
    assert_type(await client.segments.get("s"), Segment)
    assert_type(await client.segments.create("Friends"), Segment)
    segment = await client.segments.create("Friends", description="All of them")
    assert_type(await client.segments.update(segment.id, name="Foes"), Segment)
    assert_type(await client.segments.update(segment.id, description=""), Segment)
    deleting: Coroutine[Any, Any, None] = client.segments.delete(segment.id)
    await deleting
    assert_type(segment.id, str)
    assert_type(segment.name, str)
    assert_type(segment.description, str | None)
    assert_type(segment.created_at, datetime | None)
    assert_type(segment.updated_at, datetime | None)
    assert_type(segment.created_by, str | None)
    assert_type(segment.updated_by, str | None)
    assert_type(segment.url, str)
    assert_type(segment.extra, Mapping[str, Any])


async def jobs(client: AppcuesClient) -> None:
    assert_type(await client.jobs.list(), list[Job])
    assert_type(await client.jobs.get("7"), Job)
    handle = client.jobs.resume("7")
    assert_type(handle, JobHandle)
    assert_type(await client.jobs.wait_all([handle]), list[Job])
    assert_type(await client.jobs.wait_all([handle], timeout=60.0, return_failures=True), list[Job])
    async for ended in client.jobs.as_completed([handle]):
        assert_type(ended, JobHandle)


async def a_handle(handle: JobHandle) -> None:
    assert_type(await handle, Job)
    assert_type(await handle.wait(), Job)
    assert_type(await handle.wait(timeout=60), Job)
    assert_type(handle.id, str)
    assert_type(handle.url, str)
    assert_type(handle.token, str)
    assert_type(handle.job, Job | None)
    assert_type(handle.done(), bool)
    async for job in handle:
        assert_type(job, Job)
    handle.raise_for_failures()


def a_job(job: Job) -> None:
    assert_type(job.id, str)
    assert_type(job.name, str)
    assert_type(job.status, str)
    assert_type(job.started_at, datetime | None)
    assert_type(job.url, str)
    assert_type(job.events, tuple[JobEvent, ...])
    assert_type(job.extra, Mapping[str, Any])
    assert_type(job.ended, bool)
    assert_type(job.ingestions_completed, int | None)
    assert_type(job.ingestions_failed, int | None)
    assert_type(job.requests_failed, int | None)
    assert_type(job.runtime_ms, int | None)


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


def what_a_type_checker_refuses(client: AppcuesClient) -> None:
    # Each comment is itself an error (unused-ignore) once its line is no longer refused.
    AppcuesClient("1", "key", "secret", region="mars")  # type: ignore[arg-type]
    AppcuesClient("1", "key", "secret", on_unknown="hope")  # type: ignore[arg-type]
    AppcuesClient("1", "key", "secret", "eu")  # type: ignore[call-arg]
    client.imports.profiles("users.csv", format="json")  # type: ignore[arg-type, unused-coroutine]
    client.segments.update("s", "Foes")  # type: ignore[call-arg, unused-coroutine]


# --- as written ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public", "signature"),
    [
        (
            AppcuesClient,
            "(account_id: 'str', api_key: 'str', api_secret: 'str', *, region: 'Region' = 'us', "
            "base_url: 'str | None' = None, timeouts: 'Timeouts | None' = None, "
            "retry: 'RetryPolicy | None' = None, polling: 'PollPolicy | None' = None, "
            "throttle: 'Throttle | Pace | Literal[Shared.ACCOUNT] | None' = "
            '<Shared.ACCOUNT: "the account\'s shared throttle">, '
            "on_unknown: 'OnUnknown' = 'reconcile', session: 'ClientSession | None' = None, "
            "on_notice: 'Listener | None' = None, clock: 'Clock | None' = None) -> 'None'",
        ),
        (AppcuesClient.from_env, "(**options: 'Any') -> 'Self'"),
        (
            AppcuesClient.from_profile,
            "(name: 'str', *, path: 'Path | None' = None, **options: 'Any') -> 'Self'",
        ),
        (
            AppcuesClient.with_options,
            "(self, *, retry: 'RetryPolicy | None' = None, timeouts: 'Timeouts | None' = None, "
            "polling: 'PollPolicy | None' = None, on_unknown: 'OnUnknown | None' = None) "
            "-> 'AppcuesClient'",
        ),
        (
            AppcuesClient.request,
            "(self, method: 'str', path: 'str', *, json: 'Any' = None, "
            "query: 'Mapping[str, str] | None' = None, accept: 'str' = 'application/json') "
            "-> 'Reply'",
        ),
        (
            Imports.profiles,
            "(self, source: 'Source', *, format: 'Format | None' = None, "
            "allow_ids: 'Iterable[UserId]' = ()) -> 'JobHandle'",
        ),
        (
            Imports.events,
            "(self, source: 'Source', *, format: 'Format | None' = None, "
            "allow_ids: 'Iterable[UserId]' = ()) -> 'JobHandle'",
        ),
        (Segments.list, "(self) -> 'list[Segment]'"),
        (Segments.get, "(self, segment_id: 'str') -> 'Segment'"),
        (
            Segments.create,
            "(self, name: 'str', description: 'str | None' = None) -> 'Segment'",
        ),
        (
            Segments.update,
            "(self, segment_id: 'str', *, name: 'str | None' = None, "
            "description: 'str | None' = None) -> 'Segment'",
        ),
        (Segments.delete, "(self, segment_id: 'str') -> 'None'"),
        (
            Segments.add_user_ids,
            "(self, segment_id: 'str', source: 'Source', *, format: 'Format | None' = None, "
            "allow_ids: 'Iterable[UserId]' = ()) -> 'JobHandle'",
        ),
        (
            Segments.remove_user_ids,
            "(self, segment_id: 'str', source: 'Source', *, format: 'Format | None' = None) "
            "-> 'JobHandle'",
        ),
        (Jobs.list, "(self) -> 'list[Job]'"),
        (Jobs.get, "(self, job_id: 'str') -> 'Job'"),
        (Jobs.resume, "(self, job: 'str') -> 'JobHandle'"),
        (
            Jobs.wait_all,
            "(self, handles: 'Iterable[JobHandle]', *, timeout: 'float | None' = None, "
            "return_failures: 'bool' = False) -> 'builtins.list[Job]'",
        ),
        (
            Jobs.as_completed,
            "(self, handles: 'Iterable[JobHandle]') -> 'AsyncIterator[JobHandle]'",
        ),
        (JobHandle.wait, "(self, timeout: 'float | None' = None) -> 'Job'"),
        (JobHandle.done, "(self) -> 'bool'"),
        (JobHandle.raise_for_failures, "(self) -> 'None'"),
        (Reply.text, "(self) -> 'str'"),
        (Reply.json, "(self) -> 'Any'"),
        (
            Timeouts,
            "(connect: 'float' = 10, idle: 'float' = 60, budget: 'float' = 60, "
            "wait: 'float' = 86400, settle: 'float' = 15) -> None",
        ),
        (
            RetryPolicy,
            "(attempts: 'int' = 5, base: 'float' = 0.5, cap: 'float' = 20, "
            "max_retry_after: 'float' = 60, outage: 'float' = 600) -> None",
        ),
        (
            PollPolicy,
            "(first: 'float' = 0.5, low: 'float' = 1, high: 'float' = 15, grace: 'float' = 5) "
            "-> None",
        ),
        (Pace, "(rate: 'float' = 50) -> None"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_public_signature_is_what_users_call(public: Callable[..., Any], signature: str) -> None:
    assert str(inspect.signature(public)) == signature


@pytest.mark.parametrize("name", ["id", "url", "token", "job"])
def test_what_a_handle_tells_is_read_without_calling(name: str) -> None:
    assert isinstance(inspect.getattr_static(JobHandle, name), property)


@pytest.mark.parametrize(
    "public",
    [
        AppcuesClient.request,
        Imports.profiles,
        Imports.events,
        Segments.list,
        Segments.get,
        Segments.create,
        Segments.update,
        Segments.delete,
        Segments.add_user_ids,
        Segments.remove_user_ids,
        Jobs.list,
        Jobs.get,
        Jobs.wait_all,
        JobHandle.wait,
    ],
)
def test_what_sends_is_awaited(public: Callable[..., Any]) -> None:
    assert inspect.iscoroutinefunction(public)


@pytest.mark.parametrize("public", [AppcuesClient.with_options, Jobs.resume, JobHandle.done])
def test_what_sends_nothing_is_not_awaited(public: Callable[..., Any]) -> None:
    assert not inspect.iscoroutinefunction(public)
