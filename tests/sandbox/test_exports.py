"""Bulk exports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import Caller

EXPORT = {
    "email": "harriet@example.com",
    "format": "json",
    "conditions": [["flow_id", "==", "f1"]],
    "start_time": "2026-08-11",
}


async def test_an_export_is_a_job(api: Caller) -> None:
    got = await api.send_json("POST", "export/events", EXPORT)
    job = await api.job(got)
    assert (job["name"], job["status"]) == ("Export Events", "COMPLETED")


@pytest.mark.parametrize(
    "fields",
    [
        {"email": ["a@example.com", "b@example.com"]},
        {"format": "csv"},
        {"conditions": []},
        {"conditions": [["nps_feedback", "is not null"]]},
        {"conditions": [["or", ["a", "==", 1], ["and", ["b", "in", [1]], ["c", "like", "x%"]]]]},
        {"start_time": 1_786_400_000_000, "end_time": "2026-08-18T00:00:00Z"},
        {"time_zone": "-04:00", "limit": 10_000_000, "offset": 5},
        {"time_zone": -240, "end_time": None},
    ],
)
async def test_an_export_as_documented_is_accepted(api: Caller, fields: dict[str, Any]) -> None:
    assert (await api.send_json("POST", "export/events", EXPORT | fields)).status == 202


@pytest.mark.parametrize(
    "fields",
    [
        {"email": None},
        {"email": []},
        {"email": "nobody"},
        {"format": "xml"},
        {"conditions": None},
        {"conditions": "name"},
        {"conditions": ["name", "==", "x"]},
        {"conditions": [[]]},
        {"conditions": [["or"]]},
        {"conditions": [["name", "==", "x", "y"]]},
        {"start_time": None},
        {"start_time": "yesterday"},
        {"end_time": True},
        {"time_zone": "EST"},
        {"limit": 10_000_001},
        {"limit": "10"},
        {"offset": -1},
    ],
)
async def test_an_export_that_is_not_valid_gets_400(api: Caller, fields: dict[str, Any]) -> None:
    assert (await api.send_json("POST", "export/events", EXPORT | fields)).status == 400
    assert api.sandbox.jobs == {}
