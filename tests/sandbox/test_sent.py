"""What was sent, beyond what was there before."""

from __future__ import annotations

import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller


async def test_what_was_sent_compares_with_plain_values(sandbox: Sandbox) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        await client.users.track_event("7", "Signed up", attributes={"plan": "pro"})
        await client.users.update_profile("7", {"plan": "pro"})
        segment = await client.segments.create("Friends")
        await (await client.segments.add_user_ids(segment.id, ["8", "7"]))
    assert sandbox.sent.events == [
        {"user_id": "7", "name": "Signed up", "attributes": {"plan": "pro"}}
    ]
    assert sandbox.sent.profiles == {"7": {"plan": "pro"}}
    assert sandbox.sent.ids == {segment.id: ["7", "8"]}


async def test_what_was_put_in_before_was_not_sent(api: Caller) -> None:
    sandbox = api.sandbox
    event = {"user_id": "7", "name": "Signed up"}
    sandbox.seed(profiles={"7": {"plan": "free", "n": 1}}, events=[event], segments={"s": ["7"]})
    assert (sandbox.sent.events, sandbox.sent.profiles, sandbox.sent.ids) == ([], {}, {})
    await api.ndjson("import/profiles", '{"user_id": "7", "plan": "pro", "n": true}')
    await api.send_json("POST", "segments/s/add_user_ids", {"user_ids": ["7", "8"]})
    assert sandbox.sent.profiles == {"7": {"plan": "pro", "n": True}}
    assert sandbox.sent.ids == {"s": ["8"]}


async def test_the_same_event_again_was_sent(api: Caller) -> None:
    event = {"user_id": "7", "name": "Signed up"}
    api.sandbox.seed(events=[event])
    sent = {"name": "Signed up", "timestamp": "2026-07-14T12:00:00Z"}
    await api.send_json("POST", "users/7/events", sent)
    assert api.sandbox.sent.events == [{**event, "attributes": {}}]


async def test_a_reset_forgets_what_was_put_in(sandbox: Sandbox) -> None:
    sandbox.seed(profiles={"7": {}})
    sandbox.reset()
    sandbox.profiles["7"] = {}
    assert sandbox.sent.profiles == {"7": {}}


def test_what_is_put_in_is_the_sandboxs_own(sandbox: Sandbox) -> None:
    mine = {"plan": "free"}
    sandbox.seed(profiles={"7": mine})
    mine["plan"] = "pro"
    assert sandbox.profiles == {"7": {"plan": "free"}}


def test_malformed_data_is_refused_whole(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="an event has user_id and name"):
        sandbox.seed(profiles={"7": {}}, events=[{"user_id": "7", "name": "appcues:x"}])
    assert sandbox.profiles == {}


@pytest.mark.parametrize("segment", [{"name": "Pros"}, "007", [7], 7, b"007"])
def test_a_segment_is_seeded_with_a_list_of_ids(sandbox: Sandbox, segment: object) -> None:
    with pytest.raises(ValueError, match=r"lists of user ids by segment id, not .*such as"):
        sandbox.seed(segments={"pros": segment})  # type: ignore[dict-item]
    assert sandbox.segments == {}
