"""Objects of a store arrive as files do: one, many, packed, and in the same order each time."""

from __future__ import annotations

import gzip
import os
from datetime import datetime
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.reading.sources import list_objects, parts_of
from appcues_async.rows.kinds import PROFILES
from appcues_async.rows.store_reads import ObjectFile
from appcues_async.rows.urls import UrlSource
from appcues_async.sandbox import Sandbox
from tests.cloud.conftest import ShakyStore

HEADER = b"user_id,plan\n"


def names_of(*urls: str) -> list[str]:
    parts = parts_of(list(urls), PROFILES)
    return [one.name for one in list_objects(parts, Event())]


async def test_an_object_arrives_under_the_name_that_it_was_given_by(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore
) -> None:
    store.pipe("/users.csv", HEADER + b"007,pro\n")
    report = await client.bulk.import_profiles("shaky://users.csv")
    assert sandbox.profiles == {"007": {"plan": "pro"}}
    assert [one.source for one in report.outcomes] == ["shaky:///users.csv"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst", ".ndjson"])
async def test_large_objects_arrive_whole(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, suffix: str
) -> None:
    lines = [f"u{number},{number:0200d}" for number in range(3_000)]
    data = HEADER + "\n".join(lines).encode()
    match suffix:
        case ".csv.gz":
            data = gzip.compress(data, 1)
        case ".csv.zst":
            data = zstandard.compress(data, 1)
        case ".ndjson":
            rows = (line.split(",") for line in lines)
            data = "".join(f'{{"user_id":"{one}","plan":"{two}"}}\n' for one, two in rows).encode()
    store.pipe(f"/users{suffix}", data)
    report = await client.bulk.import_profiles(f"shaky:///users{suffix}")
    assert report.accepted == 3_000
    assert sandbox.profiles["u2999"] == {"plan": f"{2_999:0200d}"}


@pytest.mark.parametrize("url", ["shaky:///day", "shaky:///day/", "shaky:///day/**/*.csv"])
def test_objects_come_in_the_order_of_their_names(store: ShakyStore, url: str) -> None:
    for name in ("b.csv", "a/2.csv", "a/10.csv", "c.csv"):
        store.pipe(f"/day/{name}", b"x")
    assert names_of(url) == [
        f"shaky:///day/{one}" for one in ("a/10.csv", "a/2.csv", "b.csv", "c.csv")
    ]


def test_a_folder_is_read_without_what_engines_leave_in_it(store: ShakyStore) -> None:
    for name in ("part-0.csv", "_SUCCESS", ".part-0.csv.crc", "_delta_log/0.json"):
        store.pipe(f"/day/{name}", b"x")
    store.pipe("/day/part-1.csv", b"")
    assert names_of("shaky:///day") == ["shaky:///day/part-0.csv"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("shaky:///*.foo", "shaky:///*.foo matches no file; check the bucket and the pattern"),
        ("shaky:///nix.csv", "there is no shaky:///nix.csv; check its name"),
        ("shaky:///empty/", "shaky:///empty/ holds no file with rows"),
        ("foo://bar", "source is foo://bar, and fsspec knows no foo://; give a path"),
    ],
)
async def test_a_url_that_stands_for_nothing_is_refused(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, url: str, reason: str
) -> None:
    store.mkdir("/empty")
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles([url])
    assert str(caught.value).startswith(reason)
    assert not sandbox.requests


def test_a_name_may_hold_what_is_a_pattern_elsewhere(store: ShakyStore) -> None:
    store.pipe("/what?[1].csv", b"x")
    assert names_of("shaky:///what?[1].csv") == ["shaky:///what?[1].csv"]


async def test_an_object_that_comes_twice_is_refused(
    client: AppcuesClient, store: ShakyStore
) -> None:
    store.pipe("/day/1.csv", HEADER + b"1,a\n")
    with pytest.raises(InvalidInput, match=r"shaky:///day/1\.csv is given twice; name it once"):
        await client.bulk.import_events(["shaky:///day/", "shaky:///day/*.csv"])


