"""Runs that end half way, and the ones that take them up: every row is applied once."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Self, get_args

import polars as pl
import pyarrow as pa
import pytest

from appcues_async import AppcuesClient, InvalidInput, OutcomeUnknown, Report, Timeouts
from appcues_async.bulk.journal import run_journal
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.bulk.journal.store import Journal
from appcues_async.bulk.resource import with_steps
from appcues_async.bulk.spec import RunSpec
from appcues_async.notices import Notice
from appcues_async.recovery.ownership import of_this_process
from appcues_async.sandbox import Answer, JobPlan, Reset, Sandbox, Stall
from tests.conftest import AT_ONCE, SOON, wait_until

ACCOUNT, COUNT = "sandbox-account", 600
STEPS: tuple[Step, ...] = get_args(Step)
OPTIONS: dict[str, Any] = {"chunk_bytes": 9_000, "concurrency": 2}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return write_events(tmp_path / "events.ndjson")


def write_events(path: Path, count: int = COUNT, user: str = "u") -> Path:
    line = '{{"user_id":"{}{:04}","name":"Paid","timestamp":"2026-07-14T12:00:00Z"}}\n'
    path.write_text("".join(line.format(user, number) for number in range(count)))
    return path


class Steps:
    """Ends the run at a step of a chunk."""

    at: tuple[Step, int] | None = None

    def __call__(self, step: Step, number: int) -> None:
        if (step, number) == self.at:
            raise Killed


OBSERVED = Steps()


class Client(AppcuesClient):
    """A client whose runs can be ended at a step of a chunk."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.bulk = with_steps(self.bulk, OBSERVED)
        return self


@pytest.fixture
def kill_at() -> Iterator[Callable[..., None]]:
    """Ends the runs of all clients at a step of a chunk."""

    def kill_at(step: Step | None, chunk: int = 1) -> None:
        OBSERVED.at = None if step is None else (step, chunk)
        if step is None:
            # Another process knows nothing of what this one has seen.
            of_this_process.clear()

    yield kill_at
    OBSERVED.at = None


def client_of(sandbox: Sandbox, **others: Any) -> AppcuesClient:
    options: dict[str, Any] = {"retry": SOON, "polling": AT_ONCE, "throttle": None, **others}
    options.setdefault("timeouts", Timeouts(settle=0.3))
    return Client(**sandbox.credentials, **options)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    async with client_of(sandbox) as opened:
        yield opened


def statuses(journal: Path) -> list[str]:
    return [chunk["status"] for chunk in read_journal(journal).chunks]


def posts(sandbox: Sandbox) -> int:
    return sum(request.method == "POST" for request in sandbox.requests)


def uploads_applied(sandbox: Sandbox) -> int:
    return sum(one.method == "POST" and one.applied for one in sandbox.requests)


def assert_each_once(sandbox: Sandbox, count: int = COUNT, user: str = "u") -> None:
    times = Counter(event["user_id"] for event in sandbox.events)
    assert times == {f"{user}{number:04}": 1 for number in range(count)}


def assert_whole(report: Report) -> None:
    assert report.ok
    assert report.rows == report.completed == COUNT
    assert [one.chunk for one in report.outcomes] == list(range(report.chunks))


@pytest.mark.parametrize("chunk", [0, 2])
@pytest.mark.parametrize("step", STEPS)
async def test_events_are_recorded_once_wherever_a_run_ends(
    sandbox: Sandbox, events: Path, journal: Path, kill_at: Any, step: Step, chunk: int
) -> None:
    kill_at(step, chunk)
    async with client_of(sandbox) as client:
        with pytest.raises(BaseExceptionGroup) as ended:
            await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert ended.group_contains(Killed)
    kill_at(None)
    async with client_of(sandbox) as client:
        report = await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert_whole(report)
    assert_each_once(sandbox)
    assert set(statuses(journal)) == {"completed"}
    assert report.resumed == sum(one.rows for one in report.outcomes if one.resumed)
    assert report.outcomes[chunk].resumed == (step in {"sent", "accepted", "completed"})


