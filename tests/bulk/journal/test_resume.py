"""Runs that end half way, and the ones that take them up: every row is applied once."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from appcues_async import AppcuesClient
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.sandbox import Answer, JobPlan, Sandbox
from tests.bulk.journal.resuming import (
    COUNT,
    OPTIONS,
    STEPS,
    Killed,
    assert_each_once,
    assert_whole,
    client_of,
    posts,
    statuses,
    write_events,
)


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
