"""Version 1: events and a profile in one request, without credentials."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from aioresponses import aioresponses
from yarl import URL

from appcues_async import AppcuesClient, BadRequest, InvalidInput, OutcomeUnknown
from appcues_async.sandbox import Answer, Reset, Sandbox
from tests.api.conftest import sent

NOON = datetime(2026, 7, 14, 12, tzinfo=UTC)


async def test_events_and_a_profile_update_go_out_together(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.activity.record(
        "a/b",
        events=[{"name": "Paid", "timestamp": NOON, "attributes": {"items": ["x"]}}],
        profile_update={"plan": "pro"},
        request_id="r1",
    )
    assert sandbox.requests[0].path == "/v1/accounts/sandbox-account/users/a%2Fb/activity"
    assert sent(sandbox) == {
        "request_id": "r1",
        "events": [
            {
                "name": "Paid",
                "timestamp": "2026-07-14T12:00:00+00:00",
                "attributes": {"items": ["x"]},
            }
        ],
        "profile_update": {"plan": "pro"},
    }
    assert sandbox.profiles["a/b"] == {"plan": "pro"}
    assert sandbox.events[0]["name"] == "Paid"


async def test_no_credentials_are_sent(sandbox: Sandbox, client: AppcuesClient) -> None:
    await client.activity.record("007", profile_update={"plan": "pro"})
    assert not sandbox.requests[0].authorized


async def test_an_account_in_the_eu_has_another_server(replies: aioresponses) -> None:
    url = "https://api.eu.appcues.net/v1/accounts/123/users/007/activity"
    replies.post(url, payload={"ok": True})
    async with AppcuesClient("123", "key", "secret", region="eu", throttle=None) as client:
        await client.activity.record("007", profile_update={"plan": "pro"})
    assert ("POST", URL(url)) in replies.requests


async def test_events_without_a_time_are_of_now(sandbox: Sandbox, client: AppcuesClient) -> None:
    before = datetime.now(UTC)
    await client.activity.record("007", events=[{"name": "a"}, {"name": "b", "timestamp": None}])
    first, second = (one["timestamp"] for one in sent(sandbox)["events"])
    assert first == second
    assert before <= datetime.fromisoformat(first) <= datetime.now(UTC)


async def test_a_profile_update_whose_answer_was_lost_is_sent_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset(applied=True))
    await client.activity.record("007", profile_update={"plan": "pro"})
    assert len(sandbox.requests) == 2


async def test_events_whose_answer_was_lost_are_not_sent_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset(applied=True))
    with pytest.raises(OutcomeUnknown):
        await client.activity.record("007", events=[{"name": "Paid"}])
    assert len(sandbox.events) == 1


async def test_its_own_form_of_error_is_read(sandbox: Sandbox, client: AppcuesClient) -> None:
    message = '{"error": true, "message": {"title": "bad", "description": "no good"}}'
    sandbox.faults.add(Answer(400, body=message))
    with pytest.raises(BadRequest) as caught:
        await client.activity.record("007", profile_update={"plan": "pro"})
    assert caught.value.problem is not None
    assert (caught.value.problem.title, caught.value.problem.detail) == ("bad", "no good")


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, "there is nothing to record; give events, profile_update or both"),
        ({"request_id": "r1"}, "there is nothing to record"),
        ({"profile_update": {}}, "there is nothing to record"),
        ({"events": {"name": "Paid"}}, r"events is \{.*\}; give a list of events"),
        ({"events": ["Paid"]}, r"events\[0\] is 'Paid'; an event is a mapping"),
        ({"events": [{"name": "a"}, {}]}, r"events\[1\].name is None"),
        ({"events": [{"name": "x" * 128}]}, r"events\[0\].name is 128 characters"),
        ({"events": [{"name": "appcues:x"}]}, r"events\[0\].name .* reserved"),
        (
            {"events": [{"name": "a", "timestamp": 1_452_854_179_123}]},
            r"events\[0\].timestamp is 1452854179123, .* milliseconds .* takes seconds: 1452854179$",
        ),
        ({"events": [{"name": "a", "timestamp": 1452854179.5}]}, "is 1452854179.5, a float"),
        ({"events": [{"name": "a", "timestamp": -1}]}, "not negative"),
        ({"events": [{"name": "a", "timestamp": True}]}, "is True; it must be an aware datetime"),
        ({"events": [{"name": "a", "color": "red"}]}, r"events\[0\] has the field 'color'"),
        ({"profile_update": {"tags": []}}, r"profile_update.tags is a list"),
        ({"profile_update": {"a": 1}, "request_id": ""}, "request_id is ''"),
    ],
)
async def test_what_would_be_lost_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, given: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        await client.activity.record("007", **given)
    assert not sandbox.requests


@pytest.mark.parametrize("seconds", [0, 1_452_854_179, np.int64(1_452_854_179)])
async def test_a_time_may_be_unix_seconds(
    sandbox: Sandbox, client: AppcuesClient, seconds: int
) -> None:
    await client.activity.record("007", events=[{"name": "Paid", "timestamp": seconds}])
    (event,) = sent(sandbox)["events"]
    assert event["timestamp"] == int(seconds)
    assert type(event["timestamp"]) is int


async def test_not_strict_lets_through_other_fields_of_events(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    event = {"name": "Paid", "timestamp": NOON, "context": {"url": "https://example.com"}}
    await client.activity.record("007", events=[event], strict=False)
    assert sent(sandbox)["events"][0]["context"] == {"url": "https://example.com"}
