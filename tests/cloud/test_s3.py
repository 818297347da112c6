"""Objects of a real S3 protocol server, with its faults."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.rows import store_reads
from appcues_async.sandbox import Sandbox
from tests.cloud.bucket import Bucket, Fault, open_bucket

pytestmark = pytest.mark.long

ROWS = 3_000
USERS = b"user_id,plan\n" + b"".join(b"u%d,%0200d\n" % (one, one) for one in range(ROWS))


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with open_bucket() as opened:
        opened.put("users.csv", USERS)
        yield opened


async def test_globs_and_folders_are_read_once_in_the_order_of_their_names(
    sandbox: Sandbox, client: AppcuesClient, bucket: Bucket
) -> None:
    names = [f"day/part-{number:03}.csv.gz" for number in range(30)]
    for name in reversed(names):
        bucket.put(name, gzip.compress(b"user_id,plan\n%s,pro\n" % name.encode()))
    bucket.put("day/_SUCCESS", b"")
    for url in ("s3://exports/day/", "s3://exports/day/part-*.csv.gz"):
        bucket.requests.clear()
        report = await client.bulk.import_profiles(url, storage_options=bucket.options)
        assert [one.source for one in report.outcomes] == [f"s3://exports/{one}" for one in names]
        # A list; then each object is looked at, and read.
        assert len(bucket.requests) <= 3 + 2 * len(names)
    assert len(sandbox.profiles) == 30


@pytest.mark.parametrize("fault", ["slow down", "reset", "cut"])
async def test_a_fault_is_outlasted(
    sandbox: Sandbox, client: AppcuesClient, bucket: Bucket, fault: Fault
) -> None:
    bucket.faults += [fault] * 3
    report = await client.bulk.import_profiles(
        "s3://exports/users.csv", storage_options=bucket.options
    )
    assert not bucket.faults
    assert report.accepted == len(sandbox.profiles) == ROWS


async def test_a_store_that_is_always_overloaded_is_an_error_that_says_so(
    sandbox: Sandbox,
    client: AppcuesClient,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The store's own package waits between its tries as well.
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    monkeypatch.setattr("s3fs.core.S3File.retries", 1)
    quick = {**bucket.options, "config_kwargs": {"retries": {"max_attempts": 0}}}
    bucket.faults += ["slow down"] * 99
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles("s3://exports/users.csv", storage_options=quick)
    assert str(caught.value).startswith(
        "s3://exports/users.csv cannot be read: SlowDown (503), 5 times in a row; run it again once"
    )
    assert not sandbox.requests


async def test_no_row_of_new_content_is_sent(
    sandbox: Sandbox, client: AppcuesClient, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_reads, "RANGE", 1 << 16)
    whole = store_reads.ObjectReads.read
    begun = False

    def read(self: store_reads.ObjectReads, start: int, stop: int) -> bytes:
        nonlocal begun
        if start and not begun:
            begun = True
            bucket.put("users.csv", USERS.replace(b",0", b",1"))
        return whole(self, start, stop)

    monkeypatch.setattr(store_reads.ObjectReads, "read", read)
    with pytest.raises(InvalidInput, match=r"users\.csv has changed since the run began"):
        await client.bulk.import_profiles("s3://exports/users.csv", storage_options=bucket.options)
    assert not sandbox.profiles


async def test_missing_credentials_are_an_error_that_says_so(
    client: AppcuesClient,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = {"endpoint_url": bucket.options["endpoint_url"]}
    with pytest.raises(InvalidInput) as caught:
        await client.bulk.import_profiles("s3://exports/users.csv", storage_options=options)
    assert str(caught.value).startswith(
        "s3://exports/users.csv cannot be read: its store has found no credentials that it takes"
    )


@pytest.mark.parametrize("url", ["s3://exports/nix.csv", "s3://nix-exports/users.csv"])
async def test_what_is_not_there_is_an_error_that_says_so(
    client: AppcuesClient, bucket: Bucket, url: str
) -> None:
    with pytest.raises(InvalidInput, match=f"there is no {url}; check its name"):
        await client.bulk.import_profiles(url, storage_options=bucket.options)


async def test_runs_in_one_process_leave_nothing_behind(
    client: AppcuesClient, bucket: Bucket, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            run = client.sync.profiles(
                "s3://exports/users.csv",
                state=tmp_path / f"{number}.db",
                storage_options=bucket.options,
            )
            group.create_task(run)
