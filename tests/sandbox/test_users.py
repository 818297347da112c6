"""End users, one at a time."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.caller import Caller

EVENT = {"name": "Verified email", "timestamp": "2026-08-10T09:41:53-04:00"}


async def test_a_profile_is_made_and_read(api: Caller) -> None:
    got = await api.send_json("PATCH", "users/u1/profile", {"plan": "pro", "seats": 3})
    assert got.json == {"status": 200, "title": "OK"}
    assert (await api.get("users/u1/profile")).json == {"plan": "pro", "seats": 3}


async def test_a_profile_keeps_what_an_update_does_not_name(api: Caller) -> None:
    api.sandbox.profiles["u1"] = {"a": 1, "b": 1}
    await api.send_json("PATCH", "users/u1/profile", {"b": 2})
    assert api.sandbox.profiles["u1"] == {"a": 1, "b": 2}


async def test_lists_and_objects_are_dropped_without_a_word(api: Caller) -> None:
    await api.send_json("PATCH", "users/u1/profile", {"a": [1], "b": {"c": 1}, "d": 1})
    assert api.sandbox.profiles["u1"] == {"d": 1}


async def test_a_profile_comes_as_csv(api: Caller) -> None:
    api.sandbox.profiles["u1"] = {"name": "Harriet, P.", "vip": True, "age": None}
    got = await api.get("users/u1/profile", headers={"Accept": "text/csv"})
    assert got.text == 'name,vip,age\n"Harriet, P.",true,\n'


async def test_an_unknown_user_has_no_profile(api: Caller) -> None:
    assert (await api.get("users/nobody/profile")).status == 404


async def test_a_profile_is_an_object_in_json(api: Caller) -> None:
    assert (await api.send_json("PATCH", "users/u1/profile", [])).status == 400
    assert (await api("PATCH", "users/u1/profile", b"a=1", kind="text/csv")).status == 415
    assert api.sandbox.profiles == {}


@pytest.mark.parametrize("user_id", ["a/b", "a?b", "a#b", "a%2Fb", "a b", "é", "..", "a+b@c.d"])
async def test_an_id_is_what_its_part_of_the_path_decodes_to(api: Caller, user_id: str) -> None:
    path = f"users/{quote(user_id, safe='').replace('.', '%2E')}/profile"
    await api.send_json("PATCH", path, {"x": 1})
    assert api.sandbox.profiles == {user_id: {"x": 1}}
    assert api.sandbox.requests[-1].path.endswith(path)


async def test_a_deleted_profile_takes_its_events_along(api: Caller) -> None:
    for user_id in ("u1", "u2"):
        await api.send_json("PATCH", f"users/{user_id}/profile", {"x": 1})
        await api.send_json("POST", f"users/{user_id}/events", EVENT)
    assert (await api("DELETE", "users/u1/profile")).status == 202
    assert set(api.sandbox.profiles) == {"u2"}
    assert [event["user_id"] for event in api.sandbox.events] == ["u2"]


async def test_an_event_is_tracked(api: Caller) -> None:
    got = await api.send_json("POST", "users/u1/events", {**EVENT, "attributes": {"a": [1]}})
    assert got.json == {"status": 200, "title": "OK"}
    assert api.sandbox.events == [{"user_id": "u1", **EVENT, "attributes": {"a": [1]}}]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"name": None}, "`name` is required but missing"),
        ({"timestamp": None}, "`timestamp` is required but missing"),
        ({"name": "appcues:x"}, "`name` must have 1 to 127 characters and not start with appcues:"),
        ({"name": "x" * 128}, "`name` must have 1 to 127 characters and not start with appcues:"),
        ({"timestamp": 1}, "`timestamp` must be a date and time in ISO 8601 format"),
        ({"attributes": []}, "`attributes` must be an object"),
    ],
)
async def test_an_event_that_is_not_valid_gets_400(
    api: Caller, fields: dict[str, Any], detail: str
) -> None:
    got = await api.send_json("POST", "users/u1/events", {**EVENT, **fields})
    assert (got.status, got.detail) == (400, detail)
    assert api.sandbox.events == []


async def track(api: Caller, *times: str) -> None:
    for number, timestamp in enumerate(times):
        content = {"name": f"e{number}", "timestamp": timestamp, "attributes": {"n": number}}
        await api.send_json("POST", "users/u1/events", content)


async def test_events_are_listed_most_recent_first(api: Caller) -> None:
    await track(api, "2026-01-01T00:00:00Z", "2026-01-01T03:00:00+02:00", "2026-01-01T00:30:00")
    listed = (await api.get("users/u1/events")).json
    assert [(event["name"], event["timestamp"]) for event in listed] == [
        ("e1", "2026-01-01T01:00:00.000Z"),
        ("e2", "2026-01-01T00:30:00.000Z"),
        ("e0", "2026-01-01T00:00:00.000Z"),
    ]


async def test_a_user_s_events_are_their_own(api: Caller) -> None:
    await track(api, "2026-01-01T00:00:00Z")
    assert (await api.get("users/u2/events")).json == []


async def test_events_are_limited_to_100_or_what_is_asked_for(api: Caller) -> None:
    event = {"user_id": "u1", **EVENT, "attributes": {}}
    api.sandbox.events.extend([event] * 150)
    assert len((await api.get("users/u1/events")).json) == 100
    assert len((await api.get("users/u1/events?limit=120")).json) == 120


@pytest.mark.parametrize("zone", ["-04:00", "-240"])
async def test_events_are_shown_in_the_time_zone_asked_for(api: Caller, zone: str) -> None:
    await track(api, "2026-01-01T12:00:00Z")
    (event,) = (await api.get(f"users/u1/events?time_zone={zone}")).json
    assert event["timestamp"] == "2026-01-01T08:00:00.000-04:00"


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=-1", "limit=", "time_zone=EST", "time_zone=+04:00", "time_zone=1440"],
)
async def test_a_bad_query_gets_400(api: Caller, query: str) -> None:
    assert (await api.get(f"users/u1/events?{query}")).status == 400


async def test_a_plus_in_a_time_zone_must_be_encoded(api: Caller) -> None:
    assert (await api.get("users/u1/events?time_zone=%2B04:00")).status == 200


async def test_events_come_as_csv_with_a_column_per_attribute(api: Caller) -> None:
    first = {**EVENT, "attributes": {"url": "/a"}}
    second = {**EVENT, "attributes": {"button": "Go, home"}}
    for content in (first, second):
        await api.send_json("POST", "users/u1/events", content)
    got = await api.get("users/u1/events", headers={"Accept": "text/csv"})
    header, *lines = got.text.splitlines()
    assert header == "user_id,timestamp,name,attributes.button,attributes.url"
    assert lines[1] == 'u1,2026-08-10T13:41:53.000Z,Verified email,"Go, home",'


async def test_events_among_many_are_found_without_holding_the_loop(api: Caller) -> None:
    event = {"user_id": "u2", **EVENT, "attributes": {}}
    api.sandbox.events.extend([event] * 30_000)
    await track(api, "2026-01-01T00:00:00Z")
    assert len((await api.get("users/u1/events")).json) == 1
