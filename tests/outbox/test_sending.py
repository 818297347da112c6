"""Batches: which rows go together, what waits for what, and what becomes of failures."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appcues_async import (
    AppcuesClient,
    BulkFailed,
    OutboxFull,
    OutboxPending,
)
from appcues_async.notices import Notice, OutboxClosed, OutboxFilled, OutboxKeptAside, OutboxStalled
from appcues_async.sandbox import Answer, Hold, JobPlan, Reset, Sandbox, Stall
from tests.outbox.conftest import SOONER, names, open_client, until, uploads


@pytest.fixture
def slow_jobs(sandbox: Sandbox) -> Sandbox:
    """A server whose next job ends only when time is moved on."""
    sandbox.plan_next_job(JobPlan(seconds=1_000))
    return sandbox


async def test_rows_of_a_user_wait_for_the_job_of_the_batch_before(
    client: AppcuesClient, slow_jobs: Sandbox, place: Path | None
) -> None:
    async with client.outbox(place, every=SOONER) as outbox:
        await outbox.update_profile("u1", {"plan": "free"})
        await outbox.flush()
        await outbox.update_profile("u1", {"plan": "pro"})
        await outbox.update_profile("u2", {"plan": "pro"})
        await until(lambda: len(uploads(slow_jobs)) == 2)
        await until(lambda: "u2" in slow_jobs.profiles)
        assert "u1" not in slow_jobs.profiles

        slow_jobs.advance(1_000)
        await outbox.flush(wait=True)
    assert slow_jobs.profiles["u1"] == {"plan": "pro"}
    assert len(uploads(slow_jobs)) == 3


async def test_a_flush_may_wait_for_the_jobs(
    client: AppcuesClient, slow_jobs: Sandbox, place: Path | None
) -> None:
    async with client.outbox(place, every=SOONER) as outbox:
        await outbox.track("u1", "Signed up")
        await outbox.flush()
        with pytest.raises(OutboxPending, match="applied"):
            await outbox.flush(wait=True, timeout=0.1)
        slow_jobs.advance(1_000)
        await outbox.flush(wait=True)
    assert names(slow_jobs) == ["Signed up"]


async def test_what_the_server_refuses_is_kept_aside_with_the_reason(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    told: list[Notice] = []
    sandbox.faults.add(Answer(400, body="no ink"), path="import/events")
    async with client.outbox(place, every=SOONER, on_notice=told.append) as outbox:
        await outbox.track("u1", "Signed up")
        with pytest.raises(BulkFailed, match=r"1 row .*refused.*no ink") as caught:
            await outbox.flush()
        (failed,) = await outbox.failed()
        gauges = await outbox.gauges()

    assert caught.value.report.failed == 1  # type: ignore[union-attr]
    assert (failed.status, failed.kind, failed.rows) == ("refused", "events", 1)
    assert failed.sample[0]["name"] == "Signed up"
    assert (gauges.waiting, gauges.failed, gauges.sent) == (0, 1, 0)
    assert [type(one) for one in told if isinstance(one, OutboxKeptAside)] == [OutboxKeptAside]
    assert uploads(sandbox) == ["events"]


@pytest.mark.parametrize(
    "plan",
    [JobPlan(status="FAILED", detail="out of ink", rows_applied=0), JobPlan(rows_applied=1)],
)
async def test_rows_of_a_job_that_did_not_take_all_are_kept_aside(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None, plan: JobPlan
) -> None:
    sandbox.plan_next_job(plan)
    async with client.outbox(place, every=60) as outbox:
        await outbox.track("u1", "Signed up")
        await outbox.track("u2", "Signed up")
        with pytest.raises(BulkFailed, match=r"2 rows .*failed"):
            await outbox.flush(wait=True)
        (failed,) = await outbox.failed()
        assert (failed.status, failed.rows) == ("failed", 2)
        assert failed.job in sandbox.jobs


async def test_an_answer_that_nothing_settles_keeps_its_rows_and_sends_them_no_more(
    sandbox: Sandbox, place: Path | None
) -> None:
    sandbox.faults.add(Reset(applied=True), path="import/events")
    async with (
        open_client(sandbox, on_unknown="raise") as client,
        client.outbox(place, every=SOONER) as outbox,
    ):
        await outbox.track("u1", "Signed up")
        with pytest.raises(BulkFailed, match="unknown"):
            await outbox.flush()
        await asyncio.sleep(3 * SOONER)
        assert [one.status for one in await outbox.failed()] == ["unknown"]
    assert uploads(sandbox) == ["events"]
    assert names(sandbox) == ["Signed up"]


async def test_a_lost_answer_is_settled_by_what_the_server_shows(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    sandbox.faults.add(Reset(applied=True), path="import/events")
    async with client.outbox(place, every=SOONER) as outbox:
        await outbox.track("u1", "Signed up")
        await outbox.flush(wait=True)
    assert names(sandbox) == ["Signed up"]
    assert uploads(sandbox) == ["events"]


async def test_rows_are_sent_again_after_what_they_are_no_reason_for(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    sandbox.faults.add(Answer(503), path="import/profiles", times=8)
    async with client.outbox(place, every=SOONER) as outbox:
        await outbox.update_profile("u1", {"plan": "pro"})
        await outbox.flush(wait=True)
        assert await outbox.failed() == []
    assert sandbox.profiles == {"u1": {"plan": "pro"}}
    assert len(uploads(sandbox)) > 5


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_rows_are_not_to_blame_for_a_wrong_key(
    sandbox: Sandbox, place: Path | None, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Notice] = []
    sandbox.faults.add(Answer(status), path="import/events", times=None)
    async with (
        open_client(sandbox, on_notice=told.append) as client,
        client.outbox(place, every=SOONER, drain=0) as outbox,
    ):
        await outbox.track("u1", "Signed up")
        await until(lambda: any(isinstance(one, OutboxStalled) for one in told))
        with pytest.raises(OutboxPending, match=f"sending has failed: .*{status}"):
            await outbox.flush(timeout=0.01)
        assert await outbox.failed() == []
        sandbox.faults.clear()
        await outbox.flush(wait=True)
    assert names(sandbox) == ["Signed up"]
    assert "the outbox cannot send" in caplog.text


async def test_the_oldest_row_is_one_that_was_not_accepted(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    hold = Hold()
    sandbox.faults.add(Stall("headers", hold=hold), path="import/events")
    async with client.outbox(place, every=SOONER, drain=0) as outbox:
        await outbox.track("u1", "Signed up")
        await hold.reached()
        age = (await outbox.gauges()).oldest
        assert age > 0
        hold.release()
        await outbox.flush()
        assert (await outbox.gauges()).oldest == 0


async def test_a_flush_ends_in_time(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    sandbox.faults.add(Answer(503), path="import/events", times=None)
    async with client.outbox(place, every=SOONER, drain=0) as outbox:
        await outbox.track("u1", "Signed up")
        with pytest.raises(OutboxPending, match="accepted"):
            await outbox.flush(timeout=0.2)


async def test_a_full_outbox_lets_its_callers_wait(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    hold = Hold()
    sandbox.faults.add(Stall("headers", hold=hold), path="import/events")
    async with client.outbox(place, every=SOONER, most_rows=2) as outbox:
        await outbox.track("u1", "One")
        await outbox.track("u1", "Two")
        third = asyncio.create_task(outbox.track("u1", "Three"))
        await hold.reached()
        assert not third.done()
        hold.release()
        await third
        await outbox.flush(wait=True)
    assert names(sandbox) == ["One", "Two", "Three"]


async def test_a_full_outbox_says_so(client: AppcuesClient, place: Path | None) -> None:
    async with client.outbox(place, every=60, most_rows=2, on_full="raise", drain=0) as outbox:
        await outbox.track("u1", "One")
        await outbox.track("u1", "Two")
        with pytest.raises(OutboxFull, match="2 rows"):
            await outbox.track("u1", "Three")


async def test_bytes_are_bounded_as_well(client: AppcuesClient, place: Path | None) -> None:
    async with client.outbox(place, every=60, most_bytes=500, on_full="raise", drain=0) as outbox:
        await outbox.track("u1", "One", attributes={"text": "x" * 300})
        with pytest.raises(OutboxFull, match="500 bytes"):
            await outbox.track("u1", "Two", attributes={"text": "x" * 300})


async def test_rows_that_are_dropped_are_counted_and_told(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    told: list[Notice] = []
    options = {"every": 60, "most_rows": 2, "on_full": "drop", "on_notice": told.append}
    async with client.outbox(place, **options) as outbox:  # type: ignore[arg-type]
        for number in range(5):
            await outbox.track("u1", f"Event {number}")
        assert (await outbox.gauges()).dropped == 3
    assert names(sandbox) == ["Event 0", "Event 1"]
    assert sum(one.dropped for one in told if isinstance(one, OutboxFilled)) == 3


async def test_leaving_sends_what_waits(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    async with client.outbox(place, every=60) as outbox:
        await outbox.track("u1", "Signed up")
    assert names(sandbox) == ["Signed up"]


async def test_leaving_says_what_could_not_be_sent(
    client: AppcuesClient, sandbox: Sandbox, place: Path | None
) -> None:
    told: list[Notice] = []
    sandbox.faults.add(Answer(503), path="import/events", times=None)
    async with client.outbox(place, every=60, drain=0.1, on_notice=told.append) as outbox:
        await outbox.track("u1", "Signed up")
    (closed,) = [one for one in told if isinstance(one, OutboxClosed)]
    assert (closed.waiting, closed.on_disk) == (1, place is not None)


async def test_a_client_that_is_left_closes_its_outboxes(sandbox: Sandbox, path: Path) -> None:
    async with open_client(sandbox) as client:
        outbox = client.outbox(path, every=60)
        await outbox.__aenter__()
        await outbox.track("u1", "Signed up")
    assert names(sandbox) == ["Signed up"]
    with pytest.raises(RuntimeError, match="not open"):
        await outbox.track("u1", "Signed up")
