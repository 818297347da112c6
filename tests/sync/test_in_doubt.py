"""A row counts as applied only when its job has COMPLETED without a failure."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, BulkFailed, JobPending
from appcues_async.recovery import ownership
from appcues_async.sandbox import Answer, JobPlan, Reset, Sandbox, Stall
from tests.conftest import wait_until
from tests.sync.conftest import files, members, open_client, uploads, user

FAILED = JobPlan(status="FAILED", detail="out of ink", rows_applied=0)
HALF_FAILED = JobPlan(status="FAILED", detail="out of ink", rows_applied=1)
SOME_FAILED = JobPlan(rows_applied=1)
REQUESTS_FAILED = JobPlan(requests_failed=1)
FEWER_COUNTED = JobPlan(rows_applied=1, ingestions_failed=0)


@pytest.mark.parametrize("plan", [FAILED, HALF_FAILED, SOME_FAILED, REQUESTS_FAILED, FEWER_COUNTED])
async def test_rows_of_a_job_that_did_not_take_all_are_sent_again(
    client: AppcuesClient, sandbox: Sandbox, state: Path, plan: JobPlan
) -> None:
    sandbox.plan_next_job(plan)
    with pytest.raises(BulkFailed) as caught:
        await client.sync.profiles([user(1), user(2)], state=state)
    assert caught.value.report.in_doubt == 2  # type: ignore[union-attr]

    report = await client.sync.profiles([user(1), user(2)], state=state)

    assert (report.resent, report.applied) == (2, 2)
    assert set(sandbox.profiles) == {"u1", "u2"}
    assert (await client.sync.profiles([user(1), user(2)], state=state)).unchanged == 2


async def test_rows_that_were_refused_are_sent_again(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    sandbox.faults.add(Answer(400), path="import/profiles")
    report = await client.sync.profiles([user(1)], state=state, on_failure="report")
    assert (report.applied, report.in_doubt, report.ok) == (0, 1, False)

    assert (await client.sync.profiles([user(1)], state=state)).applied == 1


async def test_a_row_in_doubt_is_sent_though_it_is_as_it_was_applied_last(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles([user(1, "pro")], state=state)
    sandbox.plan_next_job(REQUESTS_FAILED)
    await client.sync.profiles([user(1, "free")], state=state, on_failure="report")
    assert sandbox.profiles["u1"] == {"plan": "free"}

    await client.sync.profiles([user(1, "pro")], state=state)

    assert sandbox.profiles["u1"] == {"plan": "pro"}


async def test_one_whose_adding_is_in_doubt_is_removed(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ["u1", "u2"], state=state)
    sandbox.plan_next_job(REQUESTS_FAILED)
    await client.sync.segment(segment, ["u1", "u2", "u3"], state=state, on_failure="report")
    assert members(sandbox, segment) == {"u1", "u2", "u3"}

    await client.sync.segment(segment, ["u1", "u2"], state=state)

    assert members(sandbox, segment) == {"u1", "u2"}


async def test_one_whose_removal_is_in_doubt_is_added_again(
    client: AppcuesClient, sandbox: Sandbox, segment: str, state: Path
) -> None:
    await client.sync.segment(segment, ["u1", "u2"], state=state)
    sandbox.plan_next_job(REQUESTS_FAILED)
    await client.sync.segment(segment, ["u1"], state=state, on_failure="report")
    assert members(sandbox, segment) == {"u1"}

    await client.sync.segment(segment, ["u1", "u2"], state=state)

    assert members(sandbox, segment) == {"u1", "u2"}


async def test_what_is_new_waits_for_a_job_of_an_earlier_run(sandbox: Sandbox, state: Path) -> None:
    sandbox.plan_next_job(JobPlan(seconds=0.6))
    async with open_client(sandbox, wait=0.1) as impatient:
        early = await impatient.sync.profiles([user(1, "free")], state=state, on_failure="report")
    assert early.in_doubt == 1

    async with open_client(sandbox) as client:
        await client.sync.profiles([user(1, "pro")], state=state)

    assert [job.status for job in sandbox.jobs.values()] == ["COMPLETED", "COMPLETED"]
    assert sandbox.profiles["u1"] == {"plan": "pro"}


async def test_a_job_that_still_runs_is_noted_until_it_has_ended(
    sandbox: Sandbox, state: Path
) -> None:
    sandbox.plan_next_job(JobPlan(seconds=0.3))
    async with open_client(sandbox, wait=0.05) as impatient:
        await impatient.sync.profiles([user(1)], state=state, on_failure="report")
    (job,) = sandbox.jobs
    assert [job in token for token in noted_jobs(state)] == [True]

    async with open_client(sandbox) as client:
        await client.sync.profiles([user(1)], state=state)

    assert noted_jobs(state) == []


def noted_jobs(state: Path) -> list[str]:
    with closing(sqlite3.connect(state)) as db:
        found = db.execute("SELECT job FROM uploads WHERE job IS NOT NULL")
        return [token for (token,) in found]


async def test_a_job_is_waited_for_by_run_after_run_until_it_has_ended(
    sandbox: Sandbox, state: Path
) -> None:
    sandbox.plan_next_job(JobPlan(status="PAUSED"))
    async with open_client(sandbox, wait=0.05) as impatient:
        await impatient.sync.profiles([user(1, "free")], state=state, on_failure="report")

        for _ in range(2):
            with pytest.raises(JobPending):
                await impatient.sync.profiles([user(1, "pro")], state=state)

    assert uploads(sandbox) == ["profiles"]


async def test_what_is_new_waits_for_a_job_whose_answer_was_lost(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    sandbox.faults.add(Reset(applied=True), path="import/profiles")
    sandbox.plan_next_job(JobPlan(seconds=0.6))
    first = await client.sync.profiles([user(1, "free")], state=state)
    assert first.applied == 1
    assert [job.status for job in sandbox.jobs.values()] == ["IN_PROGRESS", "COMPLETED"]

    await client.sync.profiles([user(1, "pro")], state=state)

    assert {job.status for job in sandbox.jobs.values()} == {"COMPLETED"}
    assert sandbox.profiles["u1"] == {"plan": "pro"}


async def test_what_is_new_waits_for_a_job_of_a_run_that_was_cancelled(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    stall = Stall("headers")
    sandbox.faults.add(stall, path="import/profiles")
    sandbox.plan_next_job(JobPlan(seconds=0.6))
    first = asyncio.create_task(client.sync.profiles([user(1, "free")], state=state))
    await asyncio.to_thread(wait_until, lambda: bool(sandbox.jobs))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    stall.hold.release()

    await client.sync.profiles([user(1, "pro")], state=state)

    assert {job.status for job in sandbox.jobs.values()} == {"COMPLETED"}
    assert sandbox.profiles["u1"] == {"plan": "pro"}


async def test_a_job_that_ran_before_is_not_waited_for(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    sandbox.plan_next_job(JobPlan(status="PAUSED"))
    await client.imports.profiles([user(9)])
    ownership.of_this_process.clear()
    sandbox.faults.add(Reset(applied=True), path="import/profiles")
    await client.sync.profiles([user(1)], state=state)

    async with asyncio.timeout(5):
        report = await client.sync.profiles([user(1, "free")], state=state)

    assert report.applied == 1


async def test_where_nothing_is_open_nothing_is_waited_for(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    await client.sync.profiles([user(1)], state=state)
    sandbox.plan_next_job(JobPlan(status="PAUSED"))
    await client.imports.profiles([user(9)])

    async with asyncio.timeout(5):
        report = await client.sync.profiles([user(1, "free")], state=state)

    assert report.applied == 1


async def test_no_rows_are_left_on_disk(
    client: AppcuesClient, sandbox: Sandbox, state: Path
) -> None:
    sandbox.faults.add(Answer(400), path="import/profiles")
    left = state.with_name("state.db-outgoing")
    left.mkdir()
    (left / "changed-0.ndjson").write_text("{}")

    await client.sync.profiles([user(1)], state=state, on_failure="report")

    assert files(state) == ["state.db"]
    assert uploads(sandbox) == ["profiles"]
