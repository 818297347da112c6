"""The store: what it keeps, whom it lets in, and what it says of files that are no good."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appcues_async import InvalidInput
from appcues_async.bulk.journal.claims import HEARTBEAT
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.records import (
    ALLOWED_FROM,
    ChunkRecord,
    ChunkState,
    Run,
    RunKey,
)
from appcues_async.bulk.journal.store import Journal
from appcues_async.recovery.evidence import Claim
from tests.virtual_clock import VirtualClock

ORIGIN, ACCOUNT = "https://api.appcues.com", "7"
PLAN = RunKey(
    kind="import/events",
    unsafe=True,
    endpoint="import/events",
    sources=["/data/events.csv"],
    fingerprint=[(1000, 5)],
    options={"check": "full", "chunk_bytes": None},
    limits=[20_000_000],
)


def opened(path: Path, now: float = 1000.0, clock: VirtualClock | None = None) -> Journal:
    return Journal(path, origin=ORIGIN, account_id=ACCOUNT, now=now, clock=clock)


def times(began: float, ended: float | None = None) -> str:
    return Claim(kind="import/events", began=began, ended=ended, clock="here").times_text()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    one = opened(path)
    yield one
    one.close(1000)


def entry(number: int = 0, rows: int | None = None, **others: Any) -> ChunkRecord:
    """A chunk; its row count is its own."""
    rows, first = rows or 10 + number, 10 * number + 1
    return ChunkRecord(
        number=number,
        source="/data/events.csv",
        first=first,
        last=first + rows - 1,
        rows=rows,
        bytes=100,
        **others,
    )


def intend(journal: Journal, run: Run, number: int = 0, at: float = 1001) -> None:
    values = {"stint": run.stint, "intent_at": at, "times": times(at)}
    journal.move(run, number, "intent", at, **values)


def another(name: str) -> RunKey:
    return evolve(PLAN, sources=[name])


def test_it_is_a_file_that_its_owner_alone_may_read(journal: Journal, path: Path) -> None:
    journal.begin(PLAN, 1000)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_what_is_written_is_there_in_the_next_process(path: Path) -> None:
    first = opened(path)
    run = first.begin(PLAN, 1000)
    first.plan(run, entry(0), 1000, unsafe=True)
    first.plan(run, entry(1, digest="d"), 1000, unsafe=True)
    intend(first, run)
    first.move(run, 0, "accepted", 1002, job="j", certain=True)
    first.finish(run, 2)
    first.close(1003)
    second = opened(path)
    again = second.begin(PLAN, 2000)
    zero, one = second.records(again)
    assert (zero.status, zero.job, zero.intent_at, zero.stint) == ("accepted", "j", 1001, run.stint)
    assert one == entry(1, digest="d")
    assert again == evolve(run, stint=run.stint + 1, chunks=2)
    second.close(2000)


def test_every_commit_waits_for_the_disk(journal: Journal) -> None:
    db = journal._db
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_runs_of_other_sources_are_other_runs(path: Path) -> None:
    one, two = opened(path), opened(path)
    first, second = one.begin(PLAN, 1000), two.begin(another("/data/more.csv"), 1000)
    assert first.id != second.id
    one.close(1000)
    two.close(1000)


def test_no_chunk_has_the_row_count_of_one_that_is_not_settled(path: Path) -> None:
    one, two = opened(path), opened(path)
    first, second = one.begin(PLAN, 1000), two.begin(another("/data/more.csv"), 1000)
    assert one.plan(first, entry(0, rows=33), 1000, unsafe=True)
    for status in ("planned", "intent", "refused", "intent", "unknown"):
        if status != "planned":
            one.move(first, 0, status, 1000, stint=first.stint)
        assert not two.plan(second, entry(0, rows=33), 1000, unsafe=True)
        assert [counts for counts in two.row_counts(unsafe=True) if counts] == [{33}]
    assert two.plan(second, entry(0, rows=34), 1000, unsafe=True)
    one.move(first, 0, "accepted", 1002, job="j", certain=True)
    assert two.plan(second, entry(1, rows=33), 1000, unsafe=True)
    assert two.plan(second, entry(2, rows=34), 1000, unsafe=True, shared=True)
    one.close(1000)
    two.close(1000)


def test_a_row_count_is_left_behind_by_a_process_that_is_no_more(path: Path) -> None:
    one, two = opened(path), opened(path)
    first = one.begin(PLAN, 1000)
    one.plan(first, entry(0, rows=33), 1000, unsafe=True)
    one.add_request(first, 0, Claim(kind="import/events", began=1000, rows=44), 1000)
    assert two.row_counts(unsafe=True) == (frozenset({33}), frozenset({44}))
    one.close(1000)
    assert two.row_counts(unsafe=True) == (frozenset(), frozenset({33, 44}))
    two.close(1000)


def test_the_second_on_a_run_is_told_who_is_at_it(journal: Journal, path: Path) -> None:
    journal.begin(PLAN, 1000)
    other = opened(path)
    with pytest.raises(
        InvalidInput, match="another run of this process, since 1970-01-01 00:16:40"
    ):
        other.begin(PLAN, 1000)
    # It may have another one.
    assert other.begin(another("/data/more.csv"), 1000).id == 2
    other.close(1000)


def test_another_process_on_a_run_is_told_the_number_of_the_first(
    journal: Journal, path: Path
) -> None:
    journal.begin(PLAN, 1000)
    program = f"""
