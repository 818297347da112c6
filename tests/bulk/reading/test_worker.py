"""Large files are read in a process of their own, and nobody notices but the loop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.reading import worker
from appcues_async.bulk.reading.blocks import ByteLayout, GoodRows
from appcues_async.bulk.reading.prepared import Reading
from appcues_async.bulk.reading.reader import SourceReader
from appcues_async.bulk.reading.worker import ReaderProcess
from appcues_async.bulk.row_counter import RowCounter, Stopped
from appcues_async.rows.kinds import PROFILES
from appcues_async.sandbox import Sandbox

ROWS = 5_000


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.csv"
    rows = (f"u-{number},{'pro' if number % 2 else 'free'}" for number in range(ROWS))
    path.write_text("\n".join(("user_id,plan", *rows, ",nobody")), encoding="utf-8")
    return path


is_worth = ReaderProcess.is_worth


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReaderProcess, "is_worth", lambda self, size, check: True)


READING = Reading(PROFILES)
LIMIT = 20_000


class Reader:
    """Reads files as a run does."""

    def __init__(self, *, stop_at_reject: bool = False) -> None:
        self.counter = RowCounter(stop_at_reject=stop_at_reject)
        self._reader = SourceReader(READING, self.counter)
        self.process = self._reader.process

    async def all_of(self, path: Path) -> Sequence[GoodRows]:
        async with self._reader.opened(path, LIMIT) as source:
            return [block async for block in self._reader.read(source, LIMIT)]

    @property
    def child(self) -> subprocess.Popen[bytes]:
        child = self.process._process
        assert child is not None
        return child


@pytest.fixture
def reader() -> Iterator[Reader]:
    one = Reader()
    yield one
    one.process.close()


def task_of(path: Path) -> worker.Task:
    layout = ByteLayout(13, 1, True, ["user_id", "plan"])
    return worker.Task(str(path), PROFILES, "full", layout, LIMIT)


async def test_it_reads_as_the_process_that_sends_would(
    users: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await reader.all_of(users)
    monkeypatch.setattr(ReaderProcess, "is_worth", lambda self, size, check: False)
    here = Reader()
    assert found == await here.all_of(users)
    assert len(found) >= 3
    for one in (reader.counter, here.counter):
        assert (one.rows, one.rejected) == (ROWS + 1, 1)
        assert one.rejects == reader.counter.rejects
    assert reader.counter.bytes == here.counter.bytes


async def test_one_process_reads_all_files_of_a_run(users: Path, reader: Reader) -> None:
    await reader.all_of(users)
    first = reader.child.pid
    await reader.all_of(users)
    assert reader.child.pid == first


def test_a_file_that_cannot_be_read_is_an_error_as_ever(users: Path, reader: Reader) -> None:
    users.unlink()
    assert reader.process.begin()
    with pytest.raises(InvalidInput, match="there is no file"):
        list(reader.process.read(task_of(users), reader.counter))


@pytest.mark.parametrize("program", ["true", "cat", "not-there", "uwsgi", "python-that-is-none"])
async def test_where_there_is_no_python_it_is_read_in_this_process(
    users: Path, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    executable = shutil.which(program) or str(tmp_path / program)
    if program == "python-that-is-none":
        Path(executable).symlink_to(shutil.which("true") or "true")  # noqa: ASYNC240
    monkeypatch.setattr(sys, "executable", executable)
    assert sum(len(block.numbers) for block in await reader.all_of(users)) == ROWS
    assert reader.process._process is None


async def test_the_end_of_the_process_is_an_error(users: Path, reader: Reader) -> None:
    await reader.all_of(users)
    os.kill(reader.child.pid, signal.SIGKILL)
    with pytest.raises(InvalidInput, match="has ended before the file did"):
        await reader.all_of(users)


async def test_a_rejected_row_can_end_the_run(users: Path) -> None:
    reader = Reader(stop_at_reject=True)
    with pytest.raises(Stopped):
        await reader.all_of(users)
    assert [one.line for one in reader.counter.rejects] == [5_002]


async def test_a_cancelled_run_ends_the_process(users: Path, reader: Reader) -> None:
    reader.counter.stop.set()
    assert reader.process.begin()
    with pytest.raises(Stopped):
        list(reader.process.read(task_of(users), reader.counter))
    assert reader.process._process is None


async def test_it_ends_with_the_process_that_began_it(users: Path, reader: Reader) -> None:
    await reader.all_of(users)
    child = reader.child
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(10) == 0


async def test_it_is_shown_no_credentials(
    users: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPCUES_API_SECRET", "hidden")
    await reader.all_of(users)
    environment = Path(f"/proc/{reader.child.pid}/environ").read_bytes()  # noqa: ASYNC240
    assert b"PATH=" in environment
    assert b"APPCUES" not in environment


async def test_a_run_leaves_no_process_behind(
    users: Path, sandbox: Sandbox, client: AppcuesClient
) -> None:
    run = client.bulk.import_profiles(users, chunk_bytes=20_000, on_failure="report")
    report = await run
    assert (report.rows, report.rejected, report.completed) == (ROWS + 1, 1, ROWS)
    assert len(sandbox.profiles) == ROWS
    assert isinstance(run._reader, SourceReader)
    assert run._reader.process._process is None


def test_a_frozen_program_begins_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not is_worth(ReaderProcess(), 64_000_000, "full")


def test_it_is_worth_its_while_for_large_files_that_are_checked() -> None:
    assert is_worth(ReaderProcess(), 64_000_000, "full")
    assert not is_worth(ReaderProcess(), 63_999_999, "full")
    assert not is_worth(ReaderProcess(), 64_000_000, "none")
