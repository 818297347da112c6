"""The sandbox's own address, for other processes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import Caller, Got


async def control(api: Caller, method: str, noun: str, content: Any = None) -> Got:
    async with api.session.request(
        method, f"{api.sandbox.url}/_sandbox/{noun}", json=content
    ) as response:
        return Got(response.status, response.headers, await response.read())


async def test_the_state_is_shown_without_credentials(api: Caller) -> None:
    await api.ndjson("import/profiles", '{"user_id": "a", "x": 1}')
    made = await api.send_json("POST", "segments", {"name": "x"})
    api.sandbox.segments[made.json["id"]].user_ids.update("ba")
    state = (await control(api, "GET", "state")).json
    assert state["profiles"] == {"a": {"x": 1}}
    assert state["segments"][made.json["id"]]["user_ids"] == ["a", "b"]
    assert [job["status"] for job in state["jobs"].values()] == ["COMPLETED"]
    assert set(state["flows"]) == {"flow1", "flow2"}


async def test_all_that_the_account_holds_is_shown(api: Caller) -> None:
    await api.send_json("POST", "groups/g1/users", {"user_ids": ["b", "a"]})
    api.sandbox.customerio_segments[1].add("c")
    state = (await control(api, "GET", "state")).json
    assert state["groups"] == {"g1": {"attributes": {}, "user_ids": ["a", "b"]}}
    assert state["customerio_segments"] == {"1": ["c"]}
    assert set(state["experiences"]["pins"]) == {"pin1", "pin2"}
    assert set(state["checklists"]) == {"checklist1", "checklist2"}
    assert set(state["tags"]) == {"tag1", "tag2"}


async def test_requests_are_shown_without_credentials_in_them(api: Caller) -> None:
    await api.get("flows")
    got = await control(api, "GET", "requests")
    (entry,) = got.json
    assert (entry["method"], entry["status"], entry["authorized"]) == ("GET", 200, True)
    assert api.authorization not in got.text


async def test_control_is_not_logged(api: Caller) -> None:
    await control(api, "GET", "state")
    assert api.sandbox.requests == []


async def test_time_is_moved(api: Caller) -> None:
    before = api.sandbox.time()
    assert (await control(api, "POST", "clock", {"advance": 3600})).json == {"ok": True}
    assert api.sandbox.time() - before >= 3600


async def test_it_starts_over(api: Caller) -> None:
    api.sandbox.profiles["a"] = {}
    await control(api, "POST", "reset")
    assert api.sandbox.profiles == {}


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "answer", "status": 503, "body": "x", "headers": {"Retry-After": "1"}},
        {"kind": "answer", "status": 503, "path": "/flows$", "method": "GET", "times": 1},
    ],
)
async def test_a_fault_is_added(api: Caller, content: dict[str, Any]) -> None:
    assert (await control(api, "POST", "faults", content)).status == 200
    assert (await api.get("flows")).status == 503
    assert (await api.get("flows")).status == 200


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "amend", "fields": {"status": "PAUSED"}},
        {"kind": "close"},
        {"kind": "misstate", "by": 3},
        {"kind": "raw", "data": "HTTP/9"},
        {"kind": "reset", "after": 5, "times": None},
        {"kind": "stall", "at": "body", "seconds": 0.1},
        {"kind": "truncate", "keep": 3},
    ],
)
async def test_every_kind_of_fault_can_be_added(api: Caller, content: dict[str, Any]) -> None:
    assert (await control(api, "POST", "faults", content)).status == 200
    assert api.sandbox.faults.take("GET", "/") is not None


async def test_faults_are_ended(api: Caller) -> None:
    await control(api, "POST", "faults", {"kind": "answer", "status": 503, "times": None})
    await control(api, "DELETE", "faults")
    assert (await api.get("flows")).status == 200


@pytest.mark.parametrize(
    ("method", "noun", "content"),
    [
        ("POST", "faults", {"kind": "earthquake"}),
        ("POST", "faults", {"kind": "answer"}),
        ("POST", "faults", {"kind": "answer", "status": 503, "colour": "red"}),
        ("POST", "faults", {"kind": "reset", "applied": True, "after": 5}),
        ("POST", "faults", {"kind": "close", "path": "("}),
        ("POST", "faults", []),
        ("POST", "clock", {"advance": -1}),
        ("POST", "clock", {"advance": True}),
        ("POST", "clock", {}),
    ],
)
async def test_an_instruction_that_makes_no_sense_gets_400(
    api: Caller, method: str, noun: str, content: Any
) -> None:
    assert (await control(api, method, noun, content)).status == 400


async def test_an_unknown_noun_gets_404(api: Caller) -> None:
    assert (await control(api, "GET", "nothing")).status == 404
