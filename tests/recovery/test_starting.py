"""Answers that were lost, over real HTTP: everything is applied exactly once, or said to be unknown."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import attrs
import pytest

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    Delivery,
    Forbidden,
    JobHandle,
    OutcomeUnknown,
    PollPolicy,
    RetryPolicy,
    Throttled,
    Timeouts,
)
from appcues_async.api.imports import IMPORT_EVENTS
from appcues_async.clock import SystemClock
from appcues_async.notices import AnswerLost, AnswerSettled, Notice
from appcues_async.recovery.evidence import Claim, Owned
from appcues_async.recovery.starting import Starter
from appcues_async.rows import kinds
from appcues_async.rows.sources import body_of
from appcues_async.sandbox import Answer, Close, Reset, Sandbox, Stall, Truncate
from appcues_async.sandbox.faults import Fault
from appcues_async.sandbox.jobs import JobPlan
from appcues_async.sandbox.routes import jobs as jobs_route
from tests.api.conftest import asked
from tests.conftest import SOON
from tests.virtual_clock import VirtualClock

SETTLE = 0.3
OFTEN = PollPolicy(first=0.01, low=0.02, high=0.05, grace=0.05)
EVENTS = "import/events"
LEAST = {"email": "h@example.com", "format": "json", "conditions": [], "start_time": "2026-08-11"}


@pytest.fixture
def told() -> list[Notice]:
    return []


@pytest.fixture
async def client(sandbox: Sandbox, told: list[Notice]) -> AsyncIterator[AppcuesClient]:
    async with opened(sandbox, on_notice=told.append) as one:
        yield one


def opened(sandbox: Sandbox, **options: object) -> AppcuesClient:
    chosen = {
        **sandbox.credentials,
        "retry": SOON,
        "polling": OFTEN,
        "timeouts": Timeouts(settle=SETTLE, idle=0.5),
        "throttle": None,
        **options,
    }
    return AppcuesClient(**chosen)  # type: ignore[arg-type]


def elsewhere(sandbox: Sandbox) -> AppcuesClient:
    """A producer that shares the account and nothing else with us."""
    return opened(sandbox, base_url=sandbox.url.replace("127.0.0.1", "localhost"))


def rows(name: str, number: int) -> list[dict[str, str]]:
    moment = "2026-07-14T12:00:00Z"
    return [{"user_id": str(one), "name": name, "timestamp": moment} for one in range(number)]


def ndjson(name: str) -> bytes:
    """Rows that nobody counts."""
    return f'{{"user_id":"1","name":"{name}","timestamp":"2026-07-14T12:00:00Z"}}\n'.encode()


def recorded(sandbox: Sandbox) -> Counter[str]:
    return Counter(event["name"] for event in sandbox.events)


def uploads(sandbox: Sandbox, what: str = EVENTS) -> int:
    return asked(sandbox).count(f"POST {what}")


def lose(sandbox: Sandbox, *faults: Fault, path: str = EVENTS) -> None:
    for fault in faults:
        sandbox.faults.add(fault, method="POST", path=path)


async def of_each(*work: object) -> list[JobHandle | BaseException]:
    return await asyncio.gather(*work, return_exceptions=True)  # type: ignore[call-overload, no-any-return]


APPLIED = {
    "reset": Reset(applied=True),
    "closed": Close(applied=True),
    "500": Answer(500, applied=True),
    "503": Answer(503, applied=True),
    "a page of a proxy": Answer.html(502, applied=True),
    "408": Answer(408, applied=True),
    "an answer cut off": Truncate(),
    "an answer that is no JSON": Answer(202, body="accepted", applied=True),
    "an answer that comes too late": Stall(seconds=1.5),
}
NOT_APPLIED = {
    "reset": Reset(),
    "reset after the headers": Reset(after="headers"),
    "closed": Close(),
    "500": Answer(500),
    "a page of a proxy": Answer.html(504),
}


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


async def test_of_two_at_once_neither_takes_the_others_job(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    for _ in range(5):
        lose(sandbox, Reset(applied=True), Reset())
        first, second = await asyncio.gather(
            client.imports.events(rows("Paid", 3)), client.imports.events(rows("Left", 2))
        )
        assert first.id != second.id
    assert recorded(sandbox) == {"Paid": 15, "Left": 10}
    assert len(sandbox.jobs) == 10


async def test_two_alike_of_which_one_was_recorded_are_both_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), Reset())
    ends = await of_each(
        client.imports.events(rows("Paid", 2)), client.imports.events(rows("Left", 2))
    )
    for error in ends:
        assert isinstance(error, OutcomeUnknown)
        assert [job.id for job in error.candidates] == list(sandbox.jobs)
    assert uploads(sandbox) == 2


async def test_a_rival_that_is_still_under_way_is_waited_for(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    held = Stall()
    lose(sandbox, held, Reset(applied=True))
    slow = asyncio.create_task(
        client.with_options(timeouts=Timeouts(settle=SETTLE)).imports.events(ndjson("Paid"))
    )
    while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
        await asyncio.sleep(0.001)
    lost = asyncio.create_task(client.imports.events(ndjson("Left")))
    await asyncio.sleep(2 * SETTLE)
    assert not lost.done()
    held.hold.release()
    assert (await slow).id != (await lost).id
    assert recorded(sandbox) == {"Paid": 1, "Left": 1}


async def test_clients_of_an_account_know_each_others_jobs(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async with opened(sandbox) as other:
        await other.imports.events(ndjson("Left"))
        lose(sandbox, Reset())
        await client.imports.events(ndjson("Paid"))
        await (await other.imports.events(ndjson("Left")))
    assert recorded(sandbox) == {"Paid": 1, "Left": 2}


async def test_a_job_of_a_client_that_was_left_is_not_taken_for_another(sandbox: Sandbox) -> None:
    async with opened(sandbox) as client:
        await client.imports.events(ndjson("Left"))
    del client
    gc.collect()
    lose(sandbox, Reset())
    async with opened(sandbox) as client:
        await client.imports.events(ndjson("Paid"))
    assert recorded(sandbox) == {"Left": 1, "Paid": 1}


async def test_a_job_of_another_loop_is_not_taken_for_ours(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async def start() -> None:
        async with opened(sandbox) as other:
            await other.imports.events(ndjson("Left"))

    await asyncio.to_thread(asyncio.run, start())
    lose(sandbox, Reset())
    await client.imports.events(ndjson("Paid"))
    assert recorded(sandbox) == {"Left": 1, "Paid": 1}


async def test_a_job_that_client_request_has_started_is_not_taken_for_another(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.request("POST", "export/events", json=LEAST)
    lose(sandbox, Reset())
    await client.imports.events(ndjson("Paid"))
    assert recorded(sandbox) == {"Paid": 1}


async def test_a_job_that_client_request_may_have_started_is_taken_for_nobodys(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), path="export/events")
    with pytest.raises(OutcomeUnknown):
        await client.request("POST", "export/events", json=LEAST)
    lose(sandbox, Reset())
    with pytest.raises(OutcomeUnknown) as caught:
        await client.imports.events(ndjson("Paid"))
    assert [job.id for job in caught.value.candidates] == list(sandbox.jobs)


async def test_another_producers_job_at_the_same_time_makes_it_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True))
    async with elsewhere(sandbox) as other:
        lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
        await asyncio.sleep(SETTLE / 3)
        theirs = await other.imports.events(ndjson("Left"))
        with pytest.raises(OutcomeUnknown) as caught:
            await lost
    assert {job.id for job in caught.value.candidates} == set(sandbox.jobs)
    assert theirs.id in str(caught.value)
    assert len(caught.value.attempts) == 1
    assert recorded(sandbox) == {"Paid": 1, "Left": 1}


@pytest.mark.parametrize("seconds", [0, 1.0])
async def test_the_end_of_another_producers_job_tells_it_from_ours(
    sandbox: Sandbox, client: AppcuesClient, seconds: float
) -> None:
    async with elsewhere(sandbox) as other:
        sandbox.plan_next_job(JobPlan(seconds=seconds))
        lose(sandbox, Reset(applied=True))
        lost = asyncio.create_task(client.imports.events(rows("Paid", 3)))
        while not sandbox.jobs:  # noqa: ASYNC110 - a server has no such event
            await asyncio.sleep(0.001)
        sandbox.plan_next_job(JobPlan(seconds=seconds))
        theirs = await other.imports.events(rows("Left", 2))
        assert (await lost).id != theirs.id
    assert uploads(sandbox) == 2


@pytest.mark.parametrize("listed", [True, False])
async def test_another_name_tells_once_an_own_job_has_shown_its(
    sandbox: Sandbox, client: AppcuesClient, listed: bool
) -> None:
    async def lose_beside_profiles() -> JobHandle:
        lose(sandbox, Reset())
        lost = asyncio.create_task(client.imports.events(ndjson("Paid")))
        await asyncio.sleep(SETTLE / 3)
        await other.imports.profiles([{"user_id": "1"}])
        return await lost

    async with elsewhere(sandbox) as other:
        first = await client.imports.events(ndjson("First"))
        if not listed:
            # It has been seen while it was waited for, and is not recent any more.
            await first
            del sandbox.jobs[first.id]
        await lose_beside_profiles()
    assert recorded(sandbox) == {"First": 1, "Paid": 1}


async def test_the_orphan_of_an_upload_that_was_repeated_is_not_taken_for_ours(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), path="import/profiles")
    lose(sandbox, Reset())
    await client.imports.profiles([{"user_id": "1"}])
    (orphan, _) = sandbox.jobs
    with pytest.raises(OutcomeUnknown) as caught:
        await client.imports.events(ndjson("Paid"))
    assert [job.id for job in caught.value.candidates] == [orphan]


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


@attrs.frozen
class Written:
    """What a journal knows."""

    claims: list[Claim] = attrs.field(factory=list)
    jobs: dict[str, str] = attrs.field(factory=dict)

    async def whose(self, listed: Collection[str]) -> Owned:
        return Owned(
            jobs={job: kind for job, kind in self.jobs.items() if job in listed},
            claims=self.claims,
        )


def starter(client: AppcuesClient) -> Starter:
    return client._starter


async def upload_of_a_process_that_died(sandbox: Sandbox, number: int = 3) -> Claim:
    began = time.monotonic()
    async with elsewhere(sandbox) as other:
        await (await other.imports.events(rows("Paid", number)))
    return Claim(
        kind=EVENTS, began=began, ended=time.monotonic(), clock=SystemClock().id, rows=number
    )


async def test_the_job_of_a_process_that_died_is_found(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    claim = await upload_of_a_process_that_died(sandbox)
    handle = await starter(client).recover(claim)
    assert handle is not None
    assert (handle.id, handle.kind) == (next(iter(sandbox.jobs)), EVENTS)
    assert (await handle).ingestions_completed == 3
    # It is ours from now on.
    assert await starter(client).recover(attrs.evolve(claim, id="another")) is None


async def test_a_request_that_was_never_sent_is_absent_at_once_when_its_time_is_over(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    claim = Claim(kind=EVENTS, began=time.monotonic() - 20, clock=SystemClock().id, rows=3)
    began = time.monotonic()
    settled = client.with_options(timeouts=Timeouts(settle=15))
    assert await starter(settled).recover(claim) is None
    assert time.monotonic() - began < 5
    assert asked(sandbox) == ["GET jobs"]


async def test_what_a_journal_says_is_owned_is_not_taken(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    claim = await upload_of_a_process_that_died(sandbox)
    written = Written(jobs=dict.fromkeys(sandbox.jobs, EVENTS))
    assert await starter(client).recover(claim, owners=written) is None


async def test_what_a_rival_in_a_journal_may_own_is_not_taken(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    claim = await upload_of_a_process_that_died(sandbox)
    rival = attrs.evolve(claim, id="rival", answerable=False)
    with pytest.raises(OutcomeUnknown) as caught:
        await starter(client).recover(claim, owners=Written([claim, rival]))
    assert [job.id for job in caught.value.candidates] == list(sandbox.jobs)
    counted = attrs.evolve(rival, rows=4)
    handle = await starter(client).recover(claim, owners=Written([claim, counted]))
    assert handle is not None


async def test_a_start_knows_its_own_claim_in_a_journal(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await (await client.imports.events(rows("Before", 1)))
    before = frozenset(job.id for job in await client.jobs.list())
    assert before == set(sandbox.jobs)
    claim = attrs.evolve(starter(client).claim(EVENTS, rows=3), before=before, id="run:1")
    lose(sandbox, Reset(applied=True))
    request = IMPORT_EVENTS.request(await body_of(rows("Paid", 3), kinds.EVENTS))
    handle = await starter(client).start(request, claim=claim, owners=Written([claim]))
    assert recorded(sandbox) == {"Before": 1, "Paid": 3}
    assert handle.id in sandbox.jobs


async def test_a_segment_that_was_made_is_not_made_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    old = await client.segments.create("Friends", "All of them")
    sandbox.segments[old.id].created_at = datetime.now(UTC) - timedelta(hours=1)
    lose(sandbox, Reset(applied=True), path="segments")
    segment = await client.segments.create("Friends", "All of them")
    assert set(sandbox.segments) == {old.id, segment.id}
    assert (segment.name, segment.description) == ("Friends", "All of them")


async def test_a_segment_that_was_not_made_is_made_now(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    others = [await client.segments.create("Friends"), await client.segments.create("Foes", "x")]
    lose(sandbox, Answer(503), path="segments")
    segment = await client.segments.create("Foes")
    assert set(sandbox.segments) == {segment.id, *(one.id for one in others)}


async def test_a_segment_that_is_listed_at_once_is_not_waited_for(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Answer(502, applied=True), path="segments")
    patient = client.with_options(timeouts=Timeouts(settle=1_000))
    async with asyncio.timeout(30):
        segment = await patient.segments.create("Friends", "All of them")
    assert set(sandbox.segments) == {segment.id}


async def test_two_segments_alike_of_which_one_was_made_are_unknown(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), Reset(), path="segments")
    ends = await of_each(client.segments.create("Friends"), client.segments.create("Friends"))
    assert all(isinstance(error, OutcomeUnknown) and not error.candidates for error in ends)
    assert len(sandbox.segments) == 1


async def test_two_segments_of_other_names_do_not_stand_in_each_others_way(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    lose(sandbox, Reset(applied=True), Reset(), path="segments")
    await asyncio.gather(client.segments.create("Friends"), client.segments.create("Foes"))
    assert sorted(one.name for one in sandbox.segments.values()) == ["Foes", "Friends"]


async def test_a_chunk_makes_seven_hops_to_aiohttp(
    sandbox: Sandbox, client: AppcuesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hops: list[str] = []
    request = aiohttp.ClientSession._request

    async def counted(session: aiohttp.ClientSession, *args: Any, **options: Any) -> Any:
        frame = sys._getframe(1) if args[0] == "POST" else None
        while frame is not None and "Upload._sent" not in hops:
            hops.append(frame.f_code.co_qualname)  # type: ignore[attr-defined,unused-ignore]
            frame = frame.f_back
        return await request(session, *args, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", counted)
    await client.bulk.import_events(rows("Paid", 3))
    assert len(hops) == 7, hops
