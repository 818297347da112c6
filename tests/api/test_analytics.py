"""Analytics: rows at once, or a file when its job has ended."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from appcues_async import (
    AppcuesClient,
    BadRequest,
    InvalidInput,
    JobFailed,
    NoDownload,
    NotFound,
    OutcomeUnknown,
    UnexpectedReply,
    where,
)
from appcues_async.notices import Limits, Notice, ReplyReceived
from appcues_async.sandbox import Answer, Reset, Sandbox
from tests.api.conftest import answer, asked, sent

SPEC = {"metrics": ["users"], "dimensions": ["day"], "start_time": "2026-07-01"}
SECRET = "X-Amz-Signature=feedface"
"""The part of a link that must not be seen."""


async def test_a_question_is_answered_with_rows(sandbox: Sandbox, client: AppcuesClient) -> None:
    answer(sandbox, [{"day": "2026-07-01", "users": 3}])
    rows = await client.analytics.query(SPEC)
    assert rows == [{"day": "2026-07-01", "users": 3}]
    assert not rows.truncated
    assert asked(sandbox) == ["POST analytics/query"]
    assert sent(sandbox) == SPEC


@pytest.mark.parametrize(
    ("header", "truncated"), [("true", True), ("True", True), ("false", False)]
)
async def test_rows_that_were_left_out_are_said(
    sandbox: Sandbox, client: AppcuesClient, header: str, truncated: bool
) -> None:
    answer(sandbox, [], headers={"X-Rows-Truncated": header})
    assert (await client.analytics.query(SPEC)).truncated is truncated


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        (
            {"X-RateLimit-Remaining": "41", "X-Concurrency-Used": "2", "X-Rows-Truncated": "true"},
            Limits({"remaining": 41, "concurrency_used": 2}, rows_truncated=True),
        ),
        ({"Retry-After": "7"}, Limits({"retry_after": 7})),
        ({"Retry-After": "soon", "X-RateLimit-Limit": "-1"}, None),
        ({}, None),
    ],
)
async def test_a_listener_hears_what_an_answer_says_of_limits(
    sandbox: Sandbox, headers: dict[str, str], limits: Limits | None
) -> None:
    heard: list[Notice] = []
    answer(sandbox, [], headers=headers)
    async with AppcuesClient(**sandbox.credentials, on_notice=heard.append) as client:
        await client.analytics.query(SPEC)
    assert [one.limits for one in heard if isinstance(one, ReplyReceived)] == [limits]


async def test_conditions_and_dates_of_a_question_are_made_json(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, [])
    conditions = (where("flow_id") == "f1") & where("name").is_in(["a"])
    spec = {**SPEC, "conditions": conditions, "start_time": date(2026, 7, 1)}
    await client.analytics.query(spec)
    assert sent(sandbox) == {
        **SPEC,
        "conditions": [["flow_id", "==", "f1"], ["name", "in", ["a"]]],
    }


async def test_a_question_is_asked_again_when_its_answer_is_lost(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset())
    answer(sandbox, [])
    await client.analytics.query(SPEC)
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ("users by day", "spec is a str; it must be a mapping"),
        ({"limit": float("nan")}, "spec.limit is nan"),
        ({"conditions": "x"}, "conditions is 'x'; give a list"),
    ],
)
async def test_what_json_cannot_hold_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, spec: Mapping[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        await client.analytics.query(spec)
    assert not sandbox.requests


async def test_what_the_server_rules_out_is_a_bad_request(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, {"detail": "time range exceeds the 90-day maximum"}, status=400)
    with pytest.raises(BadRequest, match="90-day maximum"):
        await client.analytics.query(SPEC)


async def test_an_answer_that_is_no_rows_is_unexpected(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, [1, 2], times=None)
    with pytest.raises(UnexpectedReply, match="not a list of objects"):
        await client.analytics.query(SPEC)


def stands(sandbox: Sandbox, status: str, times: int | None = None, **others: object) -> None:
    """Has the sandbox say how the export `e1` stands."""
    content = {"job_id": "e1", "status": status, "download_url": None, **others}
    answer(sandbox, content, path="/analytics/exports/e1$", times=times)


def accept(sandbox: Sandbox) -> None:
    """Has the sandbox accept an export as `e1`."""
    answer(sandbox, {"job_id": "e1", "status": "queued"}, status=202, path="/analytics/exports$")


async def test_an_export_is_awaited_from_queued_to_done(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    accept(sandbox)
    stands(sandbox, "queued", 2)
    stands(sandbox, "running", 2)
    stands(sandbox, "done")
    handle = await client.analytics.export(SPEC)
    seen = [job.status async for job in handle]
    assert seen == ["queued", "running", "COMPLETED"]
    job = await handle
    assert (job.id, job.ended, job.url) == ("e1", True, handle.url)
    assert set(asked(sandbox)) == {"POST analytics/exports", "GET analytics/exports/e1"}


async def test_an_export_that_failed_says_why(sandbox: Sandbox, client: AppcuesClient) -> None:
    accept(sandbox)
    stands(sandbox, "failed", failure_reason="query timeout")
    with pytest.raises(JobFailed, match="query timeout"):
        await (await client.analytics.export(SPEC))


async def test_a_status_not_seen_before_is_still_running(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    accept(sandbox)
    stands(sandbox, "compressing", 1)
    stands(sandbox, "done")
    assert (await (await client.analytics.export(SPEC))).status == "COMPLETED"


async def test_an_export_is_never_looked_for_in_the_list_of_jobs(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    accept(sandbox)
    stands(sandbox, "running", 2)
    stands(sandbox, "done")
    one = await client.analytics.export(SPEC)
    two = client.jobs.resume(one.token)
    other = await client.imports.profiles([{"user_id": "007"}])
    await client.jobs.wait_all([one, two, other])
    assert "GET jobs" not in asked(sandbox)
    assert f"GET jobs/{other.id}" in asked(sandbox)


@pytest.mark.parametrize("how", ["token", "url"])
async def test_a_wait_for_an_export_is_taken_up_again(
    sandbox: Sandbox, client: AppcuesClient, how: str
) -> None:
    accept(sandbox)
    handle = await client.analytics.export(SPEC)
    assert handle.url.endswith("/v2/accounts/sandbox-account/analytics/exports/e1")
    stands(sandbox, "done")
    again = client.jobs.resume(getattr(handle, how))
    assert (await again).status == "COMPLETED"
    assert again.token == handle.token


async def test_an_export_that_never_was_is_not_found(client: AppcuesClient) -> None:
    url = "https://api.appcues.com/v2/accounts/sandbox-account/analytics/exports/e1"
    with pytest.raises(NotFound):
        await client.jobs.resume(url)


async def test_an_export_whose_answer_was_lost_is_not_started_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset())
    with pytest.raises(OutcomeUnknown):
        await client.analytics.export(SPEC)
    assert len(sandbox.requests) == 1


async def test_the_file_is_fetched_by_the_newest_link_without_credentials(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    accept(sandbox)
    for number in (1, 2):
        stands(sandbox, "done", 1, download_url=f"{sandbox.url}/bucket/{number}?{SECRET}")
    sandbox.faults.add(Answer(200, body="day,users\n"), path="/bucket/")
    handle = await client.analytics.export(SPEC)
    path = await handle.download(tmp_path / "rows.csv")
    assert path.read_text() == "day,users\n"
    assert sandbox.requests[-1].path == "/bucket/2"
    assert not sandbox.requests[-1].authorized
    assert SECRET not in repr(handle.job)


async def test_a_done_export_without_a_link_has_no_download(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    accept(sandbox)
    stands(sandbox, "done")
    with pytest.raises(NoDownload) as caught:
        await (await client.analytics.export(SPEC)).download(tmp_path / "rows.csv")
    assert "shows no link" in str(caught.value)


async def test_an_export_that_cannot_be_read_is_quoted_without_its_link(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path
) -> None:
    accept(sandbox)
    stands(sandbox, "done", 1)
    answer(sandbox, {"download_url": f"https://bucket.example.com/?{SECRET}"}, times=None)
    with pytest.raises(UnexpectedReply) as caught:
        await (await client.analytics.export(SPEC)).download(tmp_path / "rows.csv")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
