"""Exports of events: what is asked for, and what is refused first."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from appcues_async import AppcuesClient, InvalidInput, OutcomeUnknown, where
from appcues_async.sandbox import Reset, Sandbox
from tests.api.conftest import answer, asked, sent

LEAST: dict[str, Any] = {
    "email": "harriet@example.com",
    "format": "json",
    "conditions": [],
    "start_time": "2021-08-11",
}


async def test_the_example_of_the_documents_goes_out_as_it_stands_there(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    handle = await client.exports.events(
        email="harriet@example.com",
        format="json",
        conditions=where("flow_id") == "df6b6ce8-9666-4e54-bbff-b0607af5b597",
        start_time=date(2021, 8, 11),
        end_time="2021-08-18",
        time_zone="-04:00",
    )
    assert asked(sandbox) == ["POST export/events"]
    assert sent(sandbox) == {
        "email": "harriet@example.com",
        "format": "json",
        "conditions": [["flow_id", "==", "df6b6ce8-9666-4e54-bbff-b0607af5b597"]],
        "start_time": "2021-08-11",
        "end_time": "2021-08-18",
        "time_zone": "-04:00",
    }
    assert (await handle).name == "Export Events"


async def test_every_other_parameter_goes_out_too(sandbox: Sandbox, client: AppcuesClient) -> None:
    await client.exports.events(
        email=["a@example.com", "b@example.com"],
        format="csv",
        conditions=[["name", "like", "appcues%"], where("user_segment_id") == "s1"],
        start_time=datetime(2026, 7, 14, 12, tzinfo=UTC),
        end_time=1_784_030_400_000,
        time_zone=timedelta(hours=5, minutes=30),
        limit=10_000_000,
        offset=0,
    )
    assert sent(sandbox) == {
        "email": ["a@example.com", "b@example.com"],
        "format": "csv",
        "conditions": [["name", "like", "appcues%"], ["user_segment_id", "==", "s1"]],
        "start_time": "2026-07-14T12:00:00+00:00",
        "end_time": 1_784_030_400_000,
        "time_zone": "+05:30",
        "limit": 10_000_000,
        "offset": 0,
    }


async def test_no_address_is_for_the_server_to_judge(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, {"job_id": "j1"}, status=202)
    await client.exports.events(**{**LEAST, "email": None})
    assert "email" not in sent(sandbox)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"email": ""}, "email is ''"),
        ({"email": "harriet"}, "email is 'harriet'; it must be an address with an @"),
        ({"email": []}, "email is an empty list; give an address"),
        ({"email": ["a@example.com", 7]}, r"email\[1\] is 7"),
        ({"email": 7}, "email is 7; give an address"),
        ({"format": "xml"}, "format is 'xml'; it must be 'csv' or 'json'"),
        ({"conditions": ["name"]}, r"conditions\[0\] is 'name'"),
        ({"start_time": None}, "start_time is None; it must be a date"),
        ({"start_time": datetime(2026, 7, 14)}, "start_time .* without a zone; add one"),
        ({"end_time": "yesterday"}, "end_time is 'yesterday'"),
        ({"end_time": 1452854179}, "end_time .* seconds since 1970; .*: 1452854179000"),
        ({"time_zone": "Europe/Berlin"}, "time_zone is 'Europe/Berlin'; it must be an offset"),
        ({"limit": 10_000_001}, "limit is 10000001; .* at most 10,000,000"),
        ({"limit": 0}, "limit is 0; it must be a whole number of at least 1"),
        ({"offset": -1}, "offset is -1; it must be a whole number of at least 0"),
    ],
)
async def test_what_the_documents_rule_out_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        await client.exports.events(**{**LEAST, **changes})
    assert not sandbox.requests


async def test_an_export_whose_answer_was_lost_is_not_started_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset(applied=True))
    with pytest.raises(OutcomeUnknown):
        await client.with_options(on_unknown="raise").exports.events(**LEAST)
    assert len(sandbox.jobs) == 1
