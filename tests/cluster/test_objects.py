"""Objects of a store, read and sent by workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, Timeouts
from appcues_async.cluster import DaskWorkers, sending
from appcues_async.cluster import workers as cluster_workers
from appcues_async.errors import InvalidInput
from appcues_async.notices import Notice, WorkerChanged
from appcues_async.sandbox import Sandbox
from tests.cloud.bucket import Bucket, open_bucket
from tests.cluster.test_sources import times_recorded, write_events

pytestmark = pytest.mark.long


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with open_bucket() as opened:
        yield opened


async def test_objects_are_read_and_sent_by_workers(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers, bucket: Bucket, tmp_path: Path
) -> None:
    for one in range(2):
        path = write_events(tmp_path / "events.ndjson", 100 * one, 100)
        bucket.put(f"day/{one}.ndjson", path.read_bytes())
    told: list[Notice] = []
    report = await client.bulk.import_events(
        "s3://exports/day/*.ndjson",
        storage_options=bucket.options,
        workers=workers,
        chunk_bytes=4_000,
        on_notice=told.append,
    )
    assert report.ok
    assert times_recorded(sandbox) == {1: 200}
    accepted = {one.worker: one.chunks for one in told if isinstance(one, WorkerChanged)}
    assert sum(accepted.values()) == report.chunks > 2


async def test_an_object_of_csv_keeps_its_header_in_every_chunk(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers, bucket: Bucket
) -> None:
    rows = "".join(f"u{row},team\n" for row in range(50))
    bucket.put("users.csv", f"user_id,plan\n{rows}".encode())
    report = await client.bulk.import_profiles(
        "s3://exports/users.csv",
        storage_options=bucket.options,
        workers=workers,
        chunk_bytes=200,
    )
    assert report.chunks > 1
    assert len(sandbox.profiles) == 50
    assert {one["plan"] for one in sandbox.profiles.values()} == {"team"}


async def test_a_journal_begun_on_a_cluster_is_taken_up_without_it(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "VALID", 0.5)
    client = client.with_options(timeouts=Timeouts(connect=0.2, idle=0.5, settle=0.2))
    path = write_events(tmp_path / "events.ndjson", 0, 100)
    bucket.put("events.ndjson", path.read_bytes())
    options: Any = {
        "storage_options": bucket.options,
        "journal": tmp_path / "journal",
        "chunk_bytes": 2_000,
    }
    run = client.bulk.import_events("s3://exports/events.ndjson", workers=workers, **options)
    async for _ in run:
        await run.cancel()
        break
    report = await client.bulk.import_events("s3://exports/events.ndjson", **options)
    assert report.completed == 100
    assert report.resumed
    assert times_recorded(sandbox) == {1: 100}


async def test_a_key_to_a_store_is_not_sent_where_others_listen(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket.put("users.csv", b"user_id,plan\nu1,team\n")
    monkeypatch.setattr(cluster_workers, "_address_of", lambda client: "tcp://10.0.0.1:8786")
    with pytest.raises(InvalidInput, match="storage_options are given, which may hold a key"):
        await client.bulk.import_profiles(
            "s3://exports/users.csv", storage_options=bucket.options, workers=workers
        )
    assert not sandbox.profiles