@pytest.mark.parametrize("step", STEPS)
async def test_profiles_are_all_there_wherever_a_run_ends(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, journal: Path, kill_at: Any, step: Step
) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user_id,plan\n" + "".join(f"{one:04},pro\n" for one in range(COUNT)))
    options = {**OPTIONS, "chunk_bytes": 1_000}
    kill_at(step)
    with pytest.raises(BaseExceptionGroup):
        await client.bulk.import_profiles(users, journal=journal, **options)
    kill_at(None)
    before = len(sandbox.jobs)
    report = await client.bulk.import_profiles(users, journal=journal, **options)
    assert_whole(report)
    assert len(sandbox.profiles) == COUNT
    assert len(sandbox.jobs) - before == sum(not one.resumed for one in report.outcomes)


async def test_a_run_that_was_done_is_not_sent_again_and_is_reported_whole(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    first = await client.bulk.import_events(events, journal=journal, **OPTIONS)
    before = len(sandbox.requests)
    again = await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert len(sandbox.requests) == before
    assert_whole(again)
    assert (again.resumed, first.resumed) == (COUNT, 0)
    assert [one.id for one in again.handles] == [one.id for one in first.handles]
    assert all(outcome.resumed for outcome in again.outcomes)
    assert "600 of them had been sent in an earlier run" in again.summary()


async def test_a_rerun_cuts_the_same_chunks_with_another_concurrency(
    client: AppcuesClient, events: Path, journal: Path, kill_at: Any, monkeypatch: Any
) -> None:
    write_events(events, 40_000)
    kill_at("accepted", 0)
    with pytest.raises(BaseExceptionGroup):
        await client.bulk.import_events(events, journal=journal, concurrency=4)
    kill_at(None)
    run, *_ = read_journal(journal).runs
    report = await client.bulk.import_events(events, journal=journal, concurrency=1)
    assert report.ok
    assert run["options"]["chunk_bytes"] is None


async def test_a_file_is_the_same_from_whichever_folder_it_is_named(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    packed: Path = sources(events.parent)["gzip"]
    await client.bulk.import_events(packed, journal=journal, **OPTIONS)
    monkeypatch.chdir(events.parent)
    again = await client.bulk.import_events(packed.name, journal="journal.db", **OPTIONS)
    assert again.resumed == COUNT
    assert_each_once(sandbox)


def sources(folder: Path) -> dict[str, Any]:
    rows = [
        {"user_id": f"u{number:04}", "name": "Paid", "timestamp": "2026-07-14T12:00:00Z"}
        for number in range(COUNT)
    ]
    whole = write_events(folder / "events.ndjson")
    text = whole.read_bytes()
    half = text.index(b'{"user_id":"u0300"')
    (folder / "one.ndjson").write_bytes(text[:half])
    (folder / "two.ndjson").write_bytes(text[half:])
    (folder / "events.csv").write_text(
        "user_id,name,timestamp\n" + "".join(",".join(row.values()) + "\n" for row in rows)
    )
    (folder / "events.ndjson.gz").write_bytes(gzip.compress(text))
    return {
        "csv": folder / "events.csv",
        "gzip": folder / "events.ndjson.gz",
        "two files": [folder / "one.ndjson", folder / "two.ndjson"],
        "bytes": text,
        "a list": rows,
        "a frame": pl.DataFrame(rows),
    }


@pytest.mark.parametrize("step", ["intent", "sent"])
@pytest.mark.parametrize("name", ["csv", "gzip", "two files", "bytes", "a list", "a frame"])
async def test_whatever_can_be_read_twice_is_taken_up(
    sandbox: Sandbox, tmp_path: Path, journal: Path, kill_at: Any,
    name: str, step: Step,
) -> None:  # fmt: skip
    source = sources(tmp_path)[name]
    kill_at(step, 2)
    async with client_of(sandbox) as client:
        with pytest.raises(BaseExceptionGroup):
            await client.bulk.import_events(source, journal=journal, **OPTIONS)
    kill_at(None)
    async with client_of(sandbox) as client:
        report = await client.bulk.import_events(source, journal=journal, **OPTIONS)
    assert_whole(report)
    assert_each_once(sandbox)


async def _later() -> AsyncIterator[dict[str, str]]:
    yield {"user_id": "1"}


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: iter([{"user_id": "1"}]), "list_iterator"),
        (lambda: ({"user_id": str(one)} for one in range(3)), "generator"),
        (_later, "async_generator"),
        (lambda: "-", "the standard input"),
        (lambda: {"1", "2"}, "set"),
        (lambda: pa.table({"user_id": ["1"]}).to_reader(), "RecordBatchReader"),
    ],
)
async def test_a_source_that_can_be_read_only_once_is_refused(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, make: Any, what: str
) -> None:
    with pytest.raises(InvalidInput, match=rf"{what}, which can be read only once"):
        await client.bulk.import_profiles(make(), journal=journal)
    assert not sandbox.requests
    with pytest.raises(InvalidInput, match="no such file"):
        read_journal(journal)


