"""Profiles and events, from every kind of source, as they arrive."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput, JobFailed, RowsFailed
from appcues_async.rows import sources
from appcues_async.sandbox import JobPlan, Sandbox


async def test_profiles_are_there_when_the_job_has_ended(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    handle = await client.imports.profiles([{"user_id": "007", "plan": "pro", "seats": 3}])
    job = await handle
    assert (job.name, job.status, job.ingestions_completed) == ("Import Profiles", "COMPLETED", 1)
    assert sandbox.profiles["007"] == {"plan": "pro", "seats": 3}


async def test_moments_and_dates_arrive_as_iso_8601(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    moment = datetime(2026, 7, 14, 12, tzinfo=UTC)
    rows = [{"user_id": "007", "seen_at": moment, "born_on": date(2000, 2, 29)}]
    await (await client.imports.profiles(rows))
    assert sandbox.profiles["007"] == {
        "seen_at": "2026-07-14T12:00:00+00:00",
        "born_on": "2000-02-29",
    }


async def test_events_arrive_with_their_attributes(sandbox: Sandbox, client: AppcuesClient) -> None:
    moment = datetime(2026, 7, 14, 12, tzinfo=UTC)
    row = {"userId": "007", "name": "Paid", "timestamp": moment, "attributes": {"method": "visa"}}
    await (await client.imports.events([row]))
    (event,) = sandbox.events
    assert event["user_id"] == "007"
    assert event["timestamp"] == "2026-07-14T12:00:00+00:00"
    assert event["attributes"] == {"method": "visa"}


async def rows_later() -> AsyncIterator[dict[str, str]]:
    for number in range(1000):
        yield {"user_id": f"{number:04}"}


SOURCES: dict[str, object] = {
    "a list": [{"user_id": f"{number:04}"} for number in range(1000)],
    "bytes of csv": b"user_id\n" + b"".join(b"%04d\n" % number for number in range(1000)),
    "bytes of ndjson": b"".join(b'{"userId": "%04d"}\n' % number for number in range(1000)),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
async def test_every_kind_of_source_is_taken(
    sandbox: Sandbox, client: AppcuesClient, source: Iterable[object]
) -> None:
    await (await client.imports.profiles(source))
    assert set(sandbox.profiles) == {f"{number:04}" for number in range(1000)}


async def test_rows_may_come_from_an_async_iterator(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await (await client.imports.profiles(rows_later()))
    assert len(sandbox.profiles) == 1000


async def test_rows_may_come_from_a_generator(sandbox: Sandbox, client: AppcuesClient) -> None:
    await (await client.imports.profiles({"user_id": str(number)} for number in range(10)))
    assert len(sandbox.profiles) == 10


async def cut_off() -> AsyncIterator[dict[str, str]]:
    yield {"user_id": "1"}
    # As a driver's waiter is when its connection goes.
    raise asyncio.CancelledError


async def test_rows_that_are_cancelled_are_an_error_and_no_cancellation(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    segment = await client.segments.create("Beta testers")
    sent = len(sandbox.requests)
    for call in (
        client.imports.profiles(cut_off()),
        client.segments.add_user_ids(segment.id, (row["user_id"] async for row in cut_off())),
    ):
        with pytest.raises(InvalidInput, match="raised CancelledError, and nobody") as raised:
            await call
        assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    assert len(sandbox.requests) == sent


async def test_the_cancellation_of_an_upload_is_none_of_its_rows(client: AppcuesClient) -> None:
    async def waiting() -> AsyncIterator[dict[str, str]]:
        await asyncio.Event().wait()
        yield {"user_id": "1"}

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.imports.profiles(waiting())


async def test_rows_over_20_mb_go_out_as_a_multipart_upload(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    rows = ({"user_id": str(number), "note": "x" * 1000} for number in range(21_000))
    job = await (await client.imports.profiles(rows))
    assert job.ingestions_completed == 21_000
    assert sandbox.requests[0].headers["Content-Type"].startswith("multipart/form-data")


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"email": "a@example.com"}, "row 2 has no user_id"),
        ({"user_id": 7.0}, "row 2: user_id is 7.0, a float; ids are text"),
        ({"user_id": "7", "score": float("nan")}, "row 2.score is nan"),
        ({"user_id": "7", "at": datetime(2026, 7, 14)}, "a time without a zone"),
        ({"user_id": "7", "tags": ["a"]}, "Appcues drops nested values"),
        ("007", "row 2 is a str"),
    ],
)
async def test_a_profile_that_would_be_lost_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, row: object, rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        await client.imports.profiles([{"user_id": "1"}, row])
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": "x" * 128}, "at most 127"),
        ({"name": "appcues:started"}, "reserved"),
        ({"timestamp": "2026-07-14T12:00:00"}, "without a zone"),
        ({"timestamp": 1452854179}, "ISO 8601"),
    ],
)
async def test_an_event_that_would_be_lost_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, changes: dict[str, object], rule: str
) -> None:
    event = {"user_id": "007", "name": "Paid", "timestamp": "2026-07-14T12:00:00Z", **changes}
    with pytest.raises(InvalidInput, match=rule):
        await client.imports.events([event])
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("none.csv", None, "there is no file"),
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n\n  \n", "is empty"),
        ("header.csv", b"user_id,email\n", "has a header and no rows"),
        (
            "users.csv",
            b"email,plan\na@example.com,pro\n",
            "no user_id or userId; it has: email, plan",
        ),
        ("users.ndjson", b'{"email": "a@example.com"}\n', "no user_id or userId"),
        ("users.ndjson", b"user_id,email\n", "not a JSON value"),
        ("users.json", b'[{"user_id": "007"}]', "JSON array"),
        ("users.csv.gz", b"\x1f\x8b\x08\x00", "gzip"),
        ("users.csv", "user_id\né\n".encode("latin-1"), "not UTF-8 at byte 8"),
    ],
)
async def test_a_file_that_cannot_succeed_is_refused_before_anything_is_sent(
    sandbox: Sandbox,
    client: AppcuesClient,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    rule: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=rule):
        await client.imports.profiles(path)
    assert not sandbox.requests


async def test_a_file_over_200_mb_is_refused_and_sent_to_bulk(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    with path.open("wb") as file:
        file.write(b"user_id\n007\n")
        file.truncate(200_000_001)
    with pytest.raises(InvalidInput, match=r"200,000,001 bytes .* client.bulk"):
        await client.imports.profiles(path)
    assert not sandbox.requests


async def test_rows_over_200_mb_are_refused_without_reading_them_all(
    client: AppcuesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FILE_LIMIT", 10_000)
    read = 0

    def rows() -> Iterable[dict[str, str]]:
        nonlocal read
        for read in range(1_000_000):
            yield {"user_id": str(read)}

    with pytest.raises(InvalidInput, match=r"client\.bulk"):
        await client.imports.profiles(rows())
    assert read < 2000


async def test_a_format_that_is_given_wins_over_the_name(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "users.txt"
    path.write_text('{"user_id": "007"}\n')
    await (await client.imports.profiles(path, format="ndjson"))
    assert "007" in sandbox.profiles


async def test_a_job_that_fails_raises(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.fail_next_job("out of ink")
    handle = await client.imports.profiles([{"user_id": "007"}])
    with pytest.raises(JobFailed, match="out of ink"):
        await handle


async def test_rows_that_the_server_did_not_take_are_counted(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.plan_next_job(JobPlan(rows_applied=1))
    handle = await client.imports.profiles(b"user_id,plan\n007,pro\n008,free\n")
    job = await handle
    assert (job.ingestions_completed, job.ingestions_failed) == (1, 1)
    with pytest.raises(RowsFailed):
        handle.raise_for_failures()


MEASURE = """
import asyncio, sys
from pathlib import Path
import pyarrow.compute, pyarrow.csv  # loaded once, whatever is uploaded
from appcues_async import AppcuesClient

def resident(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024

async def main(url, path):
    async with AppcuesClient("sandbox-account", "sandbox-key", "sandbox-secret", base_url=url) as client:
        await client.segments.list()
        before = resident("VmRSS")
        job = await (await client.imports.profiles(path))
        print(job.ingestions_completed, resident("VmHWM") - before)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_200_mb_are_uploaded_with_at_most_20_mib_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    row = "user-{:07d},harriet@example.com," + "x" * 160 + "\n"
    rows = 1_000_000
    with path.open("w") as file:
        file.write("user_id,email,note\n")
        file.writelines(row.format(number) for number in range(rows))
    assert 190_000_000 < path.stat().st_size < 200_000_000
    with Sandbox(rate_limit=None, keep_rows=False) as sandbox:
        command = [sys.executable, "-c", MEASURE, sandbox.url, str(path)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    completed, memory = map(int, output.split())
    assert completed == rows
    assert memory <= 20 * 2**20
