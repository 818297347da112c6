"""Journals that are refused, and places where none can be."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from appcues_async import InvalidInput
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.records import (
    Run,
)
from appcues_async.bulk.journal.store import Journal
from tests.bulk.journal.journals import ACCOUNT, ORIGIN, PLAN, entry, opened


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    one = opened(path)
    yield one
    one.close(1000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fingerprint": [(1001, 5)]}, "had 1,000 bytes .* and has 1,001 bytes"),
        ({"fingerprint": [(1000, 5_000_000_000)]}, "1970-01-01 00:00:00 UTC, .* 00:00:05 UTC"),
        ({"fingerprint": [None]}, "has no file"),
        ({"options": {"check": "none", "chunk_bytes": None}}, "check was 'full', and is 'none'"),
        ({"options": {"check": "full", "chunk_bytes": 9}}, "chunk_bytes was None, and is 9"),
    ],
)
def test_a_changed_run_is_refused_with_what_differs(
    path: Path, change: dict[str, Any], words: str
) -> None:
    first = opened(path)
    first.begin(PLAN, 1000)
    first.close(1000)
    second = opened(path)
    with pytest.raises(InvalidInput, match=words):
        second.begin(evolve(PLAN, **change), 1000)
    second.close(1000)


@pytest.mark.parametrize(
    "sources",
    [["/data/events.csv", "/data/more.csv"], ["/data/more.csv", "/data/events.csv"]],
)
def test_a_file_that_is_in_another_run_is_not_sent_once_more(
    path: Path, sources: list[str]
) -> None:
    first = opened(path)
    first.begin(PLAN, 1000)
    first.close(1000)
    second = opened(path)
    plan = evolve(PLAN, sources=sources, fingerprint=[(1000, 5), (1000, 5)])
    with pytest.raises(InvalidInput, match=r"has /data/events.csv in run 1"):
        second.begin(plan, 1000)
    assert second.begin(evolve(plan, endpoint="import/profiles"), 1000).id == 2
    second.close(1000)


@pytest.mark.parametrize("whose", [{"origin": "https://api.eu.appcues.com"}, {"account_id": "8"}])
def test_a_journal_of_another_account_is_refused(
    journal: Journal, path: Path, whose: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput, match=r"belongs to account 7 at https://api\.appcues\.com"):
        Journal(path, **{"origin": ORIGIN, "account_id": ACCOUNT, "now": 1000.0, **whose})  # type: ignore[arg-type]


def test_a_journal_of_an_earlier_sandbox_says_what_to_do(journal: Journal, path: Path) -> None:
    with pytest.raises(InvalidInput, match="a sandbox that begins anew is another account: delete"):
        Journal(path, origin="http://127.0.0.1:8080", account_id=ACCOUNT, now=1000.0)


def test_a_newer_journal_is_refused(path: Path) -> None:
    opened(path).close(1000)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 4")
    db.close()
    with pytest.raises(InvalidInput, match="of version 4, and this release knows 3"):
        opened(path)


def test_what_is_no_journal_is_left_as_it_is(path: Path) -> None:
    path.write_text("user_id,plan\n007,pro\n" * 100)
    with pytest.raises(InvalidInput, match="is no journal"):
        opened(path)
    assert path.read_text() == "user_id,plan\n007,pro\n" * 100
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (id)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="is a database, but no journal"):
        opened(path)
    assert path.read_bytes() == before


def test_a_damaged_journal_is_refused(path: Path) -> None:
    one = opened(path)
    run = one.begin(PLAN, 1000)
    for number in range(200):
        one.plan(run, entry(number), 1000, unsafe=True)
    one.close(1000)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) // 2) + whole[4096 + len(whole) // 2 :])
    with pytest.raises(InvalidInput, match="is damaged"):
        opened(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="is damaged"):
        opened(path)


@pytest.mark.parametrize("name", ["none/journal.db", "."])
def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be opened"):
        opened(tmp_path / name)


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    folder = Path("/proc/self")
    if os.geteuid():
        folder = tmp_path
        folder.chmod(0o500)
    elif not folder.is_dir():
        pytest.skip("root may write everywhere here")
    with pytest.raises(InvalidInput, match=r"the journal .* cannot be opened"):
        opened(folder / "journal.db")


def fill(journal: Journal, run: Run) -> None:
    for number in range(1, 1000):
        journal.plan(run, entry(number), 1000, unsafe=True)


def test_a_disk_that_is_full_is_told_and_nothing_is_lost(journal: Journal, path: Path) -> None:
    run = journal.begin(PLAN, 1000)
    journal.plan(run, entry(0), 1000, unsafe=True)
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(InvalidInput, match="the disk is full; make room"):
        fill(journal, run)
    written = len(journal.records(run))
    assert written >= 1
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.plan(run, entry(written), 1000, unsafe=True)
    assert [one.number for one in journal.records(run)] == list(range(written + 1))


def test_a_limit_on_the_size_of_files_is_told_as_well(path: Path) -> None:
    program = f"""
import resource
import tests.bulk.journal.test_journal as t
from pathlib import Path
journal = t.opened(Path({str(path)!r}))
run = journal.begin(t.PLAN, 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000))
try:
    for number in range(10_000):
        journal.plan(run, t.entry(number), 1000, unsafe=True)
except t.InvalidInput as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert "cannot be written" in said
    assert len(read_journal(path).chunks) > 10


def test_a_journal_that_was_emptied_is_not_begun_anew(path: Path) -> None:
    one = opened(path)
    one.begin(PLAN, 1000)
    one.close(1000)
    path.write_bytes(b"")
    with pytest.raises(InvalidInput, match="is damaged"):
        opened(path)


def test_a_journal_that_was_taken_away_is_begun_anew(path: Path) -> None:
    opened(path).close(1000)
    path.unlink()
    opened(path).close(1000)


def test_a_journal_has_the_same_locks_through_a_link(journal: Journal, path: Path) -> None:
    journal.begin(PLAN, 1000)
    link = path.with_name("link.db")
    link.symlink_to(path)
    other = opened(link)
    with pytest.raises(InvalidInput, match="another run of this process"):
        other.begin(PLAN, 1000)
    other.close(1000)


def test_a_source_under_another_name_is_not_taken_for_another(
    journal: Journal, tmp_path: Path
) -> None:
    here, there, link, copy = (tmp_path / name for name in ("here", "there", "link", "copy"))
    there.touch()
    journal.begin(evolve(PLAN, sources=[str(here)]), 1000)
    with pytest.raises(InvalidInput, match=r"here in run 1, which is gone, and .*there looks like"):
        journal.begin(evolve(PLAN, sources=[str(there)]), 1000)
    here.touch()
    link.symlink_to(here)
    with pytest.raises(InvalidInput, match=r"here in run 1, which is the same file as .*link"):
        journal.begin(evolve(PLAN, sources=[str(link)]), 1000)
    # Two that are there are two, however alike they look.
    copy.touch()
    assert journal.begin(evolve(PLAN, sources=[str(copy)]), 1000).id == 2
