"""Experiences by their type, checklists and tags: the right route, and tolerant reading."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.api.publishing import ExperienceType
from appcues_async.sandbox import Sandbox
from tests.api.conftest import answer, asked

TYPES = get_args(ExperienceType)
PIN = {"id": "p1", "name": "Pin", "published": True, "created_at": 1617639669000, "state": "LIVE"}


def test_there_are_seven_types() -> None:
    assert set(TYPES) == {
        "pins",
        "mobile",
        "launchpads",
        "banners",
        "flows-v2",
        "embeds",
        "nps",
    }


@pytest.mark.parametrize("kind", TYPES)
async def test_each_type_is_a_resource_of_its_own(
    sandbox: Sandbox, client: AppcuesClient, kind: ExperienceType
) -> None:
    answer(sandbox, [PIN])
    answer(sandbox, PIN)
    answer(sandbox, {"status": 200}, times=2)
    (listed,) = await client.experiences.list(kind)
    assert await client.experiences.get(kind, "p1") == listed
    await client.experiences.publish(kind, "p1")
    await client.experiences.unpublish(kind, "p1")
    assert asked(sandbox) == [
        f"GET {kind}",
        f"GET {kind}/p1",
        f"POST {kind}/p1/publish",
        f"POST {kind}/p1/unpublish",
    ]


async def test_an_experience_keeps_what_is_not_documented(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    answer(sandbox, PIN)
    pin = await client.experiences.get("pins", "p1")
    assert (pin.name, pin.published, pin.extra) == ("Pin", True, {"state": "LIVE"})
    assert pin.created_at == datetime(2021, 4, 5, 16, 21, 9, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["flows", "pin", "", None, "../flows"])
async def test_any_other_type_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, kind: ExperienceType
) -> None:
    with pytest.raises(InvalidInput, match=r"type is .* must be one of pins, mobile"):
        await client.experiences.list(kind)
    with pytest.raises(InvalidInput, match="type is"):
        await client.experiences.publish(kind, "p1")
    assert not sandbox.requests


async def test_checklists_are_listed_got_published_and_unpublished(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    checklist = {"id": "c1", "internal_name": "Start", "title": "Welcome", "items": []}
    answer(sandbox, {"checklists": [checklist]})
    answer(sandbox, checklist)
    answer(sandbox, {}, times=2)
    (listed,) = await client.checklists.list()
    assert (listed.internal_name, listed.title, listed.extra) == ("Start", "Welcome", {"items": []})
    assert await client.checklists.get("c1") == listed
    await client.checklists.publish("c1")
    await client.checklists.unpublish("c1")
    assert asked(sandbox) == [
        "GET checklists",
        "GET checklists/c1",
        "POST checklists/c1/publish",
        "POST checklists/c1/unpublish",
    ]


async def test_tags_are_listed_and_got(sandbox: Sandbox, client: AppcuesClient) -> None:
    tag = {"id": "t1", "name": "Beta", "created_at": "2021-04-05T16:21:09Z", "created_by": "u1"}
    answer(sandbox, [tag])
    answer(sandbox, tag)
    (listed,) = await client.tags.list()
    assert (listed.name, listed.created_by) == ("Beta", "u1")
    assert listed.created_at == datetime(2021, 4, 5, 16, 21, 9, tzinfo=UTC)
    assert await client.tags.get("t1") == listed
    assert asked(sandbox) == ["GET tags", "GET tags/t1"]
