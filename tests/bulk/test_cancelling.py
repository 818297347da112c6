"""Runs that are called off, and clients that are left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from appcues_async import (
    AppcuesClient,
)
from appcues_async.sandbox import Sandbox, Stall
from tests.bulk.profiles import CSV, _awaited, later, rows
from tests.conftest import AT_ONCE, SOON


async def test_cancelling_says_what_had_been_accepted() -> None:
    async with (
        Sandbox(rate_limit=None) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE, retry=SOON) as client,
    ):
        sandbox.faults.add(Stall("request"), method="POST", skip=2, times=None)
        closed = False

        def source() -> Iterator[dict[str, Any]]:
            nonlocal closed
            try:
                yield from rows(5_000)
            finally:
                closed = True

        run = client.bulk.import_profiles(
            source(), chunk_bytes=16_000, concurrency=1, on_failure="report"
        )
        task = asyncio.ensure_future(_awaited(run))
        async with asyncio.timeout(10):
            while sum(one.method == "POST" for one in sandbox.requests) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        report = run.report
        assert report.cancelled
        assert [outcome.status for outcome in report.outcomes][2:] == ["unknown"]
        assert len(report.handles) == 2
        assert report.accepted == sum(outcome.rows for outcome in report.outcomes[:2])
        assert report.rows < 5_000
        sandbox.faults.clear()
        assert (await run).cancelled


async def test_leaving_the_client_ends_its_runs() -> None:
    async with Sandbox(rate_limit=None) as sandbox:
        async with AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client:
            run = client.bulk.import_profiles(
                later(100_000), chunk_bytes=20_000, on_failure="report"
            )
            async for _ in run:
                break
        report = await run
        assert report.cancelled
        assert 0 < report.accepted < 100_000


async def test_cancelling_while_jobs_run_says_that_all_had_been_sent() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=3600) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        run = client.bulk.import_profiles(CSV, chunk_bytes=2_000, on_failure="report")
        task = asyncio.ensure_future(_awaited(run))
        async with asyncio.timeout(10):
            while not run.report.read_to_end or run.report.accepted < 1000:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        report = await run.cancel()
        assert (await task).cancelled
    assert (report.cancelled, report.read_to_end, report.accepted) == (True, True, 1000)
    assert "stopped before all its jobs had ended" in report.summary()
