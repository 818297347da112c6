"""Runs that do not go well, and how that is heard."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from appcues_async import AppcuesClient, BadRequest, BulkFailed, InvalidInput, Outcome
from appcues_async.bulk.run import BulkRun
from appcues_async.notices import BulkProgressed, Notice
from appcues_async.sandbox import Answer, JobPlan, Sandbox
from tests.conftest import AT_ONCE, SOON


def rows(count: int = 1_000, first: int = 0) -> list[dict[str, Any]]:
    return [{"user_id": f"{number:04}"} for number in range(first, first + count)]


async def _outcomes(run: BulkRun) -> list[Outcome]:
    return [outcome async for outcome in run]


WAYS: dict[str, Callable[[BulkRun], Any]] = {
    "awaited": lambda run: run,
    "result": lambda run: run.result(),
    "iterated over": _outcomes,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_rejected_row_fails_the_run_at_its_end(
    sandbox: Sandbox, client: AppcuesClient, way: Callable[[BulkRun], Any]
) -> None:
    run = client.bulk.import_profiles([*rows(3), {"plan": "pro"}])
    with pytest.raises(BulkFailed, match=r"1 rejected(.|\n)*rejected: the rows: row 4") as raised:
        await way(run)
    assert raised.value.report is run.report
    assert (run.report.completed, run.report.rejected, run.report.ok) == (3, 1, False)
    assert len(sandbox.profiles) == 3


async def test_a_chunk_that_is_refused_fails_the_run_and_is_its_cause(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(400), method="POST")
    with pytest.raises(BulkFailed, match="refused: ") as raised:
        await client.bulk.import_profiles(rows())
    assert isinstance(raised.value.__cause__, BadRequest)


async def test_rows_that_a_job_did_not_take_fail_the_run(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.plan_next_job(JobPlan(ingestions_failed=3))
    with pytest.raises(BulkFailed, match="3 rows and 0 requests failed"):
        await client.bulk.import_profiles(rows())


async def test_the_report_is_returned_on_request(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(400), method="POST")
    run = client.bulk.import_profiles(rows(), on_failure="report")
    report = await run
    assert not report.ok
    assert [one.status for one in await _outcomes(run)] == ["refused"]
    with pytest.raises(BulkFailed) as raised:
        report.raise_for_failures()
    assert raised.value.report is report


async def test_without_waiting_an_accepted_row_counts_as_taken() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=3600) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        assert (await client.bulk.import_profiles(rows(), wait=False)).ok


async def test_one_run_that_fails_leaves_others_in_their_task_group(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    bad = client.bulk.import_profiles([{"plan": "pro"}], on_failure="report")
    good = client.bulk.import_profiles(rows())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run.result()) for run in (bad, good)]
    assert [task.result().ok for task in tasks] == [False, True]


async def test_thousands_of_reasons_make_no_endless_message(client: AppcuesClient) -> None:
    with pytest.raises(BulkFailed) as raised:
        await client.bulk.import_profiles([{"plan": "pro"}] * 5_000)
    assert len(str(raised.value).splitlines()) < 15
    assert "and 4,995 more rejected rows" in str(raised.value)


class GoneError(Exception):
    """A database has gone away."""


async def test_what_the_source_raises_is_raised_as_it_is_with_the_report(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async def cursor() -> AsyncIterator[dict[str, Any]]:
        for row in rows(2_000):
            yield row
        raise GoneError

    run = client.bulk.import_profiles(cursor(), chunk_bytes=5_000)
    with pytest.raises(GoneError) as raised:
        await run
    report = raised.value.report  # type: ignore[attr-defined]
    assert report is run.report
    assert report.completed == len(sandbox.profiles) > 0
    assert not report.ok


async def test_a_file_that_is_refused_brings_the_report(client: AppcuesClient) -> None:
    with pytest.raises(InvalidInput, match="no user_id") as raised:
        await client.bulk.import_profiles(b"plan\npro\n")
    assert raised.value.report is not None
    assert raised.value.report.rows == 0


def plain(first: int) -> Iterator[dict[str, Any]]:
    yield from rows(first)
    raise asyncio.CancelledError


async def waiting(first: int) -> AsyncIterator[dict[str, Any]]:
    for row in rows(first):
        yield row
    dropped = asyncio.get_running_loop().create_future()
    # As a driver does with its waiters when the connection goes.
    dropped.cancel()
    await dropped


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("source", [plain, waiting])
async def test_a_source_that_is_cancelled_is_an_error_and_no_cancellation(
    sandbox: Sandbox, client: AppcuesClient, source: Any, way: Callable[[BulkRun], Any]
) -> None:
    run = client.bulk.import_profiles(source(2_000), chunk_bytes=5_000)
    with pytest.raises(InvalidInput, match="nobody cancelled the call") as raised:
        await way(run)
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    assert not run.report.cancelled
    assert run.report.completed == len(sandbox.profiles) > 0


async def test_a_listener_that_raises_a_cancellation_cancels_nothing(sandbox: Sandbox) -> None:
    def listen(notice: Notice) -> None:
        if isinstance(notice, BulkProgressed):
            raise asyncio.CancelledError

    async with AppcuesClient(**sandbox.credentials, retry=SOON, polling=AT_ONCE) as client:
        report = await client.bulk.import_profiles(rows(), on_notice=listen, chunk_bytes=5_000)
    assert report.completed == len(sandbox.profiles) == 1_000


async def test_a_cancelled_run_raises_whenever_it_is_awaited(client: AppcuesClient) -> None:
    run = client.bulk.import_profiles(rows())
    report = await run.cancel()
    assert (report.cancelled, report.ok) == (True, False)
    for _ in range(2):
        with pytest.raises(BulkFailed, match="stopped before the end of the source"):
            await run


@pytest.mark.parametrize("name", ["import_profiles", "import_events"])
async def test_a_run_that_was_never_awaited_warns(client: AppcuesClient, name: str) -> None:
    def forget() -> None:
        getattr(client.bulk, name)(rows())
        gc.collect()

    with pytest.warns(RuntimeWarning, match=rf"client\.bulk\.{name}\(\) was never awaited"):
        forget()


async def test_a_run_that_was_awaited_or_cancelled_does_not_warn(client: AppcuesClient) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await client.bulk.import_profiles(rows())
        await client.bulk.import_profiles(rows()).cancel()
        gc.collect()
