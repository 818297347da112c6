"""Jobs over real HTTP: listed, got, resumed and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from appcues_async import (
    AppcuesClient,
    InvalidInput,
    JobFailed,
    JobHandle,
    JobPending,
    NotFound,
    UnexpectedReply,
)
from appcues_async.notices import JobChanged, JobStarted, Notice
from appcues_async.sandbox import Amend, Answer, Reset, Sandbox
from tests.conftest import AT_ONCE, SOON

ROWS = [{"user_id": "007"}]


@pytest.fixture
async def slow() -> AsyncIterator[Sandbox]:
    """A server whose jobs end only when its clock is moved."""
    async with Sandbox(rate_limit=None, job_seconds=100) as running:
        yield running


@pytest.fixture
async def waiting(slow: Sandbox) -> AsyncIterator[AppcuesClient]:
    async with AppcuesClient(
        **slow.credentials, retry=SOON, polling=AT_ONCE, throttle=None
    ) as opened:
        yield opened


async def test_a_job_is_listed_and_got_by_its_id(client: AppcuesClient) -> None:
    handle = await client.imports.profiles(ROWS)
    (listed,) = await client.jobs.list()
    assert listed.id == handle.id
    assert listed.events == ()
    job = await client.jobs.get(handle.id)
    assert job.events[-1].name == "Completed"
    assert job.started_at is not None
    assert job.started_at.utcoffset() is not None


async def test_a_job_that_never_was_is_not_found(client: AppcuesClient) -> None:
    with pytest.raises(NotFound):
        await client.jobs.get("nowhere")
    with pytest.raises(NotFound):
        await client.jobs.resume("nowhere")


async def test_resuming_sends_nothing(sandbox: Sandbox, client: AppcuesClient) -> None:
    client.jobs.resume("abc")
    assert not sandbox.requests


@pytest.mark.parametrize("how", ["id", "url", "token"])
async def test_a_wait_is_taken_up_in_another_client(
    slow: Sandbox, waiting: AppcuesClient, how: str
) -> None:
    handle = await waiting.imports.profiles(ROWS)
    async with AppcuesClient(**slow.credentials, polling=AT_ONCE) as other:
        again = other.jobs.resume(getattr(handle, how))
        slow.advance(100)
        assert (await again).ingestions_completed == 1


async def test_a_token_of_another_account_is_refused(client: AppcuesClient) -> None:
    token = (await client.imports.profiles(ROWS)).token.replace("sandbox-account", "other")
    with pytest.raises(InvalidInput, match="account 'other'"):
        client.jobs.resume(token)


async def test_wait_all_returns_the_jobs_in_the_order_of_the_handles(
    client: AppcuesClient,
) -> None:
    handles = [await client.imports.profiles(ROWS) for _ in range(5)]
    jobs = await client.jobs.wait_all(reversed(handles))
    assert [job.id for job in jobs] == [handle.id for handle in reversed(handles)]


async def start_three(sandbox: Sandbox, client: AppcuesClient) -> list[JobHandle]:
    """The second one fails."""
    first = await client.imports.profiles(ROWS)
    sandbox.fail_next_job("out of ink")
    second = await client.imports.profiles(ROWS)
    return [first, second, await client.imports.profiles(ROWS)]


async def test_wait_all_raises_a_group_once_all_have_ended(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    handles = await start_three(sandbox, client)
    with pytest.raises(ExceptionGroup, match="1 of 3 jobs") as caught:
        await client.jobs.wait_all(handles)
    (error,) = caught.value.exceptions
    assert isinstance(error, JobFailed)
    assert all(handle.done() for handle in handles)


async def test_wait_all_returns_failed_jobs_when_asked_to(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    handles = await start_three(sandbox, client)
    jobs = await client.jobs.wait_all(handles, return_failures=True)
    assert [job.status for job in jobs] == ["COMPLETED", "FAILED", "COMPLETED"]


async def test_wait_all_ends_at_its_timeout_with_what_is_still_running(
    waiting: AppcuesClient,
) -> None:
    handles = [await waiting.imports.profiles(ROWS) for _ in range(2)]
    with pytest.raises(ExceptionGroup) as caught:
        await waiting.jobs.wait_all(handles, timeout=0.05)
    assert all(isinstance(error, JobPending) for error in caught.value.exceptions)
    assert len(caught.value.exceptions) == 2


async def test_wait_all_of_nothing_is_nothing(client: AppcuesClient) -> None:
    assert await client.jobs.wait_all([]) == []


async def test_as_completed_yields_each_handle_whether_it_went_well_or_not(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    handles = await start_three(sandbox, client)
    ended = [handle async for handle in client.jobs.as_completed(handles)]
    assert set(ended) == set(handles)
    with pytest.raises(JobFailed):
        await handles[1]


async def test_as_completed_yields_the_first_to_end_first(
    slow: Sandbox, waiting: AppcuesClient
) -> None:
    first = await waiting.imports.profiles(ROWS)
    slow.advance(50)
    second = await waiting.imports.profiles(ROWS)
    slow.advance(60)
    async for handle in waiting.jobs.as_completed([second, first]):
        assert handle is first
        break
    assert not second.done()


async def test_waiting_outlasts_lost_answers_and_a_job_that_shows_late(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    handle = await client.imports.profiles(ROWS)
    sandbox.faults.add(Answer(404), path="/jobs/")
    sandbox.faults.add(Reset(), path="/jobs/", times=7)
    sandbox.faults.add(Answer(503), path="/jobs/", times=7)
    sandbox.faults.add(Answer.html(200), path="/jobs/", times=7)
    assert (await handle).status == "COMPLETED"


async def test_many_jobs_are_waited_for_with_few_requests(
    slow: Sandbox, waiting: AppcuesClient
) -> None:
    handles = [await waiting.imports.profiles(ROWS) for _ in range(50)]
    everything = asyncio.create_task(waiting.jobs.wait_all(handles))
    await asyncio.sleep(0.05)
    slow.advance(100)
    assert len(await everything) == 50
    lists = sum(request.path.endswith("/jobs") for request in slow.requests)
    details = sum("/jobs/" in request.path for request in slow.requests)
    assert details == 50
    assert 1 <= lists <= 20


async def test_a_job_url_on_another_host_is_not_asked(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async with Sandbox() as elsewhere:
        sandbox.faults.add(Amend({"job_url": f"{elsewhere.url}/v2/accounts/1/jobs/2"}))
        handle = await client.imports.profiles(ROWS)
        assert handle.url.startswith(sandbox.url)
        await handle
        assert not elsewhere.requests


@pytest.mark.parametrize("job_id", ["../../../v1/accounts", "", "a b"])
async def test_a_job_id_that_is_none_is_unexpected(
    sandbox: Sandbox, client: AppcuesClient, job_id: str
) -> None:
    sandbox.faults.add(Amend({"job_id": job_id}), times=None)
    with pytest.raises(UnexpectedReply, match="job_id"):
        await client.imports.profiles(ROWS)


async def test_starts_and_changes_are_told(sandbox: Sandbox) -> None:
    told: list[Notice] = []
    async with AppcuesClient(
        **sandbox.credentials, polling=AT_ONCE, on_notice=told.append
    ) as client:
        handle = await client.imports.profiles(ROWS)
        job = await handle
    assert JobStarted(handle.id, "import/profiles") in told
    assert JobChanged(job) in told


async def test_leaving_the_client_ends_waits_with_a_token(slow: Sandbox) -> None:
    async with AppcuesClient(**slow.credentials) as client:
        handle = await client.imports.profiles(ROWS)
        wait = asyncio.create_task(handle.wait())
        await asyncio.sleep(0)
    with pytest.raises(JobPending) as caught:
        await wait
    assert caught.value.token == handle.token


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_jobs_and_handles_show_what_a_user_calls_and_nothing_else(client: AppcuesClient) -> None:
    assert public(client.jobs) == {"list", "get", "resume", "wait_all", "as_completed"}
    properties = {"id", "url", "token", "kind", "job"}
    methods = {"done", "wait", "download", "raise_for_failures"}
    assert public(client.jobs.resume("abc")) == properties | methods
