"""Questions to the analytics, answered at once or in a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from appcues_async.sandbox import JobPlan, Sandbox
from tests.sandbox.caller import Caller, FakeClock, Got

START = {"start_time": "2026-07-01", "end_time": "2026-08-01"}
COUNT = {"metrics": ["events"], **START}
ROWS = {"columns": ["user_id", "name"], **START}


def happened(
    api: Caller, user_id: str, name: str, at: str = "2026-07-14T12:00:00Z", **attributes: Any
) -> None:
    event = {"user_id": user_id, "name": name, "timestamp": at, "attributes": attributes}
    api.sandbox.events.append(event)


async def ask(api: Caller, **spec: Any) -> Got:
    return await api.send_json("POST", "analytics/query", spec)


async def test_events_are_counted_by_dimensions(api: Caller) -> None:
    happened(api, "a", "x")
    happened(api, "a", "x")
    happened(api, "b", "x")
    happened(api, "b", "y")
    got = await ask(api, metrics=["users", "events"], dimensions=["name"], **START)
    assert got.json == [
        {"name": "x", "users": 2, "events": 3},
        {"name": "y", "users": 1, "events": 1},
    ]


async def test_days_go_by_the_zone_that_is_asked_for(api: Caller) -> None:
    happened(api, "a", "x", "2026-07-14T23:30:00Z")
    got = await ask(api, **COUNT, dimensions=["day"], timezone="Europe/Berlin")
    assert got.json == [{"day": "2026-07-15", "events": 1}]


@pytest.mark.parametrize(
    ("dimension", "value"), [("week", "2026-07-13"), ("month", "2026-07-01"), ("plan", "pro")]
)
async def test_weeks_months_and_attributes_are_dimensions(
    api: Caller, dimension: str, value: str
) -> None:
    happened(api, "a", "x", plan="pro")
    got = await ask(api, **COUNT, dimensions=[dimension])
    assert got.json == [{dimension: value, "events": 1}]


async def test_totals_are_there_even_where_nothing_happened(api: Caller) -> None:
    got = await ask(api, metrics=["users", "sessions", "groups", "nps_promoters"], **START)
    assert got.json == [{"users": 0, "sessions": 0, "groups": 0, "nps_promoters": None}]


async def test_columns_are_rows_as_they_are(api: Caller) -> None:
    happened(api, "a", "x", plan="pro")
    got = await ask(api, columns=["user_id", "event", "plan", "attributes", "url"], **START)
    assert got.json == [
        {"user_id": "a", "event": "x", "plan": "pro", "attributes": {"plan": "pro"}, "url": None}
    ]


async def test_all_conditions_must_hold(api: Caller) -> None:
    happened(api, "a", "x", plan="pro")
    happened(api, "a", "x", plan="free")
    happened(api, "b", "x", plan="pro")
    conditions = [["user_id", "==", "a"], ["plan", "in", ["pro"]]]
    assert (await ask(api, **COUNT, conditions=conditions)).json == [{"events": 1}]


async def test_only_what_is_in_the_time_range_counts(api: Caller) -> None:
    for at in ("2026-06-30T23:59:59Z", "2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z"):
        happened(api, "a", "x", at)
    assert (await ask(api, **COUNT)).json == [{"events": 1}]


async def test_rows_are_sorted_and_cut_as_asked(api: Caller) -> None:
    for user_id in "bacd":
        happened(api, user_id, "x")
    got = await ask(api, **ROWS, order_by=[["user_id", "desc"]], offset=1, limit=2)
    assert [row["user_id"] for row in got.json] == ["c", "b"]


async def test_beyond_1000_rows_the_answer_says_that_it_is_cut(api: Caller) -> None:
    for number in range(1_001):
        happened(api, str(number), "x")
    got = await ask(api, **ROWS)
    assert (len(got.json), got.headers["X-Rows-Truncated"]) == (1_000, "true")
    assert "X-Rows-Truncated" not in (await ask(api, **ROWS, limit=1_000)).headers


async def test_many_events_are_gone_through(api: Caller) -> None:
    for number in range(5_001):
        happened(api, str(number), "x")
    assert (await ask(api, **COUNT)).json == [{"events": 5_001}]


async def test_more_than_90_days_get_400_in_the_form_that_was_seen(api: Caller) -> None:
    got = await ask(
        api, metrics=["events"], start_time="2026-01-01", end_time="2026-05-28T00:00:00Z"
    )
    assert got.json == {
        "detail": "time range of 147 days exceeds the 90-day maximum for this query shape",
        "status": 400,
        "title": "Bad Request",
    }


@pytest.mark.parametrize(
    "spec",
    [
        {},
        START,
        {"metrics": ["events"]},
        {**COUNT, "columns": ["name"]},
        {**ROWS, "dimensions": ["name"]},
        {**START, "dimensions": ["name"]},
        {**COUNT, "metrics": ["flowers"]},
        {**COUNT, "metrics": "events"},
        {**COUNT, "dimensions": [1]},
        {**COUNT, "conditions": "name"},
        {**COUNT, "conditions": [["or", ["a", "==", 1], ["a", "==", 2]]]},
        {**COUNT, "start_time": 1_786_400_000_000},
        {**COUNT, "start_time": "2026-08-02"},
        {**COUNT, "timezone": "Middle/Earth"},
        {**COUNT, "timezone": 7},
        {**COUNT, "order_by": "name"},
        {**COUNT, "order_by": [["name", "up"]]},
        {**COUNT, "limit": -1},
        {**COUNT, "offset": "1"},
    ],
)
@pytest.mark.parametrize("path", ["analytics/query", "analytics/exports"])
async def test_a_question_that_makes_no_sense_gets_400(
    api: Caller, spec: dict[str, Any], path: str
) -> None:
    assert (await api.send_json("POST", path, spec)).status == 400
    assert api.sandbox.jobs == {}


async def test_answers_tell_of_the_rate_limit(session: aiohttp.ClientSession) -> None:
    async with Sandbox(rate_limit=60, clock=FakeClock()) as sandbox:
        headers = (await ask(Caller(sandbox, session), **COUNT)).headers
        assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("60", "59")
        assert 0 <= int(headers["X-RateLimit-Reset"]) - datetime.now(UTC).timestamp() <= 2


async def test_a_429_says_when_to_come_back(session: aiohttp.ClientSession) -> None:
    async with Sandbox(rate_limit=1, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await ask(api, **COUNT)
        got = await ask(api, **COUNT)
        assert (got.status, got.headers["Retry-After"]) == (429, "1")
        assert got.headers["X-RateLimit-Remaining"] == "0"
        assert "X-RateLimit-Limit" not in (await api.get("flows")).headers


async def start(api: Caller, **spec: Any) -> str:
    got = await api.send_json("POST", "analytics/exports", spec)
    assert got.status == 202
    assert got.json["status"] == "queued"
    job_id: str = got.json["job_id"]
    return job_id


async def look(api: Caller, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await api.get(f"analytics/exports/{job_id}")).json
    return answer


async def test_an_export_is_queued_then_running_then_done(session: aiohttp.ClientSession) -> None:
    async with Sandbox(job_seconds=30) as sandbox:
        api = Caller(sandbox, session)
        job_id = await start(api, **ROWS)
        seen = []
        for _ in range(3):
            seen.append((await look(api, job_id))["status"])
            sandbox.advance(15)
        assert seen == ["queued", "running", "done"]


async def test_an_export_s_file_has_one_row_a_line(api: Caller) -> None:
    for user_id in "ab":
        happened(api, user_id, "x")
    done = await look(api, await start(api, **ROWS))
    async with api.session.get(done["download_url"]) as response:
        rows = [json.loads(line) for line in (await response.text()).splitlines()]
    assert rows == [{"user_id": "a", "name": "x"}, {"user_id": "b", "name": "x"}]


async def test_an_export_holds_more_than_an_answer(api: Caller) -> None:
    for number in range(1_001):
        happened(api, str(number), "x")
    spec = {"columns": ["user_id"], "start_time": "2020-01-01"}
    done = await look(api, await start(api, **spec))
    async with api.session.get(done["download_url"]) as response:
        assert len((await response.text()).splitlines()) == 1_001


async def test_each_look_mints_a_link_that_is_good_for_an_hour(api: Caller) -> None:
    job_id = await start(api, **ROWS)
    first, second = await look(api, job_id), await look(api, job_id)
    assert first["download_url"] != second["download_url"]
    expires = datetime.fromisoformat(first["expires_at"])
    assert 3_590 < (expires - datetime.now(UTC)).total_seconds() <= 3_600


async def test_a_failed_export_says_why(api: Caller) -> None:
    api.sandbox.fail_next_job("query timeout")
    answer = await look(api, await start(api, **ROWS))
    assert (answer["status"], answer["failure_reason"]) == ("failed", "query timeout")
    assert answer["download_url"] is None


async def test_an_export_can_end_as_anything(api: Caller) -> None:
    api.sandbox.plan_next_job(JobPlan(status="archived"))
    assert (await look(api, await start(api, **ROWS)))["status"] == "archived"


async def test_exports_and_jobs_do_not_know_each_other(api: Caller) -> None:
    job_id = await start(api, **ROWS)
    other = (await api.ndjson("import/profiles", '{"user_id": "a"}')).json["job_id"]
    assert (await api.get(f"jobs/{job_id}")).status == 404
    assert (await api.get(f"analytics/exports/{other}")).status == 404
    assert [job["id"] for job in (await api.get("jobs")).json] == [other]


@pytest.mark.parametrize(
    "query",
    [
        {"metrics": ["nps_respondents"]},
        {"columns": ["nps_raw_score"]},
        {"columns": ["nps_feedback"]},
    ],
)
async def test_what_the_api_fails_on_gets_500(api: Caller, query: dict[str, Any]) -> None:
    assert (await ask(api, **query, **START)).status == 500


async def test_the_headers_count_exports_that_run(session: aiohttp.ClientSession) -> None:
    async with Sandbox(job_seconds=10) as sandbox:
        api = Caller(sandbox, session)
        for _ in range(2):
            await api.send_json("POST", "analytics/exports", {"metrics": ["users"], **START})
        got = await ask(api, metrics=["users"], **START)
        assert (got.headers["X-Concurrency-Limit"], got.headers["X-Concurrency-Used"]) == ("5", "2")
        sandbox.advance(10)
        got = await ask(api, metrics=["users"], **START)
        assert got.headers["X-Concurrency-Used"] == "0"
