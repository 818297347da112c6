"""What is in the file of an event export."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller

EVENTS: list[dict[str, Any]] = [
    {"user_id": "a", "name": "appcues:flow", "timestamp": "2026-07-14T12:00:00Z", "attributes": {}},
    {
        "user_id": "a",
        "name": "bought",
        "timestamp": "2026-07-15T00:00:00+02:00",
        "attributes": {"flow_id": "f1", "price": 7},
    },
    {"user_id": "b", "name": "Bought it", "timestamp": 1_784_116_800, "attributes": {}},
]
EXPORT = {"email": "a@example.com", "format": "json", "conditions": [], "start_time": "2026-07-01"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(rate_limit=None, export_links=True) as sandbox:
        sandbox.events.extend(EVENTS)
        yield sandbox


async def export(api: Caller, **fields: Any) -> str:
    """The text of the file."""
    job = await api.job(await api.send_json("POST", "export/events", EXPORT | fields))
    async with api.session.get(job["events"][-1]["attributes"]["signed_s3_url"]) as response:
        assert response.status == 200
        return await response.text()


async def names(api: Caller, **fields: Any) -> list[str]:
    return [json.loads(line)["name"] for line in (await export(api, **fields)).splitlines()]


async def test_json_is_one_object_a_line_with_the_four_documented_fields(api: Caller) -> None:
    lines = (await export(api)).splitlines()
    assert [json.loads(line)["user_id"] for line in lines] == ["a", "a", "b"]
    assert json.loads(lines[1]) == {
        "user_id": "a",
        "timestamp": "2026-07-14T22:00:00.000Z",
        "name": "bought",
        "attributes": {"flow_id": "f1", "price": 7},
    }


async def test_csv_has_a_column_for_each_attribute(api: Caller) -> None:
    lines = (await export(api, format="csv", limit=2)).splitlines()
    assert lines == [
        "user_id,timestamp,name,attributes.flow_id,attributes.price",
        "a,2026-07-14T12:00:00.000Z,appcues:flow,,",
        "a,2026-07-14T22:00:00.000Z,bought,f1,7",
    ]


async def test_times_are_in_the_zone_that_is_asked_for(api: Caller) -> None:
    line = (await export(api, time_zone="-04:00", limit=1)).splitlines()[0]
    assert json.loads(line)["timestamp"] == "2026-07-14T08:00:00.000-04:00"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"start_time": "2026-07-14T12:00:00Z", "end_time": "2026-07-14T22:00:00Z"}, 1),
        ({"start_time": "2026-07-14T12:00:01Z"}, 2),
        ({"start_time": "2026-07-15"}, 1),
        ({"start_time": "2026-07-15", "time_zone": "+02:00"}, 2),
        ({"start_time": 1_784_066_400_000}, 2),
        ({"start_time": 1_784_066_400_001}, 1),
    ],
)
async def test_the_range_includes_its_start_and_not_its_end(
    api: Caller, fields: dict[str, Any], expected: int
) -> None:
    assert len(await names(api, **fields)) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (["name", "==", "bought"], ["bought"]),
        (["name", "!=", "bought"], ["appcues:flow", "Bought it"]),
        (["name", "like", "appcues:%"], ["appcues:flow"]),
        (["name", "like", "b_ught"], ["bought"]),
        (["name", "ilike", "bought%"], ["bought", "Bought it"]),
        (["name", "not like", "%ought%"], ["appcues:flow"]),
        (["name", "not ilike", "B%"], ["appcues:flow"]),
        (["user_id", "in", ["b", "c"]], ["Bought it"]),
        (["user_id", "not in", ["b"]], ["appcues:flow", "bought"]),
        (["flow_id", "==", "f1"], ["bought"]),
        (["price", "is not null"], ["bought"]),
        (["price", "is null"], ["appcues:flow", "Bought it"]),
        (["or", ["user_id", "==", "b"], ["price", "==", 7]], ["bought", "Bought it"]),
        (["and", ["user_id", "==", "a"], ["flow_id", "is null"]], ["appcues:flow"]),
        (["colour", "==", "red"], []),
        (["name", "resembles", "bought"], []),
        (["name", "like", 7], []),
        (["name", "in", "bought"], []),
    ],
)
async def test_conditions_choose_the_events(
    api: Caller, condition: list[Any], expected: list[str]
) -> None:
    assert await names(api, conditions=[condition]) == expected


async def test_all_conditions_must_hold(api: Caller) -> None:
    conditions = [["user_id", "==", "a"], ["name", "==", "bought"]]
    assert await names(api, conditions=conditions) == ["bought"]


async def test_limit_and_offset_cut_the_file(api: Caller) -> None:
    assert await names(api, offset=1, limit=1) == ["bought"]


async def test_the_file_holds_what_there_is_when_the_job_ends(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox(job_seconds=30, export_links=True) as sandbox:
        api = Caller(sandbox, session)
        accepted = await api.send_json("POST", "export/events", EXPORT)
        sandbox.events.extend(EVENTS)
        sandbox.advance(30)
        url = (await api.job(accepted))["events"][-1]["attributes"]["signed_s3_url"]
        async with session.get(url) as response:
            assert len((await response.text()).splitlines()) == 3


async def test_the_job_shows_no_link_unless_that_was_asked_for(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox() as sandbox:
        api = Caller(sandbox, session)
        job = await api.job(await api.send_json("POST", "export/events", EXPORT))
        assert job["status"] == "COMPLETED"
        assert "signed_s3_url" not in job["events"][-1]["attributes"]


async def test_a_failed_export_has_no_file(api: Caller) -> None:
    api.sandbox.fail_next_job()
    job = await api.job(await api.send_json("POST", "export/events", EXPORT))
    assert job["status"] == "FAILED"
    assert "signed_s3_url" not in job["events"][-1]["attributes"]
