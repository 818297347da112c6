"""The file of rejected rows: whose it is, and what becomes of it."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput, Outcome, Report
from appcues_async.bulk.rejects import Reject, RejectsFile
from appcues_async.sandbox import Sandbox, Stall

BAD = b"user_id,plan\n1,pro\n,free\n"
REJECT = Reject(source="x", number=1, line=None, reason="odd", row={"a": 1})


async def run(client: AppcuesClient, path: Path, source: Any = BAD, **options: Any) -> Any:
    return await client.bulk.import_profiles(source, rejects=path, **options)


async def test_only_its_owner_may_read_it(client: AppcuesClient, tmp_path: Path) -> None:
    path = tmp_path / "rejects.ndjson"
    for mode in (None, 0o644):
        if mode is not None:
            path.chmod(mode)
        with pytest.raises(BulkFailed):
            await run(client, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().count("\n") == 1


def test_two_runs_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "rejects.ndjson"
    first = RejectsFile(path)
    first.write(REJECT)
    with pytest.raises(InvalidInput, match="another run is writing to; name another file"):
        RejectsFile(path)
    first.close()
    assert path.read_text().count("\n") == 1
    second = RejectsFile(path)
    second.close()
    assert not path.exists()


async def test_the_second_run_is_refused_before_it_sends_anything(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.ndjson"
    stall = Stall("request")
    sandbox.faults.add(stall, method="POST")
    first = asyncio.ensure_future(run(client, path))
    while not sandbox.requests:  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0.001)
    with pytest.raises(InvalidInput, match="another run is writing to"):
        await run(client, path)
    stall.hold.release()
    with pytest.raises(BulkFailed):
        await first
    assert path.read_text().count("\n") == 1
    assert sum(request.method == "POST" for request in sandbox.requests) == 1


@pytest.mark.parametrize("end", ["", "-locks", "-wal"])
async def test_it_is_not_the_journal(client: AppcuesClient, tmp_path: Path, end: str) -> None:
    journal = tmp_path / "journal.db"
    with pytest.raises(InvalidInput, match="belongs to the journal"):
        await run(client, tmp_path / f"journal.db{end}", journal=journal)
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240


async def test_it_is_no_link_to_what_is_not_there(client: AppcuesClient, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="a link to a file that is not there"):
        await run(client, link)
    assert [one.name for one in tmp_path.iterdir()] == ["link"]  # noqa: ASYNC240


@pytest.mark.parametrize("name", ["a\0b", "n" * 300])
async def test_a_name_that_no_file_has_is_refused(
    client: AppcuesClient, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidInput, match="rejects is "):
        await run(client, tmp_path / name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
@pytest.mark.parametrize("rejected", [1, 4_000])
async def test_a_full_disk_is_told_with_what_was_uploaded(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, rejected: int
) -> None:
    source, journal = tmp_path / "users.csv", tmp_path / "journal.db"
    source.write_bytes(b"user_id,plan\n1,pro\n" + b",free\n" * rejected)
    options: dict[str, Any] = {"journal": journal}
    with pytest.raises(InvalidInput, match=r"'/dev/full'.*No space left") as raised:
        await run(client, Path("/dev/full"), source, **options)
    assert isinstance(raised.value.report, Report)
    assert raised.value.report.completed == len(sandbox.profiles)
    # The journal is free again.
    report = await client.bulk.import_profiles(source, journal=journal, on_failure="report")
    assert report.completed == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
async def test_a_full_disk_ends_the_iteration(client: AppcuesClient) -> None:
    async def outcomes() -> list[Outcome]:
        return [one async for one in client.bulk.import_profiles(BAD, rejects=Path("/dev/full"))]

    with pytest.raises(InvalidInput, match="No space left"):
        await asyncio.wait_for(outcomes(), 10)


async def test_a_device_is_written_to_as_it_is(client: AppcuesClient) -> None:
    with pytest.raises(BulkFailed):
        await run(client, Path(os.devnull))
    assert Path(os.devnull).is_char_device()  # noqa: ASYNC240


async def test_a_run_that_is_refused_leaves_the_rows_of_an_earlier_one(
    client: AppcuesClient, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.ndjson"
    with pytest.raises(BulkFailed):
        await run(client, path)
    before = path.read_bytes()
    with pytest.raises(InvalidInput):
        await run(client, path, b"plan\npro\n")
    assert path.read_bytes() == before


NO_IDS: list[Any] = [
    b'user_id\nuser_id\n"1\n2,3\n',
    b"user_id\n 1\nnull\n\\N\n\xff\n" + b"2\n" * 200,
    b'"1"\n"2\n3.0\nnull\n{"user_id":"1"}\n["1"]\n" 4"\n"2",\n',
    [None, 1.5, b"1", "nan", True, ["1"], {"user_id": "1"}, " 1", "\ud800"],
]


@pytest.mark.parametrize("source", NO_IDS)
async def test_what_was_no_id_is_none_when_the_rejects_of_a_list_are_read_again(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, source: Any
) -> None:
    segment, path = await client.segments.create("Customers"), tmp_path / "rejects.ndjson"
    first = await client.bulk.add_user_ids(segment.id, source, rejects=path, on_failure="report")
    members = set(sandbox.segments[segment.id].user_ids)
    again = await client.bulk.add_user_ids(segment.id, path, on_failure="report")
    assert first.rejected
    assert (again.rows, again.rejected) == (first.rejected, first.rejected)
    assert set(sandbox.segments[segment.id].user_ids) == members
