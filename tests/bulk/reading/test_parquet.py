"""Parquet files are read by their path, a part of a row group at a time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from appcues_async import AppcuesClient, BulkFailed, InvalidInput
from appcues_async.rows.parquet import open_parquet
from appcues_async.sandbox import Sandbox


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.parquet"
    pl.DataFrame({"user_id": [1, 2], "plan": ["pro", None]}).write_parquet(path)
    return path


async def test_a_parquet_file_is_read_by_its_path_with_a_journal_too(
    sandbox: Sandbox, client: AppcuesClient, users: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        report = await client.bulk.import_profiles(users, journal=tmp_path / "sync.db")
        assert report.rows == 2
    assert sandbox.profiles == {"1": {"plan": "pro"}, "2": {"plan": None}}
    assert len([one for one in sandbox.requests if one.method == "POST"]) == 1


async def test_its_column_of_ids_is_a_list_for_a_segment(
    sandbox: Sandbox, client: AppcuesClient, users: Path
) -> None:
    segment = await client.segments.create("Customers")
    await client.bulk.add_user_ids(segment.id, users)
    assert set(sandbox.segments[segment.id].user_ids) == {"1", "2"}


async def test_it_may_stand_beside_other_files(
    sandbox: Sandbox, client: AppcuesClient, users: Path, tmp_path: Path
) -> None:
    other, nothing = tmp_path / "more.csv", tmp_path / "none.parquet"
    other.write_text("user_id\n3\n")
    pl.DataFrame({"user_id": []}, schema={"user_id": pl.String}).write_parquet(nothing)
    report = await client.bulk.import_profiles([users, other, nothing])
    assert set(sandbox.profiles) == {"1", "2", "3"}
    assert report.empty == 1


async def test_an_index_of_pandas_without_a_name_is_left_out(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "frame.parquet"
    pd.DataFrame({"user_id": ["3"], "score": [1.5]}, index=[7]).to_parquet(path)
    await client.bulk.import_profiles(path)
    assert sandbox.profiles == {"3": {"score": 1.5}}


async def test_times_without_a_zone_need_one_and_names_may_be_changed(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "events.parquet"
    row = {"nr": 1, "name": "Paid", "timestamp": datetime(2026, 7, 14, 12)}
    pl.DataFrame([row]).write_parquet(path)
    with pytest.raises(InvalidInput, match=r"has no user_id .* id_column='nr'"):
        await client.bulk.import_events(path)
    with pytest.raises(BulkFailed, match="a time without a zone"):
        await client.bulk.import_events(path, id_column="nr")
    await client.bulk.import_events(path, id_column="nr", time_zone=UTC)
    assert sandbox.events[0]["timestamp"] == "2026-07-14T12:00:00+00:00"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-30], "cannot be read as Parquet"),
        (lambda data: b"PAR1" + b"x" * 200, "cannot be read as Parquet"),
        (lambda data: data[:20] + b"\xff" * 40 + data[60:], "users.parquet cannot be read: "),
    ],
)
async def test_a_damaged_file_is_an_error_that_names_it(
    client: AppcuesClient, users: Path, damage: Any, message: str
) -> None:
    write(users, damage(read(users)))
    with pytest.raises(InvalidInput, match=message) as caught:
        await client.bulk.import_profiles(users)
    assert "Traceback" not in str(caught.value)


async def test_what_cannot_be_meant_is_refused(
    client: AppcuesClient, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="delimiter is for files of text"):
        await client.bulk.import_profiles(users, delimiter=";")
    with pytest.raises(InvalidInput, match="the data is a Parquet file; give its path"):
        await client.bulk.import_profiles(read(users))
    with pytest.raises(InvalidInput, match=r"client\.bulk reads it by its path"):
        await client.imports.profiles(users)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidInput, match=r"pip install 'appcues-async\[arrow\]'"):
        await client.bulk.import_profiles(users)


def test_a_row_group_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    table = pa.table({"user_id": [f"user-{number:08}" * 8 for number in range(100_000)]})
    parquet.write_table(table, path, row_group_size=100_000, use_dictionary=False)
    size = table.nbytes
    del table
    before = pa.total_allocated_bytes()
    most = max(
        pa.total_allocated_bytes() - before
        for _ in pa.RecordBatchReader.from_stream(open_parquet(path))
    )
    assert most < size / 2
