from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from appcues_async.errors import InvalidInput
from appcues_async.sync.state import StateFile, Target

TARGET = Target("http://127.0.0.1:1", "acme", "segment s1")

HOLD = """
import sys, time
from pathlib import Path
from appcues_async.sync.state import StateFile, Target
state = StateFile.open(Path(sys.argv[1]), Target("http://127.0.0.1:1", "acme", "segment s1"))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def fill(state: StateFile) -> None:
    with state.transaction():
        values = ((f"user-{number:05}", number, b"-" * 8) for number in range(5000))
        state.db.executemany("INSERT INTO rows VALUES (?, ?, ?)", values)


@pytest.mark.parametrize(
    "other",
    [
        evolve(TARGET, account_id="other"),
        evolve(TARGET, origin="http://127.0.0.1:2"),
        evolve(TARGET, name="segment s2"),
        evolve(TARGET, name="profiles"),
    ],
)
def test_a_state_of_something_else_is_refused(path: Path, other: Target) -> None:
    StateFile.open(path, TARGET).close()

    with pytest.raises(InvalidInput, match="segment s1 of account acme"):
        StateFile.open(path, other)


def test_a_state_of_an_earlier_sandbox_says_what_to_do(path: Path) -> None:
    StateFile.open(path, TARGET).close()

    with pytest.raises(InvalidInput, match="a sandbox that begins anew is another account: delete"):
        StateFile.open(path, Target("http://127.0.0.1:8080", "acme", "profiles"))


def test_the_other_target_of_one_sandbox_is_another_file(path: Path) -> None:
    StateFile.open(path, TARGET).close()

    with pytest.raises(InvalidInput, match=r"; name another file$"):
        StateFile.open(path, evolve(TARGET, name="profiles"))


@pytest.mark.parametrize("make", [True, False])
def test_a_state_in_no_folder_is_refused(path: Path, make: bool) -> None:
    with pytest.raises(InvalidInput, match=r"there is no folder .*/none for the state state\.db"):
        StateFile.open(path.parent / "none" / path.name, TARGET, make=make)


def test_the_second_of_two_runs_is_told(path: Path) -> None:
    first = StateFile.open(path, TARGET)

    with pytest.raises(InvalidInput, match="in use by another run"):
        StateFile.open(path, TARGET)

    first.close()
    StateFile.open(path, TARGET).close()


def test_the_second_of_two_processes_is_told(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(InvalidInput, match="in use by another run"):
            StateFile.open(path, TARGET)
        other.kill()
        other.wait()

    # Its lock has ended with it.
    StateFile.open(path, TARGET).close()


def test_a_state_is_for_its_owner_alone(path: Path) -> None:
    StateFile.open(path, TARGET).close()

    assert path.stat().st_mode & 0o077 == 0


def test_a_state_is_one_file_once_its_run_has_ended(path: Path) -> None:
    state = StateFile.open(path, TARGET)
    state.begin_upload("import/profiles", ["job 0"])
    state.close()

    assert [one.name for one in path.parent.iterdir()] == ["state.db"]


def test_without_a_file_a_trial_makes_none(path: Path) -> None:
    state = StateFile.open(path, TARGET, make=False)

    assert state.is_first
    assert state.count() == 0
    state.close()
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [b"user_id,plan\nu1,pro\n" * 200, b"SQLite format 3\0" + b"x" * 5000]
)
def test_what_is_no_state_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"no state of a sync|damaged"):
        StateFile.open(path, TARGET)

    assert path.read_bytes() == content


def test_another_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE users (id)")
    other.close()

    with pytest.raises(InvalidInput, match="no state of a sync"):
        StateFile.open(path, TARGET)


def test_a_state_of_a_newer_release_is_refused(path: Path) -> None:
    StateFile.open(path, TARGET).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("PRAGMA user_version = 2")
    other.close()

    with pytest.raises(InvalidInput, match="version 2"):
        StateFile.open(path, TARGET)


def test_a_damaged_state_is_refused(path: Path) -> None:
    state = StateFile.open(path, TARGET)
    fill(state)
    state.close()
    content = bytearray(path.read_bytes())
    content[20_000:60_000] = bytes(40_000)
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match="damaged"):
        StateFile.open(path, TARGET)


def test_what_may_be_under_way_is_kept_until_it_is_known_to_have_ended(path: Path) -> None:
    state = StateFile.open(path, TARGET)
    upload = state.begin_upload("import/profiles", ["job 0"])
    state.note_job("import/profiles", "job 1")
    state.note_job("import/profiles", "job 2")
    state.end_job("job 1")
    state.close()

    state = StateFile.open(path, TARGET)
    assert [one.job for one in state.uploads()] == [None, "job 2"]
    assert state.uploads()[0].before == {"job 0"}
    state.end_upload(upload)
    assert [one.job for one in state.uploads()] == ["job 2"]
    state.forget_uploads(state.uploads())
    assert state.uploads() == []
    state.close()


def test_a_disk_that_is_full_is_told(path: Path) -> None:
    state = StateFile.open(path, TARGET)
    (pages,) = state.db.execute("PRAGMA page_count").fetchone()
    state.db.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(InvalidInput, match="the disk is full"):
        fill(state)

    assert state.count() == 0
    state.close()
