"""The control plane, for other processes."""

from __future__ import annotations

import math
from typing import Any

import aiohttp
import pytest

from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller, FakeClock, Got


async def control(api: Caller, method: str, noun: str, content: Any = None) -> Got:
    headers = {"Authorization": f"Bearer {api.sandbox.token}"}
    async with api.session.request(
        method, f"{api.sandbox.url}/_sandbox/{noun}", json=content, headers=headers
    ) as response:
        return Got(response.status, response.headers, await response.read())


async def test_the_state_is_shown(api: Caller) -> None:
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
        ("POST", "clock", {"advance": 1e308}),
        ("POST", "clock", {"advance": 3_200_000_000}),
        ("POST", "rate_limit", {"rate_limit": 0}),
        ("POST", "rate_limit", {"rate_limit": "much"}),
        ("POST", "rate_limit", {}),
        ("POST", "seed", {"profiles": {"a": 1}}),
        ("POST", "seed", {"profiles": [1]}),
        ("POST", "seed", {"events": [{"user_id": "a"}]}),
        ("POST", "seed", {"events": [1]}),
        ("POST", "seed", {"segments": {"s": "abc"}}),
        ("POST", "seed", {"colour": "red"}),
        ("POST", "fail_next_job", {"colour": "red"}),
    ],
)
async def test_an_instruction_that_makes_no_sense_gets_400(
    api: Caller, method: str, noun: str, content: Any
) -> None:
    assert (await control(api, method, noun, content)).status == 400


async def test_an_unknown_noun_gets_404(api: Caller) -> None:
    assert (await control(api, "GET", "nothing")).status == 404


@pytest.mark.parametrize("body", [b'{"advance": NaN}', b"[" * 100_000, b"\xff", b'{"a":' * 100_000])
async def test_a_body_that_is_no_json_gets_400(api: Caller, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {api.sandbox.token}"}
    url = f"{api.sandbox.url}/_sandbox/clock"
    async with api.session.post(url, data=body, headers=headers) as response:
        assert response.status == 400
    assert (await api.get("jobs")).status == 200


async def test_the_rate_limit_is_set_and_lifted(api: Caller) -> None:
    await control(api, "POST", "rate_limit", {"rate_limit": 5})
    assert api.sandbox.rate_limit == 5
    assert (await control(api, "GET", "info")).json["rate_limit"] == 5
    await control(api, "POST", "rate_limit", {"rate_limit": None})
    assert api.sandbox.rate_limit is None


async def test_faults_are_shown_with_their_hits(api: Caller) -> None:
    await control(api, "POST", "faults", {"kind": "answer", "status": 503, "path": "/flows$"})
    await api.get("flows")
    (fault,) = (await control(api, "GET", "faults")).json
    assert (fault["kind"], fault["status"], fault["path"], fault["hits"]) == (
        "answer",
        503,
        "/flows$",
        1,
    )


async def test_the_live_view_counts_and_shows_the_latest(api: Caller) -> None:
    await api.ndjson("import/profiles", '{"user_id": "a", "x": 1}')
    api.sandbox.rate_limit = 1
    for _ in range(3):
        await api.get("flows")
    live = (await control(api, "GET", "live")).json
    assert live["totals"] == {"requests": 4, "jobs": 1, "profiles": 1, "events": 0, "segments": 0}
    assert live["requests"][-1]["excerpt"] == '{"user_id": "a", "x": 1}'
    assert [one["number"] for one in live["requests"]] == [4, 3, 2, 1]
    assert sum(one["requests"] for one in live["per_second"]) == 4
    assert sum(one["refused"] for one in live["per_second"]) > 0
    assert live["profiles"] == [{"user_id": "a", "attributes": {"x": 1}}]
    assert live["jobs"][0]["progress"] == 1


@pytest.mark.parametrize(
    ("seconds", "after", "progress", "left"),
    [(10, 0, 0.0, 10.0), (10, 5, 0.5, 5.0), (10, 10, 1.0, None), (math.inf, 5, None, None)],
)
async def test_the_live_view_shows_how_far_a_job_is(
    session: aiohttp.ClientSession,
    seconds: float,
    after: float,
    progress: float | None,
    left: float | None,
) -> None:
    async with Sandbox(job_seconds=seconds, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await api.ndjson("import/profiles", '{"user_id": "a"}')
        sandbox.advance(after)
        (job,) = (await control(api, "GET", "live")).json["jobs"]
    assert (job["progress"], job["seconds_left"]) == (progress, left)
