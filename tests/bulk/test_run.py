"""Runs against the sandbox: what arrives, what is said of it, and what is left out."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import attrs
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import zstandard

from appcues_async import (
    AppcuesClient,
    BulkFailed,
    InvalidInput,
    JobFailed,
    JobPending,
    OutcomeUnknown,
    RetryPolicy,
    ServerError,
    Timeouts,
)
from appcues_async.notices import BulkProgressed, ChunkEnded, Notice
from appcues_async.sandbox import Answer, JobPlan, Reset, Sandbox, Stall
from tests.conftest import AT_ONCE, SOON

CSV = b"user_id,plan\n" + b"".join(b"%04d,pro\n" % number for number in range(1000))
NDJSON = b"".join(b'{"user_id":"%04d","plan":"pro"}\n' % number for number in range(1000))
IDS = {f"{number:04}" for number in range(1000)}


def rows(count: int = 1000) -> list[dict[str, Any]]:
    return [{"user_id": f"{number:04}", "plan": "pro"} for number in range(count)]


async def later(count: int = 1000) -> AsyncIterator[dict[str, Any]]:
    for row in rows(count):
        yield row


@attrs.frozen
class User:
    user_id: str
    plan: str


def files(folder: Path) -> dict[str, Any]:
    half = CSV.index(b"0500")
    (folder / "users.csv").write_bytes(CSV)
    (folder / "users.ndjson").write_bytes(NDJSON)
    (folder / "users.csv.gz").write_bytes(gzip.compress(CSV))
    (folder / "users.jsonl.zst").write_bytes(zstandard.compress(NDJSON))
    (folder / "one.csv").write_bytes(CSV[:half])
    (folder / "two.csv").write_bytes(b"user_id,plan\n" + CSV[half:])
    return {
        "a csv": folder / "users.csv",
        "its name": str(folder / "users.csv"),
        "ndjson": folder / "users.ndjson",
        "gzip": folder / "users.csv.gz",
        "zstd": folder / "users.jsonl.zst",
        "two files": [folder / "one.csv", folder / "two.csv"],
        "bytes of csv": CSV,
        "bytes of ndjson": NDJSON,
        "a list": rows(),
        "a generator": iter(rows()),
        "an async iterator": later(),
        "attrs objects": [User(row["user_id"], "pro") for row in rows()],
        "polars": pl.DataFrame(rows()),
        "pandas": pd.DataFrame(rows()),
        "pyarrow": pa.Table.from_pylist(rows()),
    }


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


BAD_ROWS: dict[str, bytes] = {
    "csv": b"user_id,plan\n1,pro\n,free\n3,pro\n4,pro,more\n5,pro\n",
    "ndjson": b'{"user_id":"1"}\n{"plan":"free"}\n{"user_id":"3"}\n'
    b'{"user_id":"4","a":[1]}\n{"user_id":"5"}\n',
}


@pytest.mark.parametrize("data", BAD_ROWS.values(), ids=BAD_ROWS)
async def test_a_bad_row_does_not_stop_the_others_and_its_reason_is_kept(
    sandbox: Sandbox, client: AppcuesClient, data: bytes, tmp_path: Path
) -> None:
    put_aside = tmp_path / "rejects.ndjson"
    report = await client.bulk.import_profiles(data, rejects=put_aside, on_failure="report")
    assert set(sandbox.profiles) == {"1", "3", "5"}
    assert (report.rows, report.rejected, report.completed, report.ok) == (5, 2, 3, False)
    assert [one.number for one in report.rejects] == [2, 4]
    lines = [json.loads(line) for line in put_aside.read_text().splitlines()]
    assert [line["number"] for line in lines] == [2, 4]
    assert list(lines[0]) == ["source", "number", "line", "reason", "row"]
    with pytest.raises(BulkFailed, match="not all profiles were taken") as raised:
        report.raise_for_failures()
    assert raised.value.report is report


async def test_the_rejects_file_feeds_back_in(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    put_aside = tmp_path / "rejects.ndjson"
    source = [*rows(3), {"user_id": "null", "plan": "free"}]
    await client.bulk.import_profiles(source, rejects=put_aside, on_failure="report")
    put_aside.write_text(put_aside.read_text().replace('"null"', '"7"'))
    assert (await client.bulk.import_profiles(put_aside, on_failure="report")).ok
    assert sandbox.profiles["7"] == {"plan": "free"}


@pytest.mark.parametrize("source", [[*rows(600), {"plan": "x"}], CSV + b",free\n"])
async def test_stop_at_a_rejected_row_sends_nothing(
    sandbox: Sandbox, client: AppcuesClient, source: Any
) -> None:
    with pytest.raises(BulkFailed, match=r"rejected: the \w+: row (601|1,001)") as raised:
        await client.bulk.import_profiles(source, on_failure="stop", chunk_bytes=1_000)
    assert raised.value.report.rejected == 1
    assert not sandbox.requests


@pytest.mark.parametrize(("check", "rejected"), [("full", ["no id", "nested"]), ("none", [])])
async def test_check_says_how_much_of_a_row_is_looked_at(
    client: AppcuesClient, check: Any, rejected: list[str]
) -> None:
    data = b'{"user_id":"1","a":1}\n{"x":"no id"}\n{"user_id":"2","x":"nested","b":{}}\n'
    report = await client.bulk.import_profiles(data, check=check, on_failure="report")
    assert [one.row["x"] for one in report.rejects] == rejected


async def test_types_are_inferred_where_that_loses_nothing(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    data = b"user_id,a,b,c,d,e,f\n007,7,1.5,true,null,1.50,\n1e5,8,2,false,\\N,x,-2\n"
    report = await client.bulk.import_profiles(data, types="infer")
    assert report.ok
    assert sandbox.profiles == {
        "007": {"a": 7, "b": 1.5, "c": True, "d": "null", "e": "1.50"},
        "1e5": {"a": 8, "b": 2, "c": False, "d": None, "e": "x", "f": -2},
    }


async def test_without_it_cells_stay_text(sandbox: Sandbox, client: AppcuesClient) -> None:
    await client.bulk.import_profiles(b"user_id,a\n007,7\n")
    assert sandbox.profiles == {"007": {"a": "7"}}


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


async def test_ordered_sends_a_chunk_after_the_last_ones_job_has_ended() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=0.01) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        source = [{"user_id": "1", "n": number} for number in range(400)]
        report = await client.bulk.import_profiles(source, ordered=True, chunk_bytes=2_000)
        assert report.chunks > 3
        kinds = [request.method for request in sandbox.requests]
        assert "POST POST" not in " ".join(kinds)
        assert sandbox.profiles == {"1": {"n": 399}}


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


async def _awaited(run: Any) -> Any:
    return await run


async def test_ordered_stops_where_a_job_is_not_known_to_have_ended() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=3600) as sandbox,
        AppcuesClient(
            **sandbox.credentials, polling=AT_ONCE, timeouts=Timeouts(wait=0.05)
        ) as client,
    ):
        report = await client.bulk.import_profiles(
            CSV, ordered=True, chunk_bytes=2_000, on_failure="report"
        )
    (outcome,) = report.outcomes
    assert outcome.status == "accepted"
    assert isinstance(outcome.error, JobPending)
    assert (report.cancelled, report.read_to_end) == (True, False)
    assert "stopped before the end of the source" in report.summary()


async def test_ordered_goes_on_after_a_chunk_that_was_refused(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(400), method="POST")
    report = await client.bulk.import_profiles(
        CSV, ordered=True, chunk_bytes=2_000, on_failure="report"
    )
    statuses = [outcome.status for outcome in report.outcomes]
    assert statuses == ["refused", *["completed"] * (report.chunks - 1)]
    assert report.read_to_end


async def test_ordered_without_waiting_is_refused(client: AppcuesClient) -> None:
    with pytest.raises(InvalidInput, match="ordered is True and wait is False"):
        client.bulk.import_profiles(CSV, ordered=True, wait=False)


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


async def test_rejected_rows_do_not_overwrite_a_source(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path, link = tmp_path / "users.csv", tmp_path / "link"
    path.write_bytes(CSV + b",pro\n")
    link.symlink_to(path)
    with pytest.raises(InvalidInput, match="is one of the sources; name another file"):
        await client.bulk.import_profiles(path, rejects=link)
    assert path.read_bytes() == CSV + b",pro\n"
    assert not sandbox.requests


async def test_rejected_rows_do_not_take_the_place_of_another_file(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("poems\n")
    with pytest.raises(InvalidInput, match="holds something else than rejected rows"):
        await client.bulk.import_profiles(CSV + b",pro\n", rejects=path)
    assert path.read_text() == "poems\n"
    with pytest.raises(InvalidInput, match="a folder that is there"):
        await client.bulk.import_profiles(CSV, rejects=tmp_path / "none" / "rejects.ndjson")
    assert not sandbox.requests


async def test_rejected_rows_of_an_earlier_run_do_not_stay(
    client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.ndjson"
    await client.bulk.import_profiles(CSV + b",pro\n", rejects=path, on_failure="report")
    assert path.read_text().count("\n") == 1
    await client.bulk.import_profiles(CSV, rejects=path, on_failure="report")
    assert not path.exists()


async def test_one_byte_that_is_no_utf_8_rejects_its_row_and_no_other(
    client: AppcuesClient,
) -> None:
    report = await client.bulk.import_profiles(
        CSV + b"1000,caf\xe9\n1001,pro\n", on_failure="report"
    )
    assert (report.rows, report.accepted) == (1002, 1001)
    assert "no CSV in UTF-8" in report.rejects[0].reason
    with pytest.raises(InvalidInput, match="is not UTF-8 at byte"):
        await client.bulk.import_profiles(
            "user_id,café\n1,pro\n".encode("latin-1"), on_failure="report"
        )


@pytest.mark.parametrize("types", [None, "infer"])
async def test_a_cell_may_be_of_any_size(
    sandbox: Sandbox, client: AppcuesClient, types: Literal["infer"] | None
) -> None:
    bio = 'says "no", ' * 20_000
    rows = f'user_id,bio\n1,"{bio.replace(chr(34), chr(34) * 2)}"\n2,{"x" * 200_000}\n,none\n'
    report = await client.bulk.import_profiles(rows.encode(), types=types, on_failure="report")
    assert (report.accepted, report.rejected) == (2, 1)
    assert sandbox.profiles == {"1": {"bio": bio}, "2": {"bio": "x" * 200_000}}


async def test_cells_without_a_name_stay_with_a_rejected_row(client: AppcuesClient) -> None:
    report = await client.bulk.import_profiles(
        b"user_id,plan\n1,pro,large\n2,pro\n", on_failure="report"
    )
    assert [reject.row for reject in report.rejects] == [["1", "pro", "large"]]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"check": "some"}, "check is 'some'"),
        ({"chunk_bytes": 200_000_001}, "chunk_bytes"),
        ({"concurrency": 0}, "concurrency"),
        ({"on_failure": "ignore"}, "on_failure"),
        ({"types": "guess"}, "types"),
    ],
)
async def test_an_option_that_is_malformed_is_refused_at_once(
    client: AppcuesClient, options: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        client.bulk.import_profiles(CSV, **options)


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


async def test_an_option_that_does_not_exist_is_named_with_the_one_that_was_meant(
    client: AppcuesClient,
) -> None:
    wrong: dict[str, Any] = {"chunk_byte": 10}
    with pytest.raises(TypeError, match=r"import_events\(\).*'chunk_byte'.*'chunk_bytes'"):
        client.bulk.import_events(CSV, **wrong)
    with pytest.raises(TypeError, match=r"'zzz'; it takes concurrency, chunk_bytes"):
        client.bulk.add_user_ids("1", CSV, zzz=1)  # type: ignore[call-arg]
