"""One user at a time, and exports."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

from appcues_async import (
    AppcuesClient,
    Condition,
    Event,
    JobHandle,
    where,
)


async def users(client: AppcuesClient) -> None:
    assert_type(await client.users.get_profile("7"), dict[str, Any])
    updating: Coroutine[Any, Any, None] = client.users.update_profile("7", {"plan": "pro"})
    await updating
    assert_type(await client.users.delete_profile("7"), JobHandle | None)
    assert_type(
        await client.users.list_events("7", limit=10, time_zone="Europe/Berlin"), list[Event]
    )
    tracking: Coroutine[Any, Any, None] = client.users.track_event("7", "seen", attributes={"n": 1})
    await tracking


async def exports(client: AppcuesClient) -> None:
    condition = where("name").like("appcues%") & (where("user_id") == "7")
    assert_type(condition, Condition)
    handle = await client.exports.events(
        email="a@example.com",
        format="csv",
        conditions=condition,
        start_time="2026-07-01",
    )
    assert_type(handle, JobHandle)