async def test_objects_and_files_go_together(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, tmp_path: Path
) -> None:
    store.pipe("/1.csv", HEADER + b"1,a\n")
    (tmp_path / "2.csv").write_bytes(HEADER + b"2,b\n")
    await client.bulk.import_profiles(["shaky:///1.csv", tmp_path / "2.csv"])
    assert set(sandbox.profiles) == {"1", "2"}


async def test_a_list_of_ids_may_be_urls_of_stores_but_not_of_the_web(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore
) -> None:
    store.pipe("/1.csv", b"one\n")
    store.pipe("/2.csv", b"two\n")
    segment = await client.segments.create("Pros")
    await client.bulk.add_user_ids(segment.id, ["shaky:///1.csv", "shaky:///2.csv"])
    await client.bulk.add_user_ids(segment.id, ["https://me.example.com/"])
    assert sandbox.segments[segment.id].user_ids == {"one", "two", "https://me.example.com/"}


@pytest.mark.parametrize(
    "url", ["file://{}/*.csv", "file://{}", "file://{}/1.csv", "file://localhost{}/1.csv"]
)
def test_a_url_of_a_file_of_this_machine_is_its_path(tmp_path: Path, url: str) -> None:
    (tmp_path / "1.csv").write_bytes(HEADER)
    assert list_objects(parts_of(url.format(tmp_path), PROFILES), Event()) == [tmp_path / "1.csv"]


def test_ten_thousand_objects_are_listed_at_once(store: ShakyStore) -> None:
    for number in range(10_000):
        store.store[f"/many/{number}.csv"] = _Listed(number + 1)
    (source,) = parts_of("shaky:///many/*.csv", PROFILES)
    assert isinstance(source, UrlSource)
    objects = list_objects([source], Event())
    assert len(objects) == 10_000
    assert not ShakyStore.opened


class _Listed:
    """As much of an object as a listing shows."""

    created = datetime(2026, 1, 1)

    def __init__(self, size: int) -> None:
        self.size = size

    def getbuffer(self) -> bytes:
        return bytes(self.size)


def test_an_object_can_be_read_from_anywhere(store: ShakyStore) -> None:
    store.pipe("/digits", b"0123456789")
    (found,) = list_objects(parts_of("shaky:///digits", PROFILES), Event())
    with ObjectFile(found, Event()) as file:
        assert file.seek(-3, os.SEEK_END) == 7
        assert (file.read(2), file.tell(), file.read(5), file.read(5)) == (b"78", 9, b"9", b"")
        assert (file.seek(2), file.seek(2, os.SEEK_CUR), file.read()) == (2, 4, b"456789")


async def test_parquet_is_read_by_its_row_groups(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore, tmp_path: Path
) -> None:
    users = pa.table({"user_id": [f"u{one}" for one in range(5_000)], "seats": range(5_000)})
    pq.write_table(users, tmp_path / "users.parquet", row_group_size=1_000)
    store.pipe("/users.parquet", (tmp_path / "users.parquet").read_bytes())
    journal = tmp_path / "run.db"
    report = await client.bulk.import_profiles("shaky:///users.parquet", journal=journal)
    assert report.accepted == len(sandbox.profiles) == 5_000
    assert sandbox.profiles["u4999"] == {"seats": 4_999}
    assert [one.source for one in report.outcomes] == ["shaky:///users.parquet"]
    synced = await client.sync.profiles("shaky:///*.parquet", state=tmp_path / "users.db")
    assert synced.counts.added == 5_000
    store.pipe("/users.parquet", (tmp_path / "users.parquet").read_bytes())
    with pytest.raises(InvalidInput, match=r"users\.parquet has changed: it had"):
        await client.bulk.import_profiles("shaky:///users.parquet", journal=journal)


async def test_what_is_no_parquet_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, store: ShakyStore
) -> None:
    store.pipe("/users.parquet", b"user_id,plan\n007,pro\n")
    with pytest.raises(InvalidInput, match=r"users\.parquet cannot be read as Parquet"):
        await client.bulk.import_profiles("shaky:///users.parquet")
    assert not sandbox.requests
