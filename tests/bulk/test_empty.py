"""A run of nothing ends well, says so, and says how many of its sources are empty."""

from __future__ import annotations

import gzip
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox


async def nobody() -> AsyncIterator[Any]:
    rows: list[Any] = []
    for row in rows:
        yield row


NOTHING: list[Any] = [
    [], iter([]), pl.DataFrame({"user_id": []}), b"", b"\n \n", b"\xef\xbb\xbf", b"user_id,plan\n",
    b"user_id\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("source", NOTHING)
async def test_a_run_of_nothing_ends_well_with_a_warning(
    sandbox: Sandbox, client: AppcuesClient, source: Any, caplog: pytest.LogCaptureFixture
) -> None:
    report = await client.bulk.import_profiles(source)
    assert report.ok
    assert (report.rows, report.chunks, report.empty) == (0, 0, 1)
    assert "1 source has no rows" in report.summary()
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "0 rows read" in record.getMessage()
    assert not sandbox.requests


@pytest.mark.parametrize("packed", [False, True])
async def test_a_file_of_nothing_does_as_well(
    client: AppcuesClient, tmp_path: Path, packed: bool
) -> None:
    path = tmp_path / "events.csv"
    data = b"user_id,name,timestamp\n"
    path.write_bytes(gzip.compress(data) if packed else data)
    report = await client.bulk.import_events(path, journal=tmp_path / "sync.db")
    assert (report.ok, report.rows, report.empty) == (True, 0, 1)


async def test_an_async_source_of_nothing_does_as_well(client: AppcuesClient) -> None:
    assert (await client.bulk.import_profiles(nobody())).ok


@pytest.mark.parametrize("source", [[], b"", b"user_id\n", b'"user_id"\n'])
async def test_a_list_of_nobody_does_as_well(client: AppcuesClient, source: Any) -> None:
    segment = await client.segments.create("Nobody")
    report = await client.bulk.add_user_ids(segment.id, source)
    assert (report.ok, report.rows, report.empty) == (True, 0, 1)


async def test_empty_parts_among_several_files_are_skipped_and_counted(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.csv" for number in range(4)]
    for path, text in zip(paths, ("user_id\n1\n", "", "user_id\n", "user_id\n2\n"), strict=True):
        path.write_text(text)
    report = await client.bulk.import_profiles(paths)
    assert (report.rows, report.empty) == (2, 2)
    assert set(sandbox.profiles) == {"1", "2"}
    assert report.as_row()["empty"] == 2