import tests.bulk.journal.test_journal as t
from pathlib import Path
try:
    t.opened(Path({str(path)!r})).begin(t.PLAN, 1000)
except t.InvalidInput as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert f"process {os.getpid()} on" in said


def test_a_lock_ends_with_its_process(path: Path) -> None:
    program = f"""
import os, signal
import tests.bulk.journal.test_journal as t
from pathlib import Path
t.opened(Path({str(path)!r})).begin(t.PLAN, 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert killed.returncode < 0
    one = opened(path)
    assert one.begin(PLAN, 2000).stint == 2
    one.close(2000)


def test_what_this_process_has_open_is_not_taken_for_left(journal: Journal, path: Path) -> None:
    other = opened(path)
    other.begin(another("/data/more.csv"), 1000)
    run = journal.begin(PLAN, 1000)
    # Whoever is the last to close a journal takes away what is beside it.
    program = (
        f"import tests.bulk.journal.test_journal as t; t.opened(t.Path({str(path)!r})).close(1)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert path.with_name("journal.db-wal").exists()
    journal.plan(run, entry(), 1000, unsafe=True)
    assert len(read_journal(path).chunks) == 1
    other.close(1000)


def test_a_journal_that_is_closed_in_order_says_when(path: Path) -> None:
    clock = VirtualClock(1000)
    one = opened(path, clock=clock)
    run = one.begin(PLAN, 1000)
    one.plan(run, entry(), 1000, unsafe=True)
    intend(one, run, at=1001)
    clock.seconds = 1002
    one.close(5000)
    two = opened(path)
    (claim,) = two.whose([]).claims
    assert claim.ended == 1002
    two.close(1002)


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


def test_a_newer_journal_is_refused(path: Path) -> None:
    opened(path).close(1000)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 3")
    db.close()
    with pytest.raises(InvalidInput, match="of version 3, and this release knows 2"):
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


def test_the_claims_of_every_run_are_rivals_and_their_jobs_are_owned(path: Path) -> None:
    one, two = opened(path), opened(path)
    first, second = one.begin(PLAN, 1000), two.begin(another("/data/more.csv"), 1000)
    one.note_jobs(first, {"old"}, 1000)
    for number in range(4):
        one.plan(first, entry(number, rows=10 + number), 1000, unsafe=True)
        intend(one, first, number)
    one.move(first, 0, "accepted", 1002, job="mine", certain=True)
    one.move(first, 1, "accepted", 1002, job="found", certain=False)
    one.move(first, 2, "unknown", 1003, times=times(1001, 1003))
    owned = two.whose(["mine", "found", "other"])
    assert owned.jobs == {"mine": "import/events", "found": ""}
    assert {job: claim.began for job, claim in owned.heard.items()} == {"mine": 1001}
    unknown, intent = owned.claims
    assert (unknown.rows, unknown.began, unknown.ended) == (12, 1001, 1003)
    assert (intent.rows, intent.ended, intent.answerable) == (13, None, True)
    assert intent.before == {"old"}
    assert intent.id == one.claim_id(first, 3) != two.claim_id(second, 3)
    assert not unknown.answerable
    one.close(1010)
    two.close(1010)


def test_a_claim_of_a_process_that_is_no_more_ends_with_its_last_sign_of_life(path: Path) -> None:
    clock = VirtualClock(1000)
    one, two = opened(path, clock=clock), opened(path)
    first, _ = one.begin(PLAN, 1000), two.begin(another("/data/more.csv"), 1000)
    one.plan(first, entry(), 1000, unsafe=True)
    intend(one, first, at=1001)
    clock.seconds = 1004
    one.beat(5000)
    one._locks.close()
    one._db.close()
    (claim,) = two.whose([]).claims
    assert (claim.began, claim.ended, claim.answerable) == (1001, 1004 + HEARTBEAT, False)
    # Whoever takes the run up does not make it any younger.
    three = opened(path)
    again = three.begin(PLAN, 2000)
    three.beat(2000)
    (claim,) = two.whose([]).claims
    assert claim.ended == 1004 + HEARTBEAT
    assert three.claim_of(again, three.records(again)[0], "import/events").ended == 1007
    three.close(2000)
    two.close(2000)


def test_a_request_that_nobody_will_settle_stays_a_rival(journal: Journal) -> None:
    run = journal.begin(PLAN, 1000)
    claim = Claim(kind="import/events", began=1001, ended=1005, rows=17)
    journal.add_request(run, 3, claim, 2000)
    (claim,) = journal.whose([]).claims
    assert (claim.kind, claim.rows, claim.began, claim.ended) == ("import/events", 17, 1001, 1005)
    assert claim.id != journal.claim_id(run, 3)


def test_what_is_shown_of_a_journal_is_all_that_is_in_it(journal: Journal, path: Path) -> None:
    run = journal.begin(PLAN, 1000)
    journal.plan(run, entry(), 1000, unsafe=True)
    shown = read_journal(path)
    assert shown.about["account"] == ACCOUNT
    assert shown.runs[0]["sources"] == ["/data/events.csv"]
    assert shown.chunks[0]["status"] == "planned"
    with pytest.raises(InvalidInput, match="no such file"):
        read_journal(path.with_name("none"))


class Chunks(RuleBasedStateMachine):
    """Whatever happens to chunks, in whatever process, a job is never forgotten nor replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.now = 1000.0
        self.journal = opened(self.path)
        self.run = self.journal.begin(PLAN, self.now)
        self.standing: dict[int, ChunkState] = {}
        self.jobs: dict[int, str] = {}

    @rule()
    def cut(self) -> None:
        number = len(self.standing)
        self.journal.plan(self.run, entry(number), self.now, unsafe=True)
        self.standing[number] = "planned"

    @precondition(lambda self: self.standing)
    @rule(data=st.data(), status=st.sampled_from(sorted(ALLOWED_FROM)))
    def move(self, data: st.DataObject, status: ChunkState) -> None:
        number = data.draw(st.sampled_from(sorted(self.standing)))
        self.now += 1
        values: dict[str, Any] = {}
        if status == "intent":
            values = {"stint": self.run.stint, "times": times(self.now)}
        elif status == "accepted":
            values = {"job": f"job {self.now}", "certain": True}
        elif status == "unknown":
            values = {"times": times(self.now, self.now)}
        if self.standing[number] in ALLOWED_FROM[status]:
            self.journal.move(self.run, number, status, self.now, **values)
            self.standing[number] = status
            if status == "accepted":
                self.jobs[number] = values["job"]
        else:
            with pytest.raises(InvalidInput, match="does not let"):
                self.journal.move(self.run, number, status, self.now, **values)

    @rule()
    def die(self) -> None:
        """As a process that is killed: nothing is closed in an orderly way."""
        self.journal._locks.close()
        self.journal._db.close()
        self.journal = opened(self.path)
        self.run = self.journal.begin(PLAN, self.now)

    @invariant()
    def the_journal_knows_what_happened(self) -> None:
        entries = self.journal.records(self.run)
        assert {one.number: one.status for one in entries} == self.standing
        assert {one.number: one.job for one in entries if one.job} == self.jobs
        owned = self.journal.whose(self.jobs.values())
        assert set(owned.jobs) == set(self.jobs.values())
        unsettled = {
            one for one, status in self.standing.items() if status in {"intent", "unknown"}
        }
        assert {int(claim.id.rsplit("/", 1)[1]) for claim in owned.claims} == unsettled

    def teardown(self) -> None:
        self.journal.close(self.now)
        self.folder.cleanup()


TestChunks = Chunks.TestCase
TestChunks.settings = settings(
    max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.too_slow]
)


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
