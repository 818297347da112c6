"""Requests of processes that are no more, as a journal has them."""

from __future__ import annotations

import time
from collections.abc import Collection

import attrs
import pytest

from appcues_async import (
    AppcuesClient,
    OutcomeUnknown,
    Timeouts,
)
from appcues_async.api.imports import IMPORT_EVENTS
from appcues_async.clock import SystemClock
from appcues_async.recovery.evidence import Claim, Owned
from appcues_async.recovery.starting import Starter
from appcues_async.rows import kinds
from appcues_async.rows.sources import body_of
from appcues_async.sandbox import Reset, Sandbox
from tests.api.conftest import asked
from tests.recovery.uploads import EVENTS, elsewhere, lose, recorded, rows


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
