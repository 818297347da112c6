"""Groups of users."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import Caller


async def test_an_update_changes_what_it_names_and_nothing_else(api: Caller) -> None:
    await api.send_json("PATCH", "groups/g1/profile", {"plan": "free", "size": 3})
    got = await api.send_json("PATCH", "groups/g1/profile", {"plan": "pro"})
    assert got.json == {"status": 200, "title": "OK"}
    assert (await api.get("groups/g1/profile")).json == {"plan": "pro", "size": 3}


async def test_nested_values_are_dropped(api: Caller) -> None:
    await api.send_json("PATCH", "groups/g1/profile", {"a": [1], "b": {}, "c": 1})
    assert api.sandbox.groups["g1"].attributes == {"c": 1}


async def test_users_are_added_to_those_who_are_there(api: Caller) -> None:
    for user_ids in (["007"], ["007", "008"]):
        got = await api.send_json("POST", "groups/g1/users", {"user_ids": user_ids})
        assert got.status == 200
    assert api.sandbox.groups["g1"].user_ids == {"007", "008"}


async def test_a_group_of_users_alone_has_an_empty_profile(api: Caller) -> None:
    await api.send_json("POST", "groups/g1/users", {"user_ids": ["007"]})
    assert (await api.get("groups/g1/profile")).json == {}


async def test_the_profile_of_an_unknown_group_gets_404(api: Caller) -> None:
    assert (await api.get("groups/g1/profile")).status == 404


async def test_users_are_added_by_post_alone(api: Caller) -> None:
    assert (await api.send_json("PATCH", "groups/g1/users", {"user_ids": ["a"]})).status == 404


@pytest.mark.parametrize("fields", [{}, {"user_ids": []}, {"user_ids": "a"}, {"user_ids": [7]}])
async def test_users_that_are_not_ids_get_400(api: Caller, fields: dict[str, Any]) -> None:
    assert (await api.send_json("POST", "groups/g1/users", fields)).status == 400
    assert api.sandbox.groups == {}


async def test_another_content_type_gets_415(api: Caller) -> None:
    assert (await api.csv("groups/g1/users", "a\n")).status == 415
