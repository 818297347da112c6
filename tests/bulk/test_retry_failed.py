"""Rows of failed jobs, sent again by halves until those are found that the server rejects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput, JobFailed, Report
from appcues_async.bulk.journal.store import Journal
from appcues_async.sandbox import Answer, JobPlan, Sandbox

COUNT = 100
BAD = {"0017", "0018", "0080"}
IDS = [f"{number:04}" for number in range(COUNT)]


def is_bad(row: Any) -> bool:
    return (row if isinstance(row, str) else row["user_id"]) in BAD


@pytest.fixture
def poisoned(sandbox: Sandbox) -> Sandbox:
    """A server on which a job with one of some rows fails."""
    sandbox.plan_next_job(JobPlan(status="FAILED", refuses=is_bad, jobs=None))
    return sandbox


@pytest.fixture
def picky(sandbox: Sandbox) -> Sandbox:
    """A server whose jobs go on without some rows."""
    sandbox.plan_next_job(JobPlan(refuses=is_bad, jobs=None))
    return sandbox


def as_rows(_folder: Path) -> Any:
    return [{"user_id": one, "n": 1} for one in IDS]


def as_ndjson(folder: Path) -> Any:
    path = folder / "some.ndjson"
    path.write_text("".join(f'{{"user_id": "{one}", "n": 1}}\n\n' for one in IDS))
    return path


def as_csv(folder: Path) -> Any:
    path = folder / "some.csv"
    path.write_text("user_id,n\n" + "".join(f'{one},"1\n"\n' for one in IDS))
    return path


def as_bytes(folder: Path) -> Any:
    return as_csv(folder).read_bytes()


def as_frame(_folder: Path) -> Any:
    return pl.DataFrame({"user_id": IDS, "n": 1})


SOURCES = [as_rows, as_ndjson, as_csv, as_bytes, as_frame]


@pytest.mark.parametrize("source", SOURCES)
async def test_good_rows_are_taken_and_bad_ones_reported(
    poisoned: Sandbox,
    client: AppcuesClient,
    tmp_path: Path,
    source: Callable[[Path], Any],
) -> None:
    given, rejects = source(tmp_path), tmp_path / "rejects.ndjson"
    run = client.bulk.import_profiles(given, retry_failed=True, chunk_bytes=500, rejects=rejects)
    with pytest.raises(BulkFailed, match=r"3 rows that the server rejects"):
        await run
    report = run.report
    assert set(poisoned.profiles) == set(IDS) - BAD
    assert (report.rows, report.completed, report.rejected) == (COUNT, COUNT - 3, 3)
    assert (report.failed, report.unknown, report.failures) == (0, 0, [])
    assert sorted(one.number for one in report.rejects) == [18, 19, 81]
    assert {one.row["user_id"] for one in report.rejects} == BAD
    assert all("the server rejects it: job " in one.reason for one in report.rejects)
    assert {one.status for one in report.outcomes} == {"completed"}
    kept = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert {one["row"]["user_id"] for one in kept} == BAD


async def test_rows_that_a_job_leaves_out_are_found(picky: Sandbox, client: AppcuesClient) -> None:
    report = await client.bulk.import_profiles(
        as_rows(Path()), retry_failed=True, on_failure="report", chunk_bytes=1_000
    )
    assert set(picky.profiles) == set(IDS) - BAD
    assert {one.row["user_id"] for one in report.rejects} == BAD
    assert (report.completed, report.failed) == (COUNT - 3, 0)


@pytest.mark.parametrize("written", ["csv", "rows"])
async def test_ids_of_a_segment_are_retried_as_well(
    poisoned: Sandbox, client: AppcuesClient, written: str
) -> None:
    segment = await client.segments.create("some")
    source = "\n".join(IDS).encode() if written == "csv" else IDS
    run = client.bulk.add_user_ids(
        segment.id, source, retry_failed=True, on_failure="report", chunk_bytes=220
    )
    report = await run
    assert poisoned.segments[segment.id].user_ids == set(IDS) - BAD
    assert {one.row for one in report.rejects} == BAD
    assert report.completed == COUNT - 3


async def test_rejected_rows_can_be_sent_again_once_they_are_mended(
    poisoned: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.ndjson"
    source = as_csv(tmp_path)
    await client.bulk.import_profiles(
        source, retry_failed=True, rejects=rejects, on_failure="report", chunk_bytes=500
    )
    mended = rejects.read_text()
    for one in BAD:
        mended = mended.replace(one, f"x{one}")
    rejects.write_text(mended)
    assert (await client.bulk.import_profiles(rejects)).ok
    assert {f"x{one}" for one in BAD} <= set(poisoned.profiles)


async def test_a_failure_that_passes_costs_two_more_jobs_and_no_row(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.fail_next_job()
    report = await client.bulk.import_profiles(as_rows(Path()), retry_failed=True)
    assert report.ok
    assert len(sandbox.jobs) == 3
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.ingested, outcome.lost) == ("completed", COUNT, 0)
    assert outcome.retried is not None
    assert outcome.retried.jobs == 2


async def test_at_most_twenty_more_jobs_are_spent_on_a_chunk(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.plan_next_job(JobPlan(status="FAILED", refuses=lambda _row: True, jobs=None))
    report = await client.bulk.import_profiles(
        as_rows(Path()), retry_failed=True, on_failure="report"
    )
    assert len(sandbox.jobs) == 21
    (outcome,) = report.outcomes
    assert outcome.status == "failed"
    assert isinstance(outcome.error, JobFailed)
    assert any("20 more jobs did not find" in note for note in outcome.error.__notes__)
    assert report.completed == 0
    assert report.failed + report.rejected == COUNT


async def test_a_part_that_is_refused_ends_the_search(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.fail_next_job()
    sandbox.faults.add(Answer(400), method="POST", skip=1)
    report = await client.bulk.import_profiles(
        as_rows(Path()), retry_failed=True, on_failure="report"
    )
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.lost, report.failed) == ("failed", COUNT, COUNT)
    assert any("400" in note for note in getattr(outcome.error, "__notes__", ()))


async def test_a_job_that_took_part_keeps_its_rows_where_the_search_ends_early(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.plan_next_job(JobPlan(refuses=is_bad))
    sandbox.faults.add(Answer(400), method="POST", skip=1)
    report = await client.bulk.import_profiles(
        as_rows(Path()), retry_failed=True, on_failure="report"
    )
    assert (report.completed, report.failed, report.rejected) == (COUNT - 3, 3, 0)
    assert not report.ok


async def test_a_file_that_changed_is_not_sent_again(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    source = as_ndjson(tmp_path)
    sandbox.fail_next_job()

    def change(_notice: object) -> None:
        if sandbox.jobs:
            source.write_text("other")

    report = await client.bulk.import_profiles(
        source, retry_failed=True, on_failure="report", on_notice=change
    )
    assert report.failed == COUNT
    assert "other" not in str(sandbox.profiles)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("import_events", {"retry_failed": True}, "recorded twice"),
        ("import_profiles", {"retry_failed": True, "wait": False}, "wait is False"),
    ],
)
def test_what_cannot_be_retried_is_refused(
    client: AppcuesClient, method: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        getattr(client.bulk, method)([], **options)


class TestWithAJournal:
    """What is written down."""

    @staticmethod
    async def run(client: AppcuesClient, folder: Path, **options: Any) -> Report:
        source = folder / "some.ndjson"
        if not source.exists():
            as_ndjson(folder)
        return await client.bulk.import_profiles(
            source, journal=folder / "journal.db", on_failure="report", chunk_bytes=1_000, **options
        )

    async def test_a_rerun_sends_nothing_and_reports_the_same_rows(
        self, poisoned: Sandbox, client: AppcuesClient, tmp_path: Path
    ) -> None:
        first = await self.run(client, tmp_path, retry_failed=True)
        jobs = len(poisoned.jobs)
        again = await self.run(client, tmp_path)
        assert len(poisoned.jobs) == jobs
        counts = [(one.completed, one.rejected, one.failed, one.ok) for one in (first, again)]
        assert counts == [(COUNT - 3, 3, 0, False)] * 2
        rows = [
            sorted((one.number, str(one.row)) for one in report.rejects)
            for report in (first, again)
        ]
        assert rows[0] == rows[1]

    async def test_a_rerun_retries_what_an_earlier_run_left_failed(
        self, poisoned: Sandbox, client: AppcuesClient, tmp_path: Path
    ) -> None:
        first = await self.run(client, tmp_path)
        assert first.failed > 0
        again = await self.run(client, tmp_path, retry_failed=True)
        assert set(poisoned.profiles) == set(IDS) - BAD
        assert (again.completed, again.rejected, again.failed) == (COUNT - 3, 3, 0)
        last = await self.run(client, tmp_path, retry_failed=True)
        assert (last.completed, last.rejected, last.failed) == (COUNT - 3, 3, 0)

    async def test_the_jobs_of_parts_are_no_strangers_to_other_runs(
        self, poisoned: Sandbox, client: AppcuesClient, tmp_path: Path
    ) -> None:
        await self.run(client, tmp_path, retry_failed=True)
        origin, account = poisoned.url, poisoned.credentials["account_id"]
        other = Journal(tmp_path / "journal.db", origin=origin, account_id=account, now=0)
        try:
            owned = other.whose([*poisoned.jobs])
        finally:
            other.close(0)
        assert set(owned.jobs) == set(poisoned.jobs)
        assert not owned.claims
