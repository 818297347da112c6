"""Runs that wait for each job before the next chunk."""

from __future__ import annotations

import pytest

from appcues_async import (
    AppcuesClient,
    InvalidInput,
    JobPending,
    Timeouts,
)
from appcues_async.sandbox import Answer, Sandbox
from tests.bulk.profiles import CSV
from tests.conftest import AT_ONCE


async def test_ordered_sends_a_chunk_after_the_last_ones_job_has_ended() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=0.01) as sandbox,
        AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client,
    ):
        source = [{"user_id": "1", "n": number} for number in range(400)]
        report = await client.bulk.import_profiles(source, ordered=True, chunk_bytes=2_000)
        assert report.chunks > 3
        kinds = [request.method for request in sandbox.requests]
        assert "POST POST" not in " ".join(kinds)
        assert sandbox.profiles == {"1": {"n": 399}}


async def test_ordered_stops_where_a_job_is_not_known_to_have_ended() -> None:
    async with (
        Sandbox(rate_limit=None, job_seconds=3600) as sandbox,
        AppcuesClient(
            **sandbox.credentials, polling=AT_ONCE, timeouts=Timeouts(wait=0.05)
        ) as client,
    ):
        report = await client.bulk.import_profiles(
            CSV, ordered=True, chunk_bytes=2_000, on_failure="report"
        )
    (outcome,) = report.outcomes
    assert outcome.status == "accepted"
    assert isinstance(outcome.error, JobPending)
    assert (report.cancelled, report.read_to_end) == (True, False)
    assert "stopped before the end of the source" in report.summary()


async def test_ordered_goes_on_after_a_chunk_that_was_refused(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(400), method="POST")
    report = await client.bulk.import_profiles(
        CSV, ordered=True, chunk_bytes=2_000, on_failure="report"
    )
    statuses = [outcome.status for outcome in report.outcomes]
    assert statuses == ["refused", *["completed"] * (report.chunks - 1)]
    assert report.read_to_end


async def test_ordered_without_waiting_is_refused(client: AppcuesClient) -> None:
    with pytest.raises(InvalidInput, match="ordered is True and wait is False"):
        client.bulk.import_profiles(CSV, ordered=True, wait=False)
