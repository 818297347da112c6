"""Replies that say no, or cannot be read, are errors of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appcues_async import (
    AppcuesClient,
    BadRequest,
    Delivery,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ReplyError,
    RetryPolicy,
    ServerError,
    Throttled,
    Unauthorized,
    UnexpectedReply,
)
from appcues_async.sandbox import Answer, Sandbox
from tests.api.conftest import names


async def test_an_error_names_status_title_and_detail(client: AppcuesClient) -> None:
    with pytest.raises(NotFound) as caught:
        await client.segments.get("nowhere")
    error = caught.value
    assert error.status == 404
    assert error.problem is not None
    assert error.problem.title == "Not Found"
    assert str(error).startswith("GET segments/{segment_id}: 404 Not Found: ")
    assert error.delivery is Delivery.REFUSED


async def test_a_wrong_key_is_unauthorized_and_asked_once(sandbox: Sandbox) -> None:
    wrong: dict[str, Any] = {**sandbox.credentials, "api_secret": "wrong"}
    async with AppcuesClient(**wrong) as client:
        with pytest.raises(Unauthorized):
            await client.segments.list()
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequest), (403, Forbidden), (429, Throttled), (500, ServerError), (503, ServerError)],
)
async def test_statuses_are_errors_of_their_own(
    sandbox: Sandbox, client: AppcuesClient, status: int, kind: type[Exception]
) -> None:
    sandbox.faults.add(Answer(status), times=None)
    with pytest.raises(kind):
        await client.segments.list()


async def test_a_web_page_from_a_proxy_is_read_as_text(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer.html(403))
    with pytest.raises(Forbidden, match="Sorry"):
        await client.segments.list()


async def test_redirects_are_refused_and_not_followed(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    async with Sandbox() as elsewhere:
        sandbox.faults.add(Answer.redirect(elsewhere.url))
        with pytest.raises(UnexpectedReply, match="redirect"):
            await client.imports.profiles([{"user_id": "007"}])
        assert not elsewhere.requests
    assert len(sandbox.requests) == 1


async def test_a_success_that_is_no_json_is_unexpected(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer.html(200), times=None)
    with pytest.raises(UnexpectedReply, match="not JSON"):
        await client.segments.list()


async def test_a_page_is_no_success_where_nothing_is_read_of_one(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer.html(200), times=None)
    with pytest.raises(UnexpectedReply, match="not an answer of the API"):
        await client.users.update_profile("007", {"plan": "pro"})
    with pytest.raises(OutcomeUnknown, match="not an answer of the API"):
        await client.users.track_event("007", "seen")
    with pytest.raises(UnexpectedReply, match="not an answer of the API"):
        await client.gdpr.delete(["007"], legacy_api_key=sandbox.legacy_api_key)


@pytest.mark.parametrize("fault", [Answer.html(200), Answer(204, body="")])
async def test_what_is_no_file_is_not_kept_as_one(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, fault: Answer
) -> None:
    sandbox.faults.add(fault, times=None)
    with pytest.raises(UnexpectedReply):
        await client.screenshots.download("flow1", tmp_path / "flow1.zip")
    assert names(tmp_path) == []


async def test_what_is_to_be_seen_elsewhere_may_have_been_done(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(303, body="", headers={"Location": "/"}, applied=True))
    with pytest.raises(OutcomeUnknown, match="a redirect, which is not followed"):
        await client.users.track_event("007", "seen")
    assert len(sandbox.events) == 1


async def test_an_answer_that_is_too_large_is_not_read(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(200, body=b"[" + b" " * (17 << 20) + b"]"))
    client = client.with_options(retry=RetryPolicy(attempts=1))
    with pytest.raises(OutcomeUnknown, match="over 16,777,216 bytes"):
        await client.segments.list()


async def test_a_413_names_the_option_and_does_not_repeat_the_page(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    page = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body><center>"
    page += (
        b"<h1>413 Request Entity Too Large</h1></center><hr><center>nginx</center></body></html>"
    )
    sandbox.faults.add(Answer(413, body=page, headers={"Content-Type": "text/html"}))
    with pytest.raises(ReplyError) as caught:
        await client.imports.profiles([{"user_id": "007"}])
    assert str(caught.value) == (
        "POST import/profiles: 413 Request Entity Too Large nginx; "
        "send less at a time, with a smaller chunk_bytes of client.bulk"
    )