async def test_a_file_that_has_changed_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await client.bulk.import_events(events, journal=journal, **OPTIONS)
    before = len(sandbox.requests)
    write_events(events, COUNT + 1)
    with pytest.raises(InvalidInput, match=r"events.ndjson has changed: it had .* bytes"):
        await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert len(sandbox.requests) == before


@pytest.mark.parametrize(
    "change", [{"check": "none"}, {"chunk_bytes": 8_000}, {"format": "ndjson"}, {"types": "infer"}]
)
async def test_other_options_are_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, change: dict[str, Any]
) -> None:
    await client.bulk.import_events(events, journal=journal, **OPTIONS)
    before = len(sandbox.requests)
    (name,) = change
    with pytest.raises(InvalidInput, match=f"{name} was .*, and is"):
        await client.bulk.import_events(events, journal=journal, **{**OPTIONS, **change})
    assert len(sandbox.requests) == before


def _rows(count: int, name: str = "Paid") -> list[dict[str, Any]]:
    when = "2026-07-14T12:00:00Z"
    return [{"user_id": f"u{one:04}", "name": name, "timestamp": when} for one in range(count)]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (_rows(COUNT, "Left"), "chunk 0 has other content"),
        (_rows(COUNT, "Paid more"), "chunk 0 has "),
        (_rows(100), "and has 2|last"),
        (_rows(2 * COUNT), "chunk|and has more"),
    ],
)
async def test_other_rows_in_memory_are_refused_before_they_are_sent(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, other: Any, words: str
) -> None:
    await client.bulk.import_events(_rows(COUNT), journal=journal, **OPTIONS)
    before = posts(sandbox)
    with pytest.raises(InvalidInput, match=words):
        await client.bulk.import_events(other, journal=journal, **OPTIONS)
    assert posts(sandbox) == before


async def test_the_second_of_two_on_one_run_is_told_and_sends_nothing(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    hold = Stall("request")
    sandbox.faults.add(hold, method="POST")
    first = asyncio.ensure_future(_run(client, events, journal=journal))
    while not posts(sandbox):  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0.001)
    seen: list[Notice] = []
    async with client_of(sandbox, on_notice=seen.append) as second:
        with pytest.raises(InvalidInput, match="another run of this process, since"):
            await second.bulk.import_events(events, journal=journal, **OPTIONS)
    assert not seen
    hold.hold.release()
    assert_whole(await first)
    assert_each_once(sandbox)


async def _run(client: AppcuesClient, source: Any, **others: Any) -> Report:
    return await client.bulk.import_events(source, **{**OPTIONS, **others})


