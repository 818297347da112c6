"""Large files are cut in a process of their own, and nobody notices but the loop."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.chunks import Chunk, ChunkSizer
from appcues_async.bulk.reading import worker
from appcues_async.bulk.reading.sources import Reading, chunks
from appcues_async.bulk.reading.worker import CutterProcess
from appcues_async.bulk.rejects import RowCounter, Stopped
from appcues_async.rows.kinds import PROFILES
from appcues_async.sandbox import Sandbox

ROWS = 5_000


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.csv"
    rows = (f"u-{number},{'pro' if number % 2 else 'free'}" for number in range(ROWS))
    path.write_text("\n".join(("user_id,plan", *rows, ",nobody")), encoding="utf-8")
    return path


is_worth = CutterProcess.is_worth


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CutterProcess, "is_worth", lambda self, size, check: True)


@pytest.fixture
def reading() -> Iterator[Reading]:
    one = Reading(PROFILES, "full", None, None, ChunkSizer(20_000, seed=1), RowCounter())
    yield one
    one.apart.close()


async def all_of(path: Path, reading: Reading) -> list[Chunk]:
    return [chunk async for chunk in chunks(path, reading)]


def process_of(reading: Reading) -> subprocess.Popen[bytes]:
    process = reading.apart._process
    assert process is not None
    return process


async def test_it_cuts_as_the_process_that_sends_would(
    users: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await all_of(users, reading)
    monkeypatch.setattr(CutterProcess, "is_worth", lambda self, size, check: False)
    here = evolve(
        reading, sizes=ChunkSizer(20_000, seed=1), tally=RowCounter(), apart=CutterProcess()
    )
    assert found == await all_of(users, here)
    assert len(found) >= 3
    for one in (reading, here):
        assert (one.tally.rows, one.tally.rejected) == (ROWS + 1, 1)
        assert one.tally.rejects == reading.tally.rejects
    assert reading.tally.bytes == here.tally.bytes
    assert reading.sizes.taken == here.sizes.taken


async def test_one_process_cuts_all_files_of_a_run(users: Path, reading: Reading) -> None:
    await all_of(users, reading)
    first = process_of(reading).pid
    await all_of(users, reading)
    assert process_of(reading).pid == first


async def test_numbers_of_rows_differ_between_the_files_of_a_run(
    users: Path, reading: Reading
) -> None:
    found = [*await all_of(users, reading), *await all_of(users, reading)]
    # The last one of a file has what is left.
    counts = [chunk.rows for chunk in found if chunk.last < ROWS]
    assert len(set(counts)) == len(counts)


async def test_a_file_that_cannot_be_read_is_an_error_as_ever(
    tmp_path: Path, reading: Reading
) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id\nu-1\n", encoding="utf-8")
    task = worker.Task(str(path), PROFILES, "full", None, reading.sizes)
    path.unlink()
    with pytest.raises(InvalidInput, match="there is no file"):
        list(reading.apart.cut(task, reading.tally))


async def test_the_end_of_the_process_is_an_error(users: Path, reading: Reading) -> None:
    await all_of(users, reading)
    os.kill(process_of(reading).pid, signal.SIGKILL)
    with pytest.raises(InvalidInput, match="has ended before the file did"):
        await all_of(users, reading)


async def test_a_rejected_row_can_end_the_run(users: Path, reading: Reading) -> None:
    raising = evolve(reading, tally=RowCounter(raise_on_reject=True))
    with pytest.raises(InvalidInput, match=r"row 5,001 \(line 5,002\): the row has no user_id"):
        await all_of(users, raising)


async def test_a_cancelled_run_ends_the_process(users: Path, reading: Reading) -> None:
    reading.tally.stop.set()
    task = worker.Task(str(users), PROFILES, "full", None, reading.sizes)
    with pytest.raises(Stopped):
        list(reading.apart.cut(task, reading.tally))
    assert reading.apart._process is None


async def test_it_ends_with_the_process_that_began_it(users: Path, reading: Reading) -> None:
    await all_of(users, reading)
    process = process_of(reading)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


async def test_it_is_shown_no_credentials(
    users: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPCUES_API_SECRET", "hidden")
    await all_of(users, reading)
    environment = Path(f"/proc/{process_of(reading).pid}/environ").read_bytes()  # noqa: ASYNC240
    assert b"PATH=" in environment
    assert b"APPCUES" not in environment


async def test_a_run_leaves_no_process_behind(
    users: Path, sandbox: Sandbox, client: AppcuesClient
) -> None:
    run = client.bulk.import_profiles(users, chunk_bytes=20_000)
    report = await run
    assert (report.rows, report.rejected, report.completed) == (ROWS + 1, 1, ROWS)
    assert len(sandbox.profiles) == ROWS
    assert run._plan.reading.apart._process is None


def test_it_is_worth_its_while_for_large_files_that_are_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert is_worth(CutterProcess(), 64_000_000, "full")
    assert not is_worth(CutterProcess(), 63_999_999, "full")
    assert is_worth(CutterProcess(), 64_000_000, "ids")
    assert not is_worth(CutterProcess(), 64_000_000, "none")
    monkeypatch.setattr(worker, "marking", lambda: None)
    assert is_worth(CutterProcess(), 64_000_000, "none")
