"""Sources that would lose rows if they were taken for something else, and what they hold open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput
from appcues_async.sandbox import Sandbox


@pytest.mark.parametrize("check", ["full", "none"])
async def test_a_csv_whose_lines_end_in_carriage_returns_alone_is_refused(
    client: AppcuesClient, check: Any
) -> None:
    with pytest.raises(InvalidInput, match="carriage return alone"):
        await client.bulk.import_profiles(b"user_id,plan\r007,pro\r008,free\r", check=check)


@pytest.mark.parametrize("types", [None, "infer"])
async def test_a_column_that_is_there_twice_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, types: Any
) -> None:
    with pytest.raises(InvalidInput, match="'plan' twice"):
        await client.bulk.import_profiles(b"user_id,plan,plan\n007,pro,free\n", types=types)
    assert not sandbox.requests


async def test_a_reader_of_batches_is_not_read_ahead_of_the_run(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    reader = pa.table({"user_id": ["007", "008"]}).to_reader()
    report = await client.bulk.import_profiles(reader, on_failure="stop")
    assert report.accepted == 2
    assert set(sandbox.profiles) == {"007", "008"}


async def test_a_path_among_many_that_is_not_there_is_no_row(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    (tmp_path / "one.csv").write_text("user_id\n007\n")
    paths = [str(tmp_path / "one.csv"), str(tmp_path / "two.csv")]
    with pytest.raises(InvalidInput, match=r"no file .*two\.csv"):
        await client.bulk.import_profiles(paths)
    assert not sandbox.requests


@pytest.mark.parametrize(
    "ids",
    [
        pl.Series("who", ["007", "008"]),
        pd.Series(["007", "008"]),
        pa.chunked_array([["007"], ["008"]]),
    ],
    ids=["polars", "pandas", "pyarrow"],
)
async def test_one_column_of_a_frame_is_a_list_of_ids(
    sandbox: Sandbox, client: AppcuesClient, ids: Any
) -> None:
    segment = await client.segments.create("some")
    report = await client.bulk.add_user_ids(segment.id, ids)
    assert report.accepted == report.completed == 2


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (pd.DataFrame({"user_id": ["1"], "n": [1j]}), "'n' is of the type complex128"),
        (pl.Series("user_id", ["1"]), "one column by itself"),
        (pd.Series(["1"]), "one column by itself"),
    ],
)
async def test_what_arrow_cannot_read_is_refused_with_its_reason(
    client: AppcuesClient, source: Any, rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        await client.bulk.import_profiles(source)


@pytest.mark.parametrize("is_async", [True, False])
async def test_rows_that_are_not_read_to_their_end_are_closed(
    client: AppcuesClient, is_async: bool
) -> None:
    closed = False

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal closed
        try:
            while True:
                yield {"user_id": "007", "nested": []}
        finally:
            closed = True

    async def later() -> AsyncIterator[dict[str, Any]]:
        nonlocal closed
        try:
            while True:
                yield {"user_id": "007", "nested": []}
        finally:
            closed = True

    source = later() if is_async else rows()
    with pytest.raises(BulkFailed, match="nested"):
        await client.bulk.import_profiles(source, on_failure="stop")
    assert closed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
async def test_a_run_that_waits_for_a_pipe_can_be_cancelled(
    client: AppcuesClient, tmp_path: Path
) -> None:
    pipe = tmp_path / "rows.csv"
    os.mkfifo(pipe)
    run = client.bulk.import_profiles(pipe)
    waiting = asyncio.ensure_future(run.result())
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    # A thread that hangs in the opening would be waited for here.
    async with asyncio.timeout(5):
        await asyncio.get_running_loop().shutdown_default_executor()
    assert run.report.cancelled


async def test_cancelling_whoever_iterates_ends_the_run(client: AppcuesClient) -> None:
    read = 0

    async def rows() -> AsyncIterator[dict[str, Any]]:
        nonlocal read
        while True:
            read += 1
            yield {"user_id": str(read)}

    run = client.bulk.import_profiles(rows(), chunk_bytes=10_000)

    async def iterate() -> None:
        async for _ in run:
            pass

    iterating = asyncio.create_task(iterate())
    await asyncio.sleep(0.2)
    iterating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await iterating
    before = read
    await asyncio.sleep(0.05)
    assert read == before > 0
    assert run.report.cancelled


@pytest.mark.parametrize(("check", "accepted"), [("full", 0), ("none", 2)])
async def test_check_says_how_much_of_rows_in_memory_is_looked_at(
    client: AppcuesClient, check: Any, accepted: int
) -> None:
    rows = [{"user_id": "007", "tags": ["a"]}, {"plan": "pro"}, {"user_id": "8", "n": float("nan")}]
    report = await client.bulk.import_profiles(rows, check=check, on_failure="report")
    # JSON has no NaN, whoever looks.
    assert (report.accepted, report.rejected) == (accepted, 3 - accepted)


async def test_chunks_of_a_file_that_is_gone_were_not_sent(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"user_id,plan\n" + b"".join(b"%06d,pro\n" % one for one in range(10_000)))
    run = client.bulk.import_profiles(
        path, chunk_bytes=20_000, concurrency=1, ordered=True, on_failure="report"
    )
    async for _ in run:
        path.unlink(missing_ok=True)
    report = await run
    assert report.failed > 0
    assert report.unknown == 0
    assert report.completed == len(sandbox.profiles) == report.rows - report.failed