async def test_runs_of_different_files_share_a_journal_at_the_same_time(
    sandbox: Sandbox, tmp_path: Path, journal: Path
) -> None:
    paths = [write_events(tmp_path / f"{name}.ndjson", user=name) for name in "abcd"]
    async with client_of(sandbox) as one, client_of(sandbox) as two:
        reports = await asyncio.gather(
            *(_run(one, path, journal=journal) for path in paths[:2]),
            *(_run(two, path, journal=journal) for path in paths[2:]),
        )
    for report in reports:
        assert_whole(report)
    assert len(sandbox.events) == 4 * COUNT
    assert len(read_journal(journal).runs) == 4


async def test_a_worker_that_dies_owing_an_answer_does_not_lose_it_to_another(
    sandbox: Sandbox, tmp_path: Path, journal: Path, kill_at: Any
) -> None:
    mine, theirs = (write_events(tmp_path / f"{name}.ndjson", user=name) for name in "mt")
    kill_at("sent", 1)
    async with client_of(sandbox) as client:
        with pytest.raises(BaseExceptionGroup):
            await _run(client, mine, journal=journal)
    kill_at(None, 0)
    # While that is owed, another's answers are lost, applied and not applied.
    sandbox.faults.add(Reset(applied=True), method="POST", path="/import/events")
    sandbox.faults.add(Reset(after="headers"), method="POST", path="/import/events", skip=1)
    async with client_of(sandbox) as client:
        assert_whole(await _run(client, theirs, journal=journal))
        assert_whole(await _run(client, mine, journal=journal))
    times = Counter(event["user_id"] for event in sandbox.events)
    assert set(times.values()) == {1}
    assert len(times) == 2 * COUNT


