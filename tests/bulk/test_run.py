"""Runs against the sandbox: what arrives, what is said of it, and what is left out."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from appcues_async import (
    AppcuesClient,
    BulkFailed,
    InvalidInput,
    JobFailed,
    OutcomeUnknown,
    RetryPolicy,
    ServerError,
)
from appcues_async.notices import BulkProgressed, ChunkEnded, Notice
from appcues_async.sandbox import Answer, JobPlan, Reset, Sandbox, Stall
from tests.bulk.profiles import CSV, IDS, NDJSON, _awaited, files, rows
from tests.conftest import AT_ONCE


@pytest.mark.parametrize("chunk_bytes", [None, 3_000])
@pytest.mark.parametrize(
    "name",
    [
        "a csv",
        "its name",
        "ndjson",
        "gzip",
        "zstd",
        "two files",
        "bytes of csv",
        "bytes of ndjson",
        "a list",
        "a generator",
        "an async iterator",
        "attrs objects",
        "polars",
        "pandas",
        "pyarrow",
    ],
)
async def test_every_kind_of_source_arrives(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, name: str, chunk_bytes: int | None
) -> None:
    source = files(tmp_path)[name]
    report = await client.bulk.import_profiles(source, chunk_bytes=chunk_bytes)
    assert set(sandbox.profiles) == IDS
    assert all(profile == {"plan": "pro"} for profile in sandbox.profiles.values())
    assert (report.rows, report.accepted, report.completed) == (1000, 1000, 1000)
    assert report.ok
    assert report.chunks == len(sandbox.jobs)
    assert (report.chunks > 3) == (chunk_bytes is not None)
    assert report.bytes == sum(job.bytes for job in sandbox.jobs.values())


async def test_events_and_segments_have_runs_as_well(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    events = [{"user_id": "1", "name": "Paid", "timestamp": "2026-07-14T12:00:00Z", "sum": 3}]
    assert (await client.bulk.import_events(events * 500, chunk_bytes=5_000)).ok
    assert len(sandbox.events) == 500
    segment = await client.segments.create("Testers")
    assert (await client.bulk.add_user_ids(segment.id, sorted(IDS), chunk_bytes=2_000)).ok
    assert set(sandbox.segments[segment.id].user_ids) == IDS
    frame = pl.DataFrame({"user_id": ["0001", "0002"]})
    assert (await client.bulk.remove_user_ids(segment.id, frame)).ok
    assert set(sandbox.segments[segment.id].user_ids) == IDS - {"0001", "0002"}


async def test_one_chunk_that_is_refused_does_not_stop_the_others(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(400), method="POST", path="/import/profiles", skip=1)
    sandbox.plan_next_job(JobPlan(status="FAILED", detail="out of ink", rows_applied=0))
    report = await client.bulk.import_profiles(
        NDJSON, chunk_bytes=10_000, concurrency=1, on_failure="report"
    )
    statuses = [one.status for one in report.outcomes]
    assert statuses == ["failed", "refused", *["completed"] * (report.chunks - 2)]
    assert isinstance(report.outcomes[0].error, JobFailed)
    assert report.failed == report.outcomes[0].rows + report.outcomes[1].rows
    assert report.failed + report.completed == 1000
    assert "out of ink" in report.summary()
    with pytest.raises(BulkFailed, match="out of ink") as raised:
        report.raise_for_failures()
    assert raised.value.__cause__ is report.outcomes[0].error


async def test_an_event_chunk_whose_answer_is_lost_is_unknown_with_its_rows(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset(applied=True), method="POST", path="/import/events")
    row = {"user_id": "1", "name": "Paid", "timestamp": "2026-07-14T12:00:00Z"}
    report = await client.bulk.import_events(
        [row] * 300, chunk_bytes=6_000, concurrency=1, on_unknown="raise", on_failure="report"
    )
    first = report.outcomes[0]
    assert (first.status, report.unknown) == ("unknown", first.rows)
    assert isinstance(first.error, OutcomeUnknown)
    assert (first.error.chunk, first.error.rows) == (0, (1, first.last))
    assert first.error.__notes__ == [f"chunk 0, rows 1 to {first.last} of the rows"]
    assert len(sandbox.events) == 300


async def test_outcomes_come_as_they_end(sandbox: Sandbox, client: AppcuesClient) -> None:
    run = client.bulk.import_profiles(CSV, chunk_bytes=1_000)
    outcomes = [outcome async for outcome in run]
    assert sum(outcome.rows for outcome in outcomes) == 1000
    assert {outcome.status for outcome in outcomes} == {"completed"}
    report = await run
    assert sorted(outcome.chunk for outcome in outcomes) == list(range(report.chunks))
    ranges = [(one.first, one.last) for one in report.outcomes]
    assert ranges[0][0] == 1
    assert all(last + 1 == first for (_, last), (first, _) in itertools.pairwise(ranges))


async def test_without_wait_it_returns_handles_after_the_last_202() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=3600) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        report = await client.bulk.import_profiles(CSV, wait=False, chunk_bytes=2_000)
        assert {outcome.status for outcome in report.outcomes} == {"accepted"}
        assert len(report.handles) == len(sandbox.jobs) == report.chunks
        assert all(request.method == "POST" for request in sandbox.requests)
        sandbox.advance(3600)
        await client.jobs.wait_all(report.handles)
        assert set(sandbox.profiles) == IDS


async def test_a_source_is_read_only_as_fast_as_uploads_go() -> None:
    read = 0

    async def cursor() -> AsyncIterator[dict[str, Any]]:
        nonlocal read
        for row in rows(5_000):
            read += 1
            yield row

    async with (
        Sandbox(rate_limit=None) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        stall = Stall("request")
        sandbox.faults.add(stall, method="POST", times=None)
        run = client.bulk.import_profiles(cursor(), chunk_bytes=16_000, concurrency=2)
        task = asyncio.ensure_future(_awaited(run))
        async with asyncio.timeout(10):
            while len(sandbox.requests) < 2:  # noqa: ASYNC110 - a server has no such event
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert read < 2_000
        sandbox.faults.clear()
        assert (await task).rows == 5_000


class Hurried:
    """A clock on which five minutes pass in a second."""

    @property
    def id(self) -> str:
        return "of the test"

    def time(self) -> float:
        return time.monotonic() * 300

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay / 300, callback)


async def test_uploads_that_may_be_repeated_outlast_an_outage_of_five_minutes(
    sandbox: Sandbox,
) -> None:
    sandbox.faults.add(Answer(503), times=None)
    asyncio.get_running_loop().call_later(1, sandbox.faults.clear)
    async with AppcuesClient(**sandbox.credentials, clock=Hurried()) as client:
        report = await client.bulk.import_profiles(CSV, chunk_bytes=5_000)
    assert report.ok
    assert set(sandbox.profiles) == IDS
    refused = [one for one in sandbox.requests if one.status == 503]
    assert len(refused) < 100


async def test_what_the_server_never_takes_is_given_up(sandbox: Sandbox) -> None:
    sandbox.faults.add(Answer(503), times=None)
    async with AppcuesClient(
        **sandbox.credentials, clock=Hurried(), retry=RetryPolicy(outage=60)
    ) as client:
        report = await client.bulk.import_profiles(CSV, on_failure="report")
    (outcome,) = report.outcomes
    assert outcome.status == "unknown"
    assert isinstance(outcome.error, ServerError)
    assert len(outcome.error.attempts) > 5


async def test_a_source_that_waits_for_nothing_does_not_hold_the_loop(
    client: AppcuesClient,
) -> None:
    read = longest = 0

    async def source() -> AsyncIterator[dict[str, Any]]:
        nonlocal read
        for row in rows(20_000):
            read += 1
            yield row

    async def watch() -> None:
        nonlocal longest
        while True:
            before = read
            await asyncio.sleep(0)
            longest = max(longest, read - before)

    watching = asyncio.ensure_future(watch())
    await client.bulk.import_profiles(source())
    watching.cancel()
    assert 0 < longest < 2_000


async def test_three_hundred_jobs_at_once() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=0.2) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE, throttle=None) as client,
    ):
        report = await client.bulk.import_profiles(rows(9_999), chunk_bytes=900, concurrency=16)
        assert report.ok
        assert report.chunks > 300
        assert len(sandbox.profiles) == 9_999
        polls = [request for request in sandbox.requests if request.method == "GET"]
        assert len(polls) < 3 * report.chunks


async def test_progress_is_told(sandbox: Sandbox) -> None:
    seen: list[Notice] = []
    async with AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client:
        await client.bulk.import_profiles(CSV, chunk_bytes=2_000, on_notice=seen.append)
    last = [notice for notice in seen if isinstance(notice, BulkProgressed)][-1]
    assert last.rows_read == last.rows_sent == last.rows_ingested == 1000
    assert last.bytes_in_all == len(CSV)
    assert sum(notice.rows for notice in seen if isinstance(notice, ChunkEnded)) == 1000


async def test_what_is_in_all_is_not_told_of_what_is_packed(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv.gz"
    path.write_bytes(gzip.compress(CSV))
    seen: list[Notice] = []
    await client.bulk.import_profiles(path, on_notice=seen.append)
    told = [notice for notice in seen if isinstance(notice, BulkProgressed)]
    assert {notice.bytes_in_all for notice in told} == {None}
    assert told[-1].bytes_read == len(CSV) - len(b"user_id,plan\n")


async def test_one_file_that_is_refused_means_that_nothing_is_sent(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(CSV)
    bad.write_text("email\na@example.com\n")
    with pytest.raises(InvalidInput, match="no user_id or userId"):
        await client.bulk.import_profiles([good, bad])
    with pytest.raises(InvalidInput, match="there is no file"):
        await client.bulk.import_profiles([good, tmp_path / "none.csv"])
    assert not sandbox.requests


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("missing", [1, 20, 2_000])
async def test_an_archive_that_ends_half_way_ends_the_run_with_an_error(
    client: AppcuesClient, tmp_path: Path, pack: Callable[[bytes], bytes], missing: int
) -> None:
    path = tmp_path / "users.csv.packed"
    path.write_bytes(
        pack(b"user_id\n" + random.Random(1).randbytes(50_000).hex(b"\n").encode())[:-missing]
    )
    with pytest.raises(InvalidInput, match="cannot be"):
        await client.bulk.import_profiles(path, format="csv")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
async def test_an_archive_may_have_several_parts(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "users.csv.packed"
    path.write_bytes(pack(CSV[:3000]) + pack(CSV[3000:5000]) + pack(CSV[5000:]))
    report = await client.bulk.import_profiles(path, format="csv")
    assert report.ok
    assert set(sandbox.profiles) == IDS
