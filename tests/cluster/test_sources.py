"""What a run on a cluster reads."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dask import bag, dataframe
from dask.delayed import delayed
from distributed import Client

from appcues_async import AppcuesClient, Timeouts
from appcues_async.cluster import DaskWorkers, sending
from appcues_async.cluster import tasks as worker_tasks
from appcues_async.errors import BulkFailed, InvalidInput
from appcues_async.notices import Notice, WorkerChanged
from appcues_async.sandbox import Sandbox, Stall

TIME = "2026-01-01T00:00:00Z"


def event(user: int) -> dict[str, Any]:
    return {"user_id": f"u{user}", "name": "e", "timestamp": TIME}


def write_events(path: Path, first: int, rows: int) -> Path:
    """Writes events, each of a user of its own."""
    path.write_text("".join(json.dumps(event(first + row)) + "\n" for row in range(rows)))
    return path


def times_recorded(sandbox: Sandbox) -> Counter[int]:
    """How many users have how many events."""
    each = Counter(event["user_id"] for event in sandbox.events)
    return Counter(each.values())


def profiles(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"user_id": [f"u{row}" for row in range(rows)], "plan": "team"})


async def test_files_are_read_and_sent_by_workers(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers, tmp_path: Path
) -> None:
    files = [write_events(tmp_path / f"{one}.ndjson", 100 * one, 100) for one in range(3)]
    told: list[Notice] = []
    report = await client.bulk.import_events(
        files, workers=workers, chunk_bytes=4_000, on_notice=told.append
    )
    assert report.ok
    assert times_recorded(sandbox) == {1: 300}
    accepted = {one.worker: one.chunks for one in told if isinstance(one, WorkerChanged)}
    assert sum(accepted.values()) == report.chunks > 3
    assert len(accepted) == 2


@pytest.mark.long
async def test_a_file_is_read_in_stretches_with_the_numbers_of_its_rows(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_tasks, "STRETCH", 1_000)
    path = write_events(tmp_path / "events.ndjson", 0, 100)
    lines = path.read_text().splitlines()
    lines[70] = '{"user_id": "", "name": "e", "timestamp": "2026-01-01T00:00:00Z"}'
    path.write_text("\n".join(lines) + "\n")
    report = await client.bulk.import_events(
        path, workers=workers, chunk_bytes=2_000, on_failure="report"
    )
    assert (report.rows, report.rejected, report.completed) == (100, 1, 99)
    assert (report.rejects[0].number, report.rejects[0].line) == (71, 71)
    assert times_recorded(sandbox) == {1: 99}


@pytest.mark.long
async def test_a_csv_keeps_its_header_in_every_chunk(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id,plan\n" + "".join(f"u{row},team\n" for row in range(50)))
    report = await client.bulk.import_profiles(path, workers=workers, chunk_bytes=200)
    assert report.chunks > 1
    assert {one["plan"] for one in sandbox.profiles.values()} == {"team"}
    assert len(sandbox.profiles) == 50


async def test_a_dask_dataframe_is_encoded_where_it_is(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers
) -> None:
    frame = dataframe.from_pandas(profiles(1_000), npartitions=4)
    report = await client.bulk.import_profiles(frame, workers=workers, chunk_bytes=8_000)
    assert report.ok
    assert len(sandbox.profiles) == 1_000
    assert {one.source for one in report.outcomes} == {
        f"partition {number} of the Dask DataFrame" for number in range(4)
    }


@pytest.mark.long
async def test_a_worker_that_lacks_a_partition_is_brought_it(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers
) -> None:
    # All threads of the worker that has it are taken.
    sandbox.faults.add(Stall(seconds=0.5), method="POST", times=8)
    told: list[Notice] = []
    report = await client.bulk.import_profiles(
        dataframe.from_pandas(profiles(1_000), npartitions=1),
        workers=workers,
        chunk_bytes=4_000,
        on_notice=told.append,
    )
    assert report.ok
    assert len(sandbox.profiles) == 1_000
    accepted = {one.worker: one.chunks for one in told if isinstance(one, WorkerChanged)}
    assert len(accepted) == 2
    assert all(accepted.values())


@pytest.mark.long
async def test_rejected_rows_of_a_partition_say_which_they_are(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers
) -> None:
    some = profiles(20)
    some.loc[13, "user_id"] = None
    frame = dataframe.from_pandas(some, npartitions=2)
    run = client.bulk.import_profiles(frame, workers=workers)
    with pytest.raises(BulkFailed):
        await run
    (reject,) = run.report.rejects
    assert (reject.source, reject.number) == ("partition 1 of the Dask DataFrame", 4)
    assert len(sandbox.profiles) == 19


@pytest.mark.long
async def test_a_persisted_frame_of_the_callers_client_is_taken(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers, dask_client: Client
) -> None:
    frame = dask_client.persist(dataframe.from_pandas(profiles(100), npartitions=2))
    report = await client.bulk.import_profiles(frame, workers=workers)
    assert report.completed == len(sandbox.profiles) == 100


@pytest.mark.long
async def test_a_bag_of_rows_is_taken(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers
) -> None:
    rows = bag.from_sequence(range(30), npartitions=3).map(event)
    report = await client.bulk.import_events(rows, workers=workers)
    assert report.ok
    assert times_recorded(sandbox) == {1: 30}


@pytest.mark.long
async def test_delayed_partitions_are_taken(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers
) -> None:
    make = delayed(lambda first: [event(first + row) for row in range(10)])
    report = await client.bulk.import_events([make(0), make(10)], workers=workers)
    assert report.ok
    assert times_recorded(sandbox) == {1: 20}


@pytest.mark.long
async def test_a_column_of_ids_is_taken_for_a_segment(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers
) -> None:
    segment = await client.segments.create("Teams")
    ids = dataframe.from_pandas(profiles(40), npartitions=2)["user_id"]
    report = await client.bulk.add_user_ids(segment.id, ids, workers=workers)
    assert report.accepted == 40


@pytest.mark.long
async def test_rows_of_this_process_are_sent_from_here(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers
) -> None:
    report = await client.bulk.import_events((event(row) for row in range(20)), workers=workers)
    assert report.completed == 20


@pytest.mark.long
async def test_what_failed_is_not_sent_again_by_workers(
    client: AppcuesClient, workers: DaskWorkers
) -> None:
    with pytest.raises(InvalidInput, match="retry_failed is True and workers are given"):
        client.bulk.import_profiles([{"user_id": "u1"}], workers=workers, retry_failed=True)


async def test_a_dask_collection_without_workers_is_refused(client: AppcuesClient) -> None:
    frame = dataframe.from_pandas(profiles(4), npartitions=2)
    with pytest.raises(InvalidInput, match="DaskWorkers"):
        client.bulk.import_profiles(frame)
    with pytest.raises(InvalidInput, match="DaskWorkers"):
        client.bulk.import_profiles(list(frame.to_delayed()))


@pytest.mark.long
async def test_a_partition_that_holds_no_rows_is_refused(
    client: AppcuesClient, workers: DaskWorkers
) -> None:
    with pytest.raises(InvalidInput, match=r"partition 0 of the list of 1 is an int"):
        await client.bulk.import_profiles([delayed(lambda: 5)()], workers=workers)


@pytest.mark.long
@pytest.mark.parametrize("source", ["file", "frame"])
async def test_a_journal_takes_up_a_run_on_a_cluster(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    tmp_path: Path,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "VALID", 0.5)
    client = client.with_options(timeouts=Timeouts(connect=0.2, idle=0.5, settle=0.2))
    path = write_events(tmp_path / "events.ndjson", 0, 100)

    def rows() -> Any:
        if source == "file":
            return path
        frame = pd.DataFrame([event(row) for row in range(100)])
        return dataframe.from_pandas(frame, npartitions=2)

    options: Any = {"workers": workers, "journal": tmp_path / "journal", "chunk_bytes": 2_000}
    run = client.bulk.import_events(rows(), **options)
    async for _ in run:
        await run.cancel()
        break
    report = await client.bulk.import_events(rows(), **options)
    assert report.completed == 100
    assert report.resumed
    assert times_recorded(sandbox) == {1: 100}