async def test_a_chunk_that_was_refused_is_sent_again_and_one_whose_job_failed_is_not(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    sandbox.faults.add(Answer(400), method="POST", path="/import/events", skip=1)
    sandbox.plan_next_job(JobPlan(status="FAILED", detail="u0001 is odd", rows_applied=0))
    options = {**OPTIONS, "concurrency": 1}
    first = await client.bulk.import_events(events, journal=journal, **options, on_failure="report")
    assert [one.status for one in first.outcomes][:3] == ["failed", "refused", "completed"]
    assert statuses(journal)[:3] == ["failed", "refused", "completed"]
    errors = [chunk["error"] for chunk in read_journal(journal).chunks]
    assert errors[:3] == ["JobFailed", "BadRequest (400)", None]
    before = posts(sandbox)
    again = await client.bulk.import_events(events, journal=journal, **options, on_failure="report")
    assert posts(sandbox) == before + 1
    assert [one.status for one in again.outcomes][:3] == ["failed", "completed", "completed"]
    assert [one.resumed for one in again.outcomes][:3] == [True, False, True]
    assert again.failed == first.outcomes[0].rows


async def test_without_wait_a_later_run_waits(
    sandbox: Sandbox, events: Path, journal: Path
) -> None:
    async with Sandbox(rate_limit=None, job_seconds=3600) as slow, client_of(slow) as client:
        first = await client.bulk.import_events(events, journal=journal, wait=False, **OPTIONS)
        assert set(statuses(journal)) == {"accepted"}
        before = posts(slow)
        slow.advance(3600)
        again = await client.bulk.import_events(events, journal=journal, **OPTIONS)
        assert posts(slow) == before
        assert_whole(again)
        assert again.resumed == first.accepted == COUNT
        assert set(statuses(journal)) == {"completed"}


@pytest.mark.parametrize("applied", [True, False])
async def test_what_stayed_unknown_is_settled_by_a_later_run(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, applied: bool
) -> None:
    sandbox.faults.add(Reset(applied=applied), method="POST", path="/import/events", skip=1)
    first = await client.bulk.import_events(
        events, journal=journal, on_unknown="raise", **OPTIONS, on_failure="report"
    )
    (lost,) = [one for one in first.outcomes if one.status == "unknown"]
    assert isinstance(lost.error, OutcomeUnknown)
    assert (lost.error.chunk, lost.error.rows) == (lost.chunk, (lost.first, lost.last))
    asked = await client.bulk.import_events(
        events, journal=journal, on_unknown="raise", **OPTIONS, on_failure="report"
    )
    assert asked.unknown == lost.rows
    again = await client.bulk.import_events(events, journal=journal, **OPTIONS, on_failure="report")
    assert_whole(again)
    assert again.outcomes[lost.chunk].resumed == applied
    assert_each_once(sandbox)


async def test_resend_sends_what_stayed_unknown_once_more(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    sandbox.faults.add(Reset(applied=True), method="POST", path="/import/events")
    first = await client.bulk.import_events(
        events, journal=journal, on_unknown="raise", **OPTIONS, on_failure="report"
    )
    again = await client.bulk.import_events(
        events, journal=journal, on_unknown="resend", **OPTIONS, on_failure="report"
    )
    assert again.ok
    assert len(sandbox.events) == COUNT + first.unknown


def spoil(path: Path, *numbers: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    for number in numbers:
        lines[number] = '{"user_id":"u"}\n'
    path.write_text("".join(lines))


async def test_rejected_rows_are_all_told_again(
    client: AppcuesClient, events: Path, journal: Path, tmp_path: Path, kill_at: Any
) -> None:
    spoil(events, 5, 500)
    put_aside = tmp_path / "rejects.ndjson"
    kill_at("accepted", 2)
    with pytest.raises(BaseExceptionGroup):
        await client.bulk.import_events(
            events, journal=journal, rejects=put_aside, **OPTIONS, on_failure="report"
        )
    kill_at(None)
    report = await client.bulk.import_events(
        events, journal=journal, rejects=put_aside, **OPTIONS, on_failure="report"
    )
    assert (report.rejected, [one.number for one in report.rejects]) == (2, [6, 501])
    assert len(put_aside.read_text().splitlines()) == 2
    assert report.completed == COUNT - 2


async def test_reading_ahead_does_not_change_the_chunks(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await client.bulk.import_events(events, journal=journal, **OPTIONS)
    again = await client.bulk.import_events(events, journal=journal, on_failure="stop", **OPTIONS)
    assert again.resumed == COUNT


async def test_a_run_of_events_lists_the_jobs_once_and_one_of_profiles_does_not(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path
) -> None:
    await client.bulk.import_profiles(_ids(), wait=False, chunk_bytes=1_000)
    assert not [one for one in sandbox.requests if one.path.endswith("/jobs")]
    for kept in (journal, None):
        before = len(sandbox.requests)
        await client.bulk.import_events(events, journal=kept, wait=False, **OPTIONS)
        some = sandbox.requests[before:]
        assert [one.path.endswith("/jobs") for one in some][:2] == [True, False]
        assert sum(one.path.endswith("/jobs") for one in some) == 1


def _ids() -> list[dict[str, Any]]:
    return [{"user_id": f"{number:04}"} for number in range(300)]


async def test_segments_have_runs_of_their_own(
    sandbox: Sandbox, client: AppcuesClient, journal: Path
) -> None:
    one, two = [await client.segments.create(name) for name in ("One", "Two")]
    ids = [f"{number:04}" for number in range(300)]
    for segment in (one, two, one):
        report = await client.bulk.add_user_ids(segment.id, ids, journal=journal, chunk_bytes=1_000)
        assert report.ok
    await client.bulk.remove_user_ids(two.id, ids, journal=journal, chunk_bytes=1_000)
    assert len(sandbox.segments[one.id].user_ids) == 300
    assert not sandbox.segments[two.id].user_ids
    assert len(read_journal(journal).runs) == 3


async def test_a_journal_that_cannot_be_written_ends_the_run_and_says_what_was_accepted(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    move = Journal.move

    def full(self: Journal, run: Any, number: int, status: Any, now: float, **values: Any) -> None:
        if (number, status) == (1, "accepted"):
            self._db.execute("PRAGMA max_page_count = 1")
            raise InvalidInput("the disk is full")
        move(self, run, number, status, now, **values)

    monkeypatch.setattr(Journal, "move", full)
    run = client.bulk.import_events(events, journal=journal, chunk_bytes=9_000, concurrency=1)
    with pytest.raises(InvalidInput, match="the disk is full"):
        await run
    assert posts(sandbox) == 2
    assert [one.status for one in run.report.outcomes][:2] == ["completed", "completed"]
    monkeypatch.setattr(Journal, "move", move)
    assert_whole(await client.bulk.import_events(events, journal=journal, **OPTIONS))
    assert_each_once(sandbox)


def _no_good(journal: Path, what: str, origin: str) -> None:
    match what:
        case "corrupt":
            journal.write_bytes(os.urandom(5000))
        case "folder":
            journal.mkdir()
        case "other":
            Journal(journal, origin=origin, account_id="other", now=0).close(0)
        case _:
            one = Journal(journal, origin=origin, account_id="sandbox-account", now=0)
            one._db.execute("PRAGMA user_version = 99")
            one.close(0)


@pytest.mark.parametrize("what", ["corrupt", "newer", "other", "folder"])
async def test_a_journal_that_is_no_good_ends_the_run_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path, what: str
) -> None:
    _no_good(journal, what, sandbox.url)
    with pytest.raises(InvalidInput, match="journal"):
        await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert not sandbox.requests


async def test_no_secret_and_no_row_is_in_a_journal(
    sandbox: Sandbox, client: AppcuesClient, journal: Path
) -> None:
    rows = [{**row, "user_id": f"agent-{row['user_id']}"} for row in _rows(300)]
    sandbox.faults.add(Answer(400, body="agent-u0007 is odd"), method="POST")
    await client.bulk.import_events(rows, journal=journal, **OPTIONS, on_failure="report")
    key, secret = sandbox.credentials["api_key"], sandbox.credentials["api_secret"]
    both = base64.b64encode(f"{key}:{secret}".encode()).decode()
    for file in journal.parent.iterdir():
        held = file.read_bytes()
        for word in ("agent-", "Paid", key, secret, both):
            assert word.encode() not in held, (file, word)


async def test_cancelling_leaves_what_a_later_run_takes_up(
    sandbox: Sandbox, events: Path, journal: Path
) -> None:
    async with client_of(sandbox) as client:
        hold = Stall("headers")
        sandbox.faults.add(hold, method="POST", skip=1)
        run = client.bulk.import_events(events, journal=journal, **OPTIONS)
        waiting = asyncio.ensure_future(_awaited(run))
        while posts(sandbox) < 2:  # noqa: ASYNC110 - a server has no such event
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hold.hold.release()
    async with client_of(sandbox) as client:
        assert_whole(await client.bulk.import_events(events, journal=journal, **OPTIONS))
    assert_each_once(sandbox)


@pytest.mark.parametrize("slow", ["begin", "close"])
async def test_a_run_that_was_cancelled_has_given_its_journal_up(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch, slow: str,
) -> None:  # fmt: skip
    reached, let_go = threading.Event(), threading.Event()
    original = getattr(Journal, slow)

    def late(self: Journal, *args: Any) -> Any:
        done = original(self, *args) if slow == "begin" else None
        reached.set()
        let_go.wait(10)
        return done if slow == "begin" else original(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, slow, late)
        run = client.bulk.import_events(events, journal=journal, **OPTIONS, on_failure="report")
        waiting = asyncio.ensure_future(_awaited(run))
        await asyncio.to_thread(reached.wait)
        cancelling = asyncio.ensure_future(run.cancel())
        await asyncio.wait([cancelling], timeout=0.05)
        assert not cancelling.done()
        let_go.set()
        await cancelling
    assert_whole(
        await client.bulk.import_events(events, journal=journal, **OPTIONS, on_failure="report")
    )
    assert_each_once(sandbox)
    await waiting


async def _awaited(run: Any) -> Any:
    return await run


WORKER = """
import asyncio, os, signal, sys
from appcues_async import AppcuesClient, PollPolicy, RetryPolicy, Timeouts
from appcues_async.bulk.resource import with_steps

step, chunk, path, journal, url = sys.argv[1:6]

def on_step(passed, number):
    if (passed, number) == (step, int(chunk)):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with AppcuesClient(
        "sandbox-account", "sandbox-key", "sandbox-secret", base_url=url,
        retry=RetryPolicy(base=0.001, cap=0.001, outage=0), timeouts=Timeouts(settle=1.5),
        polling=PollPolicy(first=0, low=0.01, high=0.05, grace=0.05),
    ) as client:
        report = await with_steps(client.bulk, on_step).import_events(
            path, journal=journal, chunk_bytes=9_000, concurrency=2
        )
        assert report.ok, report.summary()
        print(report.resumed)

asyncio.run(main())
"""


def work(sandbox: Sandbox, events: Path, journal: Path, step: str = "none", chunk: int = 1) -> Any:
    arguments = [step, str(chunk), str(events), str(journal), sandbox.url]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WORKER, *arguments],
        capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("intent", marks=pytest.mark.long),
        "sent",
        pytest.param("accepted", marks=pytest.mark.long),
    ],
)
def test_kill_9_loses_nothing_and_doubles_nothing(
    tmp_path: Path, events: Path, journal: Path, step: Step
) -> None:
    with Sandbox(rate_limit=None, list_lag=1.0) as sandbox:
        killed = work(sandbox, events, journal, step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        done = work(sandbox, events, journal)
        assert done.returncode == 0, done.stderr
        assert_each_once(sandbox)
        assert set(statuses(journal)) == {"completed"}


@pytest.mark.parametrize(
    "applied",
    [
        pytest.param(True, id="applied"),
        pytest.param(False, id="not applied", marks=pytest.mark.long),
    ],
)
def test_kill_9_while_the_server_holds_its_answer(
    events: Path, journal: Path, applied: bool
) -> None:
    with Sandbox(rate_limit=None) as sandbox:
        stall = Stall("headers" if applied else "request")
        sandbox.faults.add(stall, method="POST", path="/import/events", skip=2)
        arguments = ["none", "0", str(events), str(journal), sandbox.url]
        with subprocess.Popen([sys.executable, "-c", WORKER, *arguments]) as worker:
            wait_until(lambda: posts(sandbox) >= 3 and uploads_applied(sandbox) >= 2 + applied)
            worker.kill()
        stall.hold.release()
        done = work(sandbox, events, journal)
        assert done.returncode == 0, done.stderr
        assert_each_once(sandbox)


async def test_others_go_on_while_a_chunk_is_being_settled(
    sandbox: Sandbox, events: Path, journal: Path, kill_at: Any
) -> None:
    kill_at("intent", 0)
    async with client_of(sandbox) as client:
        with pytest.raises(BaseExceptionGroup):
            await client.bulk.import_events(events, journal=journal, **OPTIONS)
    kill_at(None)
    async with client_of(sandbox, timeouts=Timeouts(settle=2)) as client:
        run = client.bulk.import_events(events, journal=journal, chunk_bytes=9_000, concurrency=1)
        ended = [outcome.chunk async for outcome in run]
        assert_whole(await run)
    assert ended[0] != 0
    assert_each_once(sandbox)


def lost(journal: Path) -> list[tuple[str, int]]:
    """The requests of which nobody will find out what they started: kind and rows."""
    one = Journal(journal, origin=read_journal(journal).about["origin"], account_id=ACCOUNT, now=0)
    found = [(claim.kind, claim.rows or 0) for claim in one.whose([]).claims]
    one.close(0)
    return found


async def test_what_is_sent_once_more_may_have_started_a_job_that_is_nobodys(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, kill_at: Any
) -> None:
    rows = [{"user_id": f"{number:04}"} for number in range(100)]
    kill_at("intent", 0)
    with pytest.raises(BaseExceptionGroup):
        await client.bulk.import_profiles(rows, journal=journal)
    assert lost(journal) == [("import/profiles", 100)]
    kill_at(None)
    assert (await client.bulk.import_profiles(rows, journal=journal)).ok
    assert lost(journal) == [("import/profiles", 100)]


async def test_an_attempt_that_was_lost_may_have_started_a_job_that_is_nobodys(
    sandbox: Sandbox, client: AppcuesClient, journal: Path
) -> None:
    rows = [{"user_id": f"{number:04}"} for number in range(100)]
    sandbox.faults.add(Reset(applied=True), method="POST")
    assert (await client.bulk.import_profiles(rows, journal=journal)).ok
    assert len(sandbox.jobs) == 2
    assert lost(journal) == [("import/profiles", 100)]


async def test_a_file_that_changes_as_the_run_begins_is_not_sent(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    key = RunSpec.key

    def changed(self: RunSpec, sources: Any) -> Any:
        found = key(self, sources)
        write_events(events, COUNT + 1)
        return found

    monkeypatch.setattr(RunSpec, "key", changed)
    with pytest.raises(InvalidInput, match="has changed since the run began"):
        await client.bulk.import_events(events, journal=journal, **OPTIONS)
    assert not posts(sandbox)


async def test_a_journal_that_cannot_be_read_leaves_a_lost_answer_unknown(
    sandbox: Sandbox, client: AppcuesClient, events: Path, journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def broken(self: Journal, listed: Any) -> Any:
        raise InvalidInput("the journal is damaged")

    sandbox.faults.add(Reset(applied=True), method="POST")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "whose", broken)
        run = client.bulk.import_events(events, journal=journal, chunk_bytes=9_000, concurrency=1)
        with pytest.raises(InvalidInput, match="the journal is damaged"):
            await run
    (outcome,) = run.report.outcomes[:1]
    assert outcome.status == "unknown"
    assert isinstance(outcome.error, OutcomeUnknown)
    assert "nothing says whose jobs are whose" in str(outcome.error)
    assert posts(sandbox) == 1
    assert_whole(await client.bulk.import_events(events, journal=journal, **OPTIONS))
    assert_each_once(sandbox)


@pytest.mark.parametrize("at", ["intent", "accepted", "completed"])
async def test_what_cannot_be_written_down_is_told_even_of_the_last_chunk(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    move = Journal.move

    def full(self: Journal, run: Any, number: int, status: Any, now: float, **values: Any) -> None:
        if status == at:
            raise InvalidInput("the disk is full")
        move(self, run, number, status, now, **values)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "move", full)
        run = client.bulk.import_events(_rows(50), journal=journal)
        with pytest.raises(InvalidInput, match="the disk is full"):
            await run
    (outcome,) = run.report.outcomes
    assert outcome.status == ("refused" if at == "intent" else "completed")
    assert posts(sandbox) == (at != "intent")
    assert (await client.bulk.import_events(_rows(50), journal=journal)).completed == 50
    assert_each_once(sandbox, 50)


async def test_what_could_not_be_written_for_a_while_is_written_at_the_end(
    sandbox: Sandbox, client: AppcuesClient, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, beat = Journal.move, Journal.beat
    refused: list[int] = []
    beats: list[float] = []

    def full(self: Journal, run: Any, number: int, status: Any, now: float, **values: Any) -> None:
        if status == "accepted" and not beats:
            refused.append(number)
            raise InvalidInput("the disk is full")
        move(self, run, number, status, now, **values)

    def note(self: Journal, now: float) -> None:
        # Where the machine is busy the journal beats before anything is accepted.
        if refused:
            beats.append(now)
        beat(self, now)

    monkeypatch.setattr(run_journal, "HEARTBEAT", 0.05)
    monkeypatch.setattr(Journal, "move", full)
    monkeypatch.setattr(Journal, "beat", note)
    sandbox.plan_next_job(JobPlan(seconds=0.3))
    with pytest.raises(InvalidInput, match="the disk is full"):
        await client.bulk.import_events(_rows(50), journal=journal)
    assert len(beats) > 1
    (chunk,) = read_journal(journal).chunks
    assert (chunk["status"], chunk["job"]) == ("accepted", next(iter(sandbox.jobs)))
