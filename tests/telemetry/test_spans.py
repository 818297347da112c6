"""A span for each operation, named by its route; none of them shows an id."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from appcues_async import AppcuesClient, BulkFailed, JobFailed, NotFound
from appcues_async.sandbox import Answer, JobPlan, Sandbox
from tests.telemetry.conftest import ACCOUNT, Seen, attributes_of

UPDATE = f"PATCH {ACCOUNT}/users/{{user_id}}/profile"
IMPORT = f"POST {ACCOUNT}/import/profiles"
ROWS = [{"user_id": "secret-id", "plan": "pro"}, {"user_id": "008", "plan": "free"}]


async def test_a_call_is_a_span_of_a_client(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    await client.users.update_profile("007", {"plan": "pro"})
    span, parts = seen.span(UPDATE), urlsplit(sandbox.url)
    assert (span.kind, span.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
    assert attributes_of(span) == {
        "http.request.method": "PATCH",
        "url.template": f"{ACCOUNT}/users/{{user_id}}/profile",
        "server.address": parts.hostname,
        "server.port": parts.port,
        "http.response.status_code": 200,
    }


async def test_an_error_is_named_by_its_status_and_not_told(
    client: AppcuesClient, seen: Seen
) -> None:
    with pytest.raises(NotFound):
        await client.flows.get("secret-id")
    span = seen.span(f"GET {ACCOUNT}/flows/{{flow_id}}")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "NotFound")
    assert attributes_of(span)["error.type"] == "404"
    assert "secret-id" not in span.to_json()


async def test_attempts_that_failed_are_events(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.faults.add(Answer(503))
    sandbox.faults.add(Answer(429))
    await client.users.update_profile("007", {"plan": "pro"})
    span = seen.span(UPDATE)
    told = [dict(event.attributes or {}) for event in span.events]
    assert [one["error.type"] for one in told] == ["ServerError", "Throttled"]
    assert [one["http.response.status_code"] for one in told] == [503, 429]
    assert [one["appcues.attempt.number"] for one in told] == [1, 2]
    assert attributes_of(span)["http.request.resend_count"] == 2
    assert attributes_of(span)["http.response.status_code"] == 200


async def test_a_request_of_the_callers_own_shows_no_path(
    client: AppcuesClient, seen: Seen
) -> None:
    with pytest.raises(NotFound):
        await client.request("GET", "flows/secret-id")
    assert "secret-id" not in seen.span(f"GET {ACCOUNT}/{{path}}").to_json()


async def test_what_is_recorded_by_version_1_goes_to_its_own_path(
    client: AppcuesClient, seen: Seen
) -> None:
    await client.activity.record("007", profile_update={"plan": "pro"})
    (span,) = seen.spans
    assert str(attributes_of(span)["url.template"]).startswith("/v1/accounts/{account_id}/")


async def test_a_bulk_run_holds_its_uploads_and_waits(client: AppcuesClient, seen: Seen) -> None:
    with trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        await client.bulk.import_profiles(ROWS)
    run, wait, upload = (
        seen.span(name) for name in ("bulk profiles", "wait import/profiles", IMPORT)
    )
    assert run.context is not None
    assert [one.parent and one.parent.span_id for one in (wait, upload)] == [
        run.context.span_id,
        run.context.span_id,
    ]
    assert not [one for one in seen.spans if "secret-id" in one.to_json()]


async def test_a_job_that_failed_is_an_error_of_its_wait(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.plan_next_job(JobPlan(status="FAILED"))
    job = await client.imports.profiles(ROWS)
    with pytest.raises(JobFailed):
        await job
    span = seen.span("wait import/profiles")
    assert attributes_of(span)["error.type"] == "JobFailed"
    assert job.id not in span.to_json()


async def test_a_wait_that_is_cancelled_is_no_error(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.plan_next_job(JobPlan(seconds=3600))
    job = await client.imports.profiles(ROWS)
    waiting = asyncio.create_task(job.wait())
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait([waiting])
    span = seen.span("wait import/profiles")
    assert (span.status.status_code, span.events[0].name) == (StatusCode.UNSET, "cancelled")


async def test_a_sync_is_a_span(client: AppcuesClient, seen: Seen, tmp_path: Path) -> None:
    await client.sync.profiles(ROWS, state=tmp_path / "users.db")
    sync, run = seen.span("sync"), seen.span("bulk profiles")
    assert sync.context is not None
    assert run.parent is not None
    assert run.parent.span_id == sync.context.span_id


async def test_a_batch_of_an_outbox_is_a_span(client: AppcuesClient, seen: Seen) -> None:
    async with client.outbox(every=0.05) as outbox:
        await outbox.update_profile("007", {"plan": "pro"})
        await outbox.flush(wait=True)
    batch, upload = seen.span("outbox batch profiles"), seen.span(IMPORT)
    assert batch.context is not None
    assert upload.parent is not None
    assert upload.parent.span_id == batch.context.span_id


async def test_a_run_that_was_refused_is_an_error(
    client: AppcuesClient, sandbox: Sandbox, seen: Seen
) -> None:
    sandbox.faults.add(Answer(403), times=None)
    with pytest.raises(BulkFailed):
        await client.bulk.import_profiles(ROWS)
    assert attributes_of(seen.span(IMPORT))["error.type"] == "403"
