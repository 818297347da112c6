"""Answers that were lost, over real HTTP: everything is applied exactly once, or said to be unknown."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

import pytest

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    Delivery,
    Forbidden,
    OutcomeUnknown,
    RetryPolicy,
    Throttled,
    Timeouts,
)
from appcues_async.clock import SystemClock
from appcues_async.notices import AnswerLost, AnswerSettled, Notice
from appcues_async.sandbox import Answer, Reset, Sandbox
from appcues_async.sandbox.faults import Fault
from appcues_async.sandbox.routes import jobs as jobs_route
from tests.api.conftest import asked
from tests.recovery.uploads import (
    APPLIED,
    EVENTS,
    LEAST,
    NOT_APPLIED,
    SETTLE,
    lose,
    ndjson,
    opened,
    recorded,
    rows,
    uploads,
)
from tests.virtual_clock import VirtualClock


@pytest.mark.parametrize("fault", APPLIED.values(), ids=APPLIED)
async def test_events_that_were_recorded_are_not_sent_again(
    sandbox: Sandbox, client: AppcuesClient, fault: Fault
) -> None:
    lose(sandbox, fault)
    handle = await client.imports.events(rows("Paid", 3))
    assert (await handle).ingestions_completed == 3
    assert (uploads(sandbox), recorded(sandbox)) == (1, {"Paid": 3})
    assert [handle.id] == list(sandbox.jobs)


@pytest.mark.parametrize("fault", NOT_APPLIED.values(), ids=NOT_APPLIED)
async def test_events_that_were_not_recorded_are_sent_once_more(
    sandbox: Sandbox, client: AppcuesClient, fault: Fault
) -> None:
    lose(sandbox, fault)
    began = time.monotonic()
    await (await client.imports.events(rows("Paid", 3)))
    assert time.monotonic() - began >= SETTLE
    assert (uploads(sandbox), recorded(sandbox)) == (2, {"Paid": 3})


async def test_absence_counts_15_seconds_after_the_answer_was_lost(sandbox: Sandbox) -> None:
    clock = VirtualClock()
    async with opened(sandbox, timeouts=None, clock=clock) as client:
        lose(sandbox, Reset())
        began, lasted = clock.seconds, 0.0
        started = asyncio.create_task(client.imports.events(rows("Paid", 3)))
        async with asyncio.timeout(10):
            while not started.done():
                await asyncio.sleep(0.002)
                if len(sandbox.requests) > 1 or clock.seconds == began:
                    await clock.advance(0.25)
                if uploads(sandbox) == 1:
                    lasted = clock.seconds - began
        await started
    assert 14.5 <= lasted <= 20
    assert recorded(sandbox) == {"Paid": 3}


async def test_an_export_is_found_by_the_list_too(sandbox: Sandbox, client: AppcuesClient) -> None:
    lose(sandbox, Reset(applied=True), Reset(), path="export/events")
    first = await client.exports.events(**LEAST)  # type: ignore[arg-type]
    second = await client.exports.events(**LEAST)  # type: ignore[arg-type]
    assert {first.id, second.id} == set(sandbox.jobs)
    assert uploads(sandbox, "export/events") == 3


async def test_a_list_that_lacks_a_later_job_of_ours_does_not_show_that_there_was_none(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True))
    lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
    while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0.001)
    await asyncio.sleep(SETTLE / 10)
    await client.imports.events(ndjson("Left"))
    # So many were started by others that neither is among the recent ones any more.
    sandbox.jobs.clear()
    with pytest.raises(OutcomeUnknown, match="does not reach back"):
        await lost
    assert uploads(sandbox) == 2


async def test_an_analytics_export_is_in_no_list_and_so_is_unknown_at_once(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), path="analytics/exports")
    with pytest.raises(OutcomeUnknown):
        await client.analytics.export({"metrics": ["users"]})
    assert asked(sandbox) == ["POST analytics/exports"]


async def test_a_list_that_lags_is_given_its_time() -> None:
    async with Sandbox(rate_limit=None, list_lag=0.2) as sandbox, opened(sandbox) as client:
        lose(sandbox, Reset(applied=True), Reset())
        await client.imports.events(rows("Paid", 3))
        await client.imports.events(rows("Left", 2))
        assert recorded(sandbox) == {"Paid": 3, "Left": 2}


class SetBack(SystemClock):
    """A clock that is 100 seconds ahead until it is set right."""

    ahead = 100.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)


async def test_our_clock_may_be_set_while_an_answer_is_owed(sandbox: Sandbox) -> None:
    clock = SetBack()
    async with opened(sandbox, clock=clock) as client:
        lose(sandbox, Reset(applied=True))
        lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
        while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
            await asyncio.sleep(0.001)
        await asyncio.sleep(SETTLE / 10)
        clock.ahead = 0.0
        await lost
    assert recorded(sandbox) == {"Paid": 1}


async def test_jobs_may_have_the_time_of_another_zone(
    sandbox: Sandbox, client: AppcuesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(moment: datetime) -> str:
        return f"{moment - timedelta(hours=5):%Y-%m-%dT%H:%M:%S}"

    monkeypatch.setattr(jobs_route, "stamp", elsewhere)
    await client.imports.events(ndjson("First"))
    lose(sandbox, Reset(applied=True))
    await client.imports.events(ndjson("Paid"))
    assert recorded(sandbox) == {"First": 1, "Paid": 1}


async def test_jobs_may_have_any_names() -> None:
    names = {"import_events": "Ingestion 7 of app.example", "import_profiles": ""}
    async with (
        Sandbox(rate_limit=None, job_names=names) as sandbox,  # type: ignore[arg-type]
        opened(sandbox) as client,
    ):
        await (await client.imports.events(rows("First", 1)))
        await client.imports.profiles([{"user_id": "1"}])
        lose(sandbox, Reset(applied=True), Reset())
        await client.imports.events(ndjson("Paid"))
        await client.imports.events(ndjson("Left"))
        assert recorded(sandbox) == {"First": 1, "Paid": 1, "Left": 1}


@pytest.mark.parametrize("fault", [Answer(503), Reset(), Answer.html(200)])
@pytest.mark.parametrize("lost", [Reset(applied=True), Reset()])
async def test_it_outlasts_an_outage_of_the_list(
    sandbox: Sandbox, client: AppcuesClient, fault: Fault, lost: Fault
) -> None:
    times = 4 if fault == Answer.html(200) else 12
    sandbox.faults.add(fault, method="GET", path="jobs", times=times)
    lose(sandbox, lost)
    await client.imports.events(rows("Paid", 3))
    assert recorded(sandbox) == {"Paid": 3}


async def test_a_list_that_never_can_be_had_makes_it_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(403), method="GET")
    lose(sandbox, Reset())
    with pytest.raises(OutcomeUnknown, match="Forbidden") as caught:
        await client.imports.events(rows("Paid", 3))
    assert isinstance(caught.value.__cause__, Forbidden)
    assert uploads(sandbox) == 1


async def test_a_list_that_never_can_be_read_makes_it_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer.html(200), method="GET", times=None)
    lose(sandbox, Reset())
    with pytest.raises(OutcomeUnknown, match="no list can be read"):
        await client.imports.events(rows("Paid", 3))


async def test_looking_ends_when_the_time_to_wait_is_over(sandbox: Sandbox) -> None:
    sandbox.faults.add(Answer(503), method="GET", times=None)
    lose(sandbox, Reset(applied=True))
    async with opened(sandbox, timeouts=Timeouts(settle=0.05, wait=0.2)) as client:
        with pytest.raises(OutcomeUnknown, match="the time to find that out is over"):
            await client.imports.events(rows("Paid", 3))


@pytest.mark.parametrize("first", [[429, 0, 0], [0, 429, 0], [429, 429, 0]])
async def test_it_is_sent_as_often_as_the_policy_allows_in_all(
    sandbox: Sandbox, first: list[int]
) -> None:
    faults = [Answer(status) if status else Reset() for status in first]
    lose(sandbox, *faults, Reset(), Reset())
    async with opened(sandbox, retry=RetryPolicy(attempts=3, base=0)) as client:
        with pytest.raises(AppcuesError) as caught:
            await client.imports.events(rows("Paid", 3))
    assert uploads(sandbox) == len(caught.value.attempts) == 3
    assert str(caught.value).endswith("; it was looked for, and was not applied")
    assert caught.value.delivery is Delivery.REFUSED


async def test_a_request_that_is_sent_again_has_only_the_attempts_that_are_left(
    sandbox: Sandbox,
) -> None:
    lose(sandbox, Reset(), *[Answer(429)] * 5)
    async with opened(sandbox, retry=RetryPolicy(attempts=3, base=0)) as client:
        with pytest.raises(Throttled) as caught:
            await client.imports.events(rows("Paid", 3))
    assert uploads(sandbox) == len(caught.value.attempts) == 3


async def test_a_success_that_cannot_be_read_and_shows_nowhere_is_not_sent_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Answer(202, body="accepted"))
    with pytest.raises(OutcomeUnknown) as caught:
        await client.imports.events(rows("Paid", 3))
    assert (caught.value.status, uploads(sandbox)) == (202, 1)


async def test_raise_asks_nothing(sandbox: Sandbox, client: AppcuesClient) -> None:
    lose(sandbox, Reset(applied=True))
    with pytest.raises(OutcomeUnknown):
        await client.with_options(on_unknown="raise").imports.events(rows("Paid", 3))
    assert asked(sandbox) == [f"POST {EVENTS}"]


async def test_resend_sends_again_and_asks_nothing(sandbox: Sandbox, client: AppcuesClient) -> None:
    lose(sandbox, Reset(applied=True))
    await client.with_options(on_unknown="resend").imports.events(rows("Paid", 3))
    assert asked(sandbox) == [f"POST {EVENTS}"] * 2


async def test_what_no_list_shows_is_unknown_at_once(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(), path="users/1/events")
    with pytest.raises(OutcomeUnknown):
        await client.users.track_event("1", "Paid")
    assert len(sandbox.requests) == 1


async def test_cancelling_ends_it_at_once_and_leaves_the_job_to_nobody(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), Reset())
    lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
    while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0.001)
    await asyncio.sleep(SETTLE / 3)
    lost.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await lost
    assert time.monotonic() - began < SETTLE / 3
    with pytest.raises(OutcomeUnknown) as caught:
        await client.imports.events(ndjson("Left"))
    assert [job.id for job in caught.value.candidates] == list(sandbox.jobs)


async def test_leaving_the_client_ends_it(sandbox: Sandbox) -> None:
    lose(sandbox, Reset(applied=True))
    async with opened(sandbox, timeouts=Timeouts(settle=60)) as client:
        lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
        while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        with pytest.raises(OutcomeUnknown, match="the client was left"):
            await lost


async def test_it_is_told_that_an_answer_was_lost_and_what_came_of_it(
    sandbox: Sandbox, client: AppcuesClient, told: list[Notice]
) -> None:
    lose(sandbox, Reset(applied=True), Reset())
    handle = await client.imports.events(rows("Paid", 3))
    await client.imports.events(rows("Left", 2))
    lost = [one for one in told if isinstance(one, AnswerLost | AnswerSettled)]
    assert lost == [
        AnswerLost(EVENTS),
        AnswerSettled(EVENTS, "found", handle.id),
        AnswerLost(EVENTS),
        AnswerSettled(EVENTS, "absent"),
    ]
