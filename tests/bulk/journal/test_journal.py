"""The store: what it keeps, whom it lets in, and what it says of files that are no good."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from appcues_async import InvalidInput
from appcues_async.bulk.journal.claims import HEARTBEAT
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.store import Journal
from appcues_async.recovery.evidence import Claim
from tests.bulk.journal.journals import ACCOUNT, PLAN, another, entry, intend, opened, times
from tests.virtual_clock import VirtualClock


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    one = opened(path)
    yield one
    one.close(1000)


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
    assert (zero.status, zero.job, zero.intent_at, zero.session) == (
        "accepted",
        "j",
        1001,
        run.session,
    )
    assert one == entry(1, digest="d")
    assert again == evolve(run, session=run.session + 1, chunks=2)
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
            one.move(first, 0, status, 1000, session=first.session)
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
    assert one.begin(PLAN, 2000).session == 2
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
