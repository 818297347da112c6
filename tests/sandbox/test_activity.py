"""Version 1: activity without credentials."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.caller import Caller, Got

EVENT = {"name": "clicked widget", "timestamp": 1_452_854_179}


async def send(api: Caller, content: Any, *, path: str = "users/u1/activity") -> Got:
    url = f"{api.sandbox.url}/v1/accounts/sandbox-account/{path}"
    headers = {"Content-Type": "application/json"}
    async with api.session.post(url, data=json.dumps(content), headers=headers) as response:
        return Got(response.status, response.headers, await response.read())


async def test_events_and_a_profile_update_are_recorded(api: Caller) -> None:
    content = {"events": [{**EVENT, "attributes": {"a": 1}}], "profile_update": {"tier": "x"}}
    assert (await send(api, content)).json == {"ok": True}
    assert api.sandbox.events == [{"user_id": "u1", **EVENT, "attributes": {"a": 1}}]
    assert api.sandbox.profiles == {"u1": {"tier": "x"}}
    assert api.sandbox.requests[-1].authorized is False


async def test_the_request_id_comes_back(api: Caller) -> None:
    got = await send(api, {"profile_update": {}, "request_id": "abc"})
    assert got.json == {"ok": True, "request_id": "abc"}


async def test_an_event_in_unix_time_is_listed_with_the_others(api: Caller) -> None:
    await send(api, {"events": [EVENT]})
    (listed,) = (await api.get("users/u1/events")).json
    assert listed["timestamp"] == "2016-01-15T10:36:19.000Z"


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"events": {}},
        {"events": ["x"]},
        {"events": [{"name": "x"}]},
        {"events": [{**EVENT, "timestamp": 1_452_854_179_000_000}]},
        {"events": [{**EVENT, "timestamp": True}]},
        {"events": [{**EVENT, "name": "appcues:x"}]},
        {"events": [{**EVENT, "attributes": []}]},
        {"events": [EVENT, {}]},
        {"profile_update": []},
    ],
)
async def test_what_is_not_valid_gets_400_in_its_own_form(api: Caller, content: Any) -> None:
    got = await send(api, content)
    assert got.status == 400
    assert got.json["error"] is True
    assert got.json["status_code"] == 400
    assert set(got.json["message"]) == {"description", "title", "type"}
    assert api.sandbox.events == []


async def test_an_unknown_route_gets_404_in_its_own_form(api: Caller) -> None:
    got = await send(api, {}, path="users/u1/history")
    assert got.json["status_code"] == 404
    assert got.json["message"]["description"].startswith("No route found for POST /v1/accounts/")


async def test_an_unknown_account_gets_404(api: Caller) -> None:
    got = await send(api, {}, path="../../accounts/other/users/u1/activity")
    assert got.status == 404


async def test_milliseconds_are_taken_as_the_ios_sdk_sends_them(api: Caller) -> None:
    sent = {"events": [{**EVENT, "timestamp": 1_452_854_179_123}]}
    assert (await send(api, sent)).status == 200
    (listed,) = (await api.get("users/u1/events")).json
    assert listed["timestamp"] == "2016-01-15T10:36:19.123Z"
