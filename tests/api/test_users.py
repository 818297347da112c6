"""Users: profiles read, changed and reset, events listed and tracked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appcues_async import AppcuesClient, InvalidInput, NotFound, OutcomeUnknown
from appcues_async.sandbox import Answer, Reset, Sandbox
from tests.api.conftest import answer, asked, sent

NOON = datetime(2026, 7, 14, 12, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))


async def test_a_profile_is_read_as_it_is(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.profiles["007"] = {"plan": "pro", "seats": 3, "beta": True, "left_at": None}
    assert await client.users.get_profile("007") == sandbox.profiles["007"]


async def test_a_user_who_never_was_is_not_found(client: AppcuesClient) -> None:
    with pytest.raises(NotFound):
        await client.users.get_profile("nobody")


async def test_an_update_changes_what_is_given_and_nothing_else(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.profiles["007"] = {"plan": "free", "seats": 3}
    await client.users.update_profile("007", {"plan": "pro", "zip": "00123"})
    assert sandbox.profiles["007"] == {"plan": "pro", "seats": 3, "zip": "00123"}


async def test_datetimes_of_a_profile_go_out_with_their_offset(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    seen = datetime(2026, 7, 14, 12, tzinfo=EAST)
    await client.users.update_profile("007", {"seen": seen, "born": date(2000, 2, 29)})
    assert sent(sandbox) == {"seen": "2026-07-14T12:00:00+02:00", "born": "2000-02-29"}


REFUSED: list[tuple[Any, str]] = [
    ({}, "attributes is empty; give what is to be changed"),
    ({"tags": ["a"]}, r"attributes.tags is a list; Appcues drops nested values .*: give each part"),
    ({"score": float("nan")}, r"attributes.score is nan, which JSON cannot hold; leave it out"),
    ({"score": float("inf")}, r"attributes.score is inf"),
    ({"at": datetime(2026, 7, 14)}, r"attributes.at is .* without a zone; add one"),
    ({7: "seven"}, r"attributes has the name 7; .* text and not empty"),
    ("plan=pro", "attributes is a str; it must be a mapping"),
]


@pytest.mark.parametrize(("attributes", "rule"), REFUSED)
async def test_a_profile_that_would_be_lost_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, attributes: Mapping[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        await client.users.update_profile("007", attributes)
    assert not sandbox.requests


async def test_not_strict_lets_through_nested_values_and_times_without_a_zone(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, {})
    attributes = {"tags": ["a", {"b": 1}], "at": datetime(2026, 7, 14, 12)}
    await client.users.update_profile("007", attributes, strict=False)
    assert sent(sandbox) == {"tags": ["a", {"b": 1}], "at": "2026-07-14T12:00:00"}


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": object()}])
async def test_not_strict_still_refuses_what_json_cannot_hold(
    sandbox: Sandbox, client: AppcuesClient, value: object
) -> None:
    with pytest.raises(InvalidInput):
        await client.users.update_profile("007", {"value": value}, strict=False)
    assert not sandbox.requests


async def test_a_reset_that_is_done_offline_is_a_job(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.profiles["007"] = {"plan": "pro"}
    handle = await client.users.delete_profile("007")
    assert handle is not None
    await handle
    assert "007" not in sandbox.profiles
    assert asked(sandbox)[0] == "DELETE users/007/profile"


@pytest.mark.parametrize(("status", "body"), [(204, ""), (200, ""), (200, '{"status": 200}')])
async def test_a_reset_that_is_done_at_once_is_none(
    sandbox: Sandbox, client: AppcuesClient, status: int, body: str
) -> None:
    sandbox.faults.add(Answer(status, body=body))
    assert await client.users.delete_profile("007") is None


async def test_a_reset_whose_answer_was_lost_and_is_not_found_again_is_done(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset())
    sandbox.faults.add(Answer(404))
    assert await client.users.delete_profile("007") is None


async def test_events_come_most_recent_first(sandbox: Sandbox, client: AppcuesClient) -> None:
    for hours in (1, 3, 2):
        moment = NOON + timedelta(hours=hours)
        await client.users.track_event("007", f"after {hours}", timestamp=moment)
    events = await client.users.list_events("007")
    assert [event.name for event in events] == ["after 3", "after 2", "after 1"]
    assert (events[0].user_id, events[0].timestamp) == ("007", NOON + timedelta(hours=3))
    assert sandbox.requests[-1].query == "limit=100"


async def test_the_limit_bounds_how_many_events_come(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    for number in range(3):
        await client.users.track_event("007", str(number))
    assert len(await client.users.list_events("007", limit=2)) == 2


@pytest.mark.parametrize("zone", ["+02:00", 120, timedelta(hours=2), EAST])
async def test_events_come_in_the_zone_that_is_asked_for(
    sandbox: Sandbox, client: AppcuesClient, zone: str | int | tzinfo | timedelta
) -> None:
    await client.users.track_event("007", "Paid", timestamp=NOON)
    (event,) = await client.users.list_events("007", time_zone=zone)
    assert event.timestamp is not None
    assert event.timestamp.isoformat() == "2026-07-14T14:00:00+02:00"
    assert sandbox.requests[-1].query == "limit=100&time_zone=%2B02%3A00"


async def test_a_zone_by_name_is_its_offset_of_now(sandbox: Sandbox, client: AppcuesClient) -> None:
    await client.users.list_events("007", time_zone=ZoneInfo("Asia/Kolkata"))
    assert sandbox.requests[-1].query == "limit=100&time_zone=%2B05%3A30"


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "10", None])
async def test_a_limit_that_is_no_whole_number_above_0_is_refused(
    sandbox: Sandbox, client: AppcuesClient, limit: int
) -> None:
    with pytest.raises(InvalidInput, match=r"limit is .* whole number of at least 1"):
        await client.users.list_events("007", limit=limit)
    assert not sandbox.requests


async def test_an_event_is_recorded_with_its_attributes(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.users.track_event(
        "007", "Paid", timestamp=NOON, attributes={"method": "visa", "items": [{"id": "a"}]}
    )
    assert sent(sandbox) == {
        "name": "Paid",
        "timestamp": "2026-07-14T12:00:00+00:00",
        "attributes": {"method": "visa", "items": [{"id": "a"}]},
    }
    (event,) = sandbox.events
    assert (event["user_id"], event["name"]) == ("007", "Paid")


async def test_an_event_without_a_time_is_of_now(sandbox: Sandbox, client: AppcuesClient) -> None:
    before = datetime.now(UTC)
    await client.users.track_event("007", "Paid")
    moment = datetime.fromisoformat(sent(sandbox)["timestamp"])
    assert before <= moment <= datetime.now(UTC)


async def test_another_attempt_sends_the_same_moment(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(429))
    await client.users.track_event("007", "Paid")
    first, second = sandbox.requests
    assert first.body == second.body


async def test_an_event_whose_answer_was_lost_is_not_sent_again(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Reset(applied=True))
    with pytest.raises(OutcomeUnknown):
        await client.users.track_event("007", "Paid")
    assert len(sandbox.events) == 1


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": ""}, "name is ''; an event's name is text and not empty"),
        ({"name": "x" * 128}, r"name is 128 characters long.* at most 127: shorten it"),
        (
            {"name": "appcues:started"},
            r"name is 'appcues:started'; .* reserved by Appcues: give it",
        ),
        ({"timestamp": datetime(2026, 7, 14)}, r"timestamp is .* without a zone; add one"),
        ({"timestamp": 1452854179}, "timestamp is 1452854179; it must be an aware datetime or ISO"),
        ({"attributes": {"score": float("nan")}}, r"attributes.score is nan"),
        ({"attributes": ["a"]}, "attributes is a list; it must be a mapping"),
    ],
)
async def test_an_event_that_would_be_lost_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, changes: dict[str, Any], rule: str
) -> None:
    given = {"name": "Paid", **changes}
    with pytest.raises(InvalidInput, match=rule):
        await client.users.track_event("007", **given)
    assert not sandbox.requests


async def test_not_strict_lets_through_a_time_without_a_zone_and_no_reserved_name(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, {})
    await client.users.track_event("007", "Paid", timestamp="2026-07-14T12:00:00", strict=False)
    assert sent(sandbox)["timestamp"] == "2026-07-14T12:00:00"
    with pytest.raises(InvalidInput, match="reserved"):
        await client.users.track_event("007", "appcues:started", strict=False)
