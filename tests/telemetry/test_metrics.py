"""What is counted and measured, and how a program reads it."""

from __future__ import annotations

import asyncio

import pytest

from appcues_async import AppcuesClient, ConnectionFailed, Pace, RetryPolicy
from appcues_async.sandbox import Answer, JobPlan, Reset, Sandbox
from tests.telemetry.conftest import ACCOUNT, Seen

STATUS, OUTCOME = "http.response.status_code", "appcues.rows.outcome"


async def test_requests_have_durations_by_route_and_status(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.faults.add(Answer(429))
    for number in range(3):
        await client.users.update_profile(f"user-{number}", {"plan": "pro"})
    points = seen.points("http.client.request.duration")
    assert {point.attributes[STATUS]: point.count for point in points} == {200: 3, 429: 1}
    assert {point.attributes["url.template"] for point in points} == {
        f"{ACCOUNT}/users/{{user_id}}/profile"
    }
    assert all(0 < point.sum < 10 for point in points)


async def test_attempts_are_counted_with_and_without_an_answer(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.faults.add(Answer(429))
    sandbox.faults.add(Reset())
    await client.flows.list()
    assert seen.values("appcues.client.attempts", STATUS) == {200: 1, 429: 1, None: 1}
    assert seen.values("appcues.client.attempts", "error.type") == {
        None: 1,
        "429": 1,
        "OutcomeUnknown": 1,
    }


async def test_a_server_that_is_not_there_is_counted(seen: Seen) -> None:
    refused = {"base_url": "http://127.0.0.1:9", "retry": RetryPolicy(attempts=1)}
    async with AppcuesClient("1", "k", "s", throttle=None, **refused) as client:  # type: ignore[arg-type]
        with pytest.raises(ConnectionFailed):
            await client.flows.list()
    assert seen.values("appcues.client.attempts", "error.type") == {"ConnectionFailed": 1}


async def test_pauses_are_measured_by_their_reason(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.faults.add(Answer(429, headers={"Retry-After": "0.05"}))
    await client.flows.list()
    (point,) = seen.points("appcues.client.pause.duration")
    assert point.attributes == {"appcues.pause.reason": "429"}
    assert point.sum == pytest.approx(0.05)


async def test_calls_that_wait_for_a_turn_are_a_gauge(seen: Seen, sandbox: Sandbox) -> None:
    pace = Pace(0.5, most=0.5)
    async with AppcuesClient(**sandbox.credentials, throttle=pace) as client:
        calls = [asyncio.create_task(client.flows.list()) for _ in range(3)]
        await asyncio.sleep(0.05)
        (point,) = seen.points("appcues.client.waiting")
        assert point.value == 2
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    (point,) = seen.points("appcues.client.waiting")
    assert point.value == 0


async def test_rows_are_counted_by_what_became_of_them(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    rows = [{"user_id": "007", "plan": "pro"}, {"user_id": "null"}, {"user_id": "008", "a": 1}]
    await client.bulk.import_profiles(rows, on_failure="report")
    sandbox.plan_next_job(JobPlan(status="FAILED"))
    await client.bulk.import_profiles(rows[:1], on_failure="report")
    assert seen.values("appcues.rows", OUTCOME) == {"completed": 2, "rejected": 1, "failed": 1}


async def test_jobs_have_durations_by_their_end(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.plan_next_job(JobPlan(seconds=90))
    job = await client.imports.profiles([{"user_id": "007", "plan": "pro"}])
    sandbox.advance(90)
    await job
    (point,) = seen.points("appcues.job.duration")
    assert point.attributes == {
        "appcues.job.name": "Import Profiles",
        "appcues.job.status": "COMPLETED",
    }
    assert point.sum == pytest.approx(90, abs=5)


async def test_the_depth_of_outboxes_is_a_gauge(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    async with client.outbox(every=60, drain=0.01) as outbox:
        for number in range(3):
            await outbox.track("007", f"Event {number}")
        async with asyncio.timeout(5):
            while [point.value for point in seen.points("appcues.outbox.depth")] != [3]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await outbox.flush()
