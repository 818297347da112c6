"""Files that a run writes: its journal, what is beside that, and its rejected rows."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.reading import worker
from tests.api.conftest import names

ROWS: Final = "user_id,plan\n007,pro\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "users.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
async def journal(client: AppcuesClient, source: Path, tmp_path: Path) -> Path:
    """The journal of a run that has ended."""
    await client.bulk.import_profiles(source, journal=tmp_path / "journal")
    return tmp_path / "journal"


@pytest.mark.parametrize("option", ["journal", "rejects"])
@pytest.mark.parametrize("name", ["a\0b", "", 7, b"a", "\ud800"])
async def test_what_no_file_can_be_called_is_refused(
    client: AppcuesClient, source: Path, option: str, name: Any
) -> None:
    with pytest.raises(InvalidInput):
        await client.bulk.import_profiles(source, **{option: name})


@pytest.mark.parametrize("length", [250, 300])
async def test_a_journal_whose_name_is_too_long_is_not_made(
    client: AppcuesClient, source: Path, tmp_path: Path, length: int
) -> None:
    with pytest.raises(InvalidInput, match="File name too long"):
        await client.bulk.import_profiles(source, journal=tmp_path / ("x" * length))
    assert names(tmp_path) == ["users.csv"]


@pytest.mark.parametrize("there", [True, False])
async def test_a_link_beside_a_journal_is_not_followed(
    client: AppcuesClient, source: Path, tmp_path: Path, there: bool
) -> None:
    if there:
        (tmp_path / "victim").write_text("precious")
    (tmp_path / "journal-locks").symlink_to(tmp_path / "victim")
    with pytest.raises(InvalidInput, match=r"the journal .* cannot be opened"):
        await client.bulk.import_profiles(source, journal=tmp_path / "journal")
    assert (tmp_path / "victim").exists() is there


async def test_a_device_is_no_journal_and_stays_everybody_s(
    client: AppcuesClient, source: Path
) -> None:
    before = os.lstat(os.devnull).st_mode
    with pytest.raises(InvalidInput, match="it is a device"):
        await client.bulk.import_profiles(source, journal=os.devnull)
    assert os.lstat(os.devnull).st_mode == before


async def test_a_journal_that_was_made_for_everybody_is_no_longer(
    client: AppcuesClient, source: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    journal.chmod(0o666)
    seen: list[int] = []

    def see(_: object) -> None:
        seen.extend(stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob("journal*"))

    await client.bulk.import_profiles(source, journal=journal, on_notice=see)
    assert seen
    assert not any(mode & 0o007 for mode in seen)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_a_journal_of_somebody_else_for_everybody_is_refused(tmp_path: Path) -> None:
    # As root every mode can be changed, so what refuses stands in.
    from appcues_async.bulk.journal import file  # noqa: PLC0415

    class Theirs(type(tmp_path)):  # type: ignore[misc]
        def chmod(self, *_: Any, **__: Any) -> None:
            raise PermissionError

    path = Theirs(tmp_path / "journal")
    path.touch()
    os.chmod(path, 0o666)  # noqa: PTH101
    with pytest.raises(InvalidInput, match="another user's file"):
        file.keep_from_others(path)


async def test_a_journal_on_a_disk_that_is_only_read_is_shown(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = sqlite3.connect(journal)
    held.execute("UPDATE chunks SET error = 'only in the log'")
    held.commit()
    folder = tmp_path / "disk"
    folder.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(f"{journal}{ending}", folder)
    held.close()
    real: Callable[..., sqlite3.Connection] = sqlite3.connect

    def refuse(name: Any, *rest: Any, **named: Any) -> sqlite3.Connection:
        # As SQLite does there, where it cannot make the memory that readers share.
        nowhere = str(folder) in str(name)
        return real("file:/nowhere/none?mode=ro" if nowhere else name, *rest, **named)

    monkeypatch.setattr("sqlite3.connect", refuse)
    assert [one["error"] for one in read_journal(folder / "journal").chunks] == ["only in the log"]


@pytest.mark.parametrize(
    ("column", "broken"),
    [
        ("sources", '["a'),
        ("sources", "[" * 100_000),
        ("sources", b"\xff"),
        ("options", "null"),
        ("fingerprint", "5"),
        ("limits", "{}"),
    ],
)
async def test_a_journal_whose_json_is_broken_is_said_to_be_damaged(
    client: AppcuesClient, source: Path, journal: Path, column: str, broken: Any
) -> None:
    with sqlite3.connect(journal) as db:
        db.execute(f"UPDATE runs SET {column} = ?", (broken,))
    db.close()
    with pytest.raises(InvalidInput, match="is damaged"):
        await client.bulk.import_profiles(source, journal=journal)
    if column in {"sources", "options"}:
        with pytest.raises(InvalidInput, match="is damaged"):
            read_journal(journal)


def test_the_process_that_reads_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, str] = {}

    def begin(*_: Any, env: dict[str, str], **__: Any) -> None:
        given.update(env)

    for name in ("APPCUES_API_KEY", "CUSTOMERIO_API_KEY", "MY_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr("subprocess.Popen", begin)
    worker._begin()
    assert "s3cret" not in json.dumps(given)
    assert given["LC_ALL"] == "C.UTF-8"
