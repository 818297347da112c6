"""Offline jobs: how they look, how long they take, how they end."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from appcues_async.sandbox import JobKind, JobPlan, Sandbox
from tests.sandbox.caller import Caller, FakeClock

ROWS = '{"user_id": "a"}\n{"user_id": "b"}\nbad\n{"user_id": "c"}'


@pytest.fixture
async def slow(session: aiohttp.ClientSession) -> AsyncIterator[Caller]:
    """A sandbox whose jobs take a minute."""
    async with Sandbox(job_seconds=60, clock=FakeClock(), list_lag=5) as sandbox:
        yield Caller(sandbox, session)


async def test_a_job_that_runs_shows_that_it_started(slow: Caller) -> None:
    job = await slow.job(await slow.ndjson("import/profiles", ROWS))
    assert job["status"] == "IN_PROGRESS"
    assert job["name"] == "Import Profiles"
    assert [(event["name"], event["attributes"]) for event in job["events"]] == [("Ingesting", {})]


async def test_answers_are_dated_by_the_clock_that_jobs_start_by(
    slow: Caller, session: aiohttp.ClientSession
) -> None:
    slow.sandbox.advance(86_400)
    sent = datetime.now(UTC)
    async with session.get(f"{slow.sandbox.url}/v2/accounts/none/jobs") as answer:
        date = parsedate_to_datetime(answer.headers["Date"])
    assert date - sent > timedelta(seconds=86_390)


async def test_rows_take_effect_when_the_job_ends(slow: Caller) -> None:
    await slow.ndjson("import/profiles", ROWS)
    slow.sandbox.advance(59)
    assert slow.sandbox.profiles == {}
    slow.sandbox.advance(1)
    assert set(slow.sandbox.profiles) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("status", "taken", "failed"), [("COMPLETED", {"a", "c"}, 2), ("FAILED", set(), 4)]
)
async def test_all_jobs_with_a_row_that_is_refused_end_as_planned(
    slow: Caller, status: str, taken: set[str], failed: int
) -> None:
    plan = JobPlan(status=status, refuses=lambda row: row["user_id"] == "b", jobs=None)
    slow.sandbox.plan_next_job(plan)
    for rows, job_status in [(ROWS, status), (ROWS, status), ('{"user_id": "a"}', "COMPLETED")]:
        accepted = await slow.ndjson("import/profiles", rows)
        slow.sandbox.advance(60)
        assert set(slow.sandbox.profiles) == (taken if rows == ROWS else {*taken, "a"})
        assert (await slow.job(accepted))["status"] == job_status
        ended = [*slow.sandbox.jobs.values()][-1]
        assert ended.failed == (failed if rows == ROWS else 0)


async def test_a_job_that_has_ended_shows_its_counts(slow: Caller) -> None:
    accepted = await slow.ndjson("import/profiles", ROWS)
    slow.sandbox.advance(60)
    job = await slow.job(accepted)
    assert job["status"] == "COMPLETED"
    assert job["events"][-1]["name"] == "Completed"
    assert job["events"][-1]["attributes"] == {
        "ingestions_completed": 3,
        "ingestions_failed": 1,
        "requests_failed": 0,
        "runtime_ms": 60_000,
    }


async def test_a_job_s_times_are_whole_seconds_without_a_zone(slow: Caller) -> None:
    job = await slow.job(await slow.ndjson("import/profiles", ROWS))
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    assert re.fullmatch(pattern, job["started_at"])
    assert re.fullmatch(pattern, job["events"][0]["timestamp"])


async def test_the_list_leaves_out_events(api: Caller) -> None:
    accepted = await api.ndjson("import/profiles", ROWS)
    (listed,) = (await api.get("jobs")).json
    assert listed == {
        "id": accepted.json["job_id"],
        "name": "Import Profiles",
        "started_at": listed["started_at"],
        "status": "COMPLETED",
        "url": accepted.json["job_url"],
    }


async def test_jobs_come_as_csv_without_events(api: Caller) -> None:
    accepted = await api.ndjson("import/profiles", ROWS)
    for path in ("jobs", accepted.json["job_url"]):
        got = await api.get(path, headers={"Accept": "text/csv"})
        header, line = got.text.splitlines()
        assert header == "id,name,status,started_at,url"
        assert line.endswith(accepted.json["job_url"])


async def test_an_unknown_job_gets_404(api: Caller) -> None:
    assert (await api.get("jobs/nothing")).status == 404


async def test_a_job_shows_in_the_list_only_after_the_lag(slow: Caller) -> None:
    accepted = await slow.ndjson("import/profiles", ROWS)
    assert (await slow.get("jobs")).json == []
    assert (await slow.job(accepted))["status"] == "IN_PROGRESS"
    slow.sandbox.advance(5)
    assert len((await slow.get("jobs")).json) == 1


async def test_the_next_job_can_fail(api: Caller) -> None:
    api.sandbox.fail_next_job("out of disk")
    job = await api.job(await api.ndjson("import/profiles", ROWS))
    assert job["status"] == "FAILED"
    assert job["events"][-1]["name"] == "Failed"
    assert job["events"][-1]["attributes"]["detail"] == "out of disk"
    assert api.sandbox.profiles == {}
    assert (await api.job(await api.ndjson("import/profiles", ROWS)))["status"] == "COMPLETED"


async def test_a_job_can_fail_half_way(api: Caller) -> None:
    api.sandbox.fail_next_job(rows_applied=2)
    assert await api.outcome(await api.ndjson("import/profiles", ROWS)) == (2, 2)
    assert set(api.sandbox.profiles) == {"a", "b"}


async def test_the_next_job_can_report_what_it_is_told_to(api: Caller) -> None:
    api.sandbox.plan_next_job(JobPlan(ingestions_failed=7, requests_failed=2))
    job = await api.job(await api.ndjson("import/profiles", ROWS))
    assert job["status"] == "COMPLETED"
    assert job["events"][-1]["attributes"]["ingestions_failed"] == 7
    assert job["events"][-1]["attributes"]["requests_failed"] == 2


async def test_the_next_job_can_have_a_status_that_nobody_knows(api: Caller) -> None:
    api.sandbox.plan_next_job(JobPlan(status="PAUSED"))
    assert (await api.job(await api.ndjson("import/profiles", ROWS)))["status"] == "PAUSED"


async def test_jobs_end_in_the_order_of_their_ends(slow: Caller) -> None:
    await slow.ndjson("import/profiles", '{"user_id": "a", "x": "slow"}')
    slow.sandbox.plan_next_job(JobPlan(seconds=1))
    await slow.ndjson("import/profiles", '{"user_id": "a", "x": "quick"}')
    slow.sandbox.advance(100)
    assert slow.sandbox.profiles["a"] == {"x": "slow"}


async def test_a_job_can_run_for_ever(session: aiohttp.ClientSession) -> None:
    async with Sandbox(job_seconds=math.inf) as sandbox:
        api = Caller(sandbox, session)
        accepted = await api.ndjson("import/profiles", ROWS)
        sandbox.advance(1e9)
        assert (await api.job(accepted))["status"] == "IN_PROGRESS"


async def test_each_kind_of_job_can_take_its_own_time(session: aiohttp.ClientSession) -> None:
    def seconds(kind: JobKind) -> float:
        return 0 if kind == "import_profiles" else 10

    async with Sandbox(job_seconds=seconds, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await api.ndjson("import/events", "{}")
        await api.ndjson("import/profiles", ROWS)
        assert [job.status for job in sandbox.jobs.values()] == ["IN_PROGRESS", "COMPLETED"]


async def test_jobs_can_be_renamed(session: aiohttp.ClientSession) -> None:
    async with Sandbox(job_names={"import_events": "Ingest"}) as sandbox:
        api = Caller(sandbox, session)
        for path in ("import/events", "import/profiles"):
            await api.ndjson(path, ROWS)
        assert [job.name for job in sandbox.jobs.values()] == ["Ingest", "Import Profiles"]


async def test_a_job_that_is_taken_out_is_unknown(api: Caller) -> None:
    accepted = await api.ndjson("import/profiles", ROWS)
    del api.sandbox.jobs[accepted.json["job_id"]]
    assert (await api.get(accepted.json["job_url"])).status == 404


async def test_a_job_can_be_looked_at_from_python(api: Caller) -> None:
    await api.ndjson("import/profiles", ROWS)
    (job,) = api.sandbox.jobs.values()
    assert (job.kind, job.status) == ("import_profiles", "COMPLETED")
    assert (job.rows, job.ingested, job.failed) == (4, 3, 1)
    assert job.bytes == len(ROWS)
