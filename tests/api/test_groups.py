"""Groups: profiles read and changed, users added."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Answer, Sandbox
from tests.api.conftest import answer, asked, sent


async def test_a_profile_is_read_as_it_is(sandbox: Sandbox, client: AppcuesClient) -> None:
    answer(sandbox, {"plan": "pro", "seats": 3})
    assert await client.groups.get_profile("g/1") == {"plan": "pro", "seats": 3}
    assert asked(sandbox) == ["GET groups/g%2F1/profile"]


async def test_a_profile_is_changed(sandbox: Sandbox, client: AppcuesClient) -> None:
    answer(sandbox, {})
    await client.groups.update_profile("g1", {"plan": "pro"})
    assert asked(sandbox) == ["PATCH groups/g1/profile"]
    assert sent(sandbox) == {"plan": "pro"}


async def test_nested_values_are_refused_unless_not_strict(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    with pytest.raises(InvalidInput, match="drops nested values"):
        await client.groups.update_profile("g1", {"tags": ["a"]})
    assert not sandbox.requests
    answer(sandbox, {})
    await client.groups.update_profile("g1", {"tags": ["a"]}, strict=False)
    assert sent(sandbox) == {"tags": ["a"]}


async def test_users_are_added_by_post(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(204, body=""))
    await client.groups.add_users("g1", (one for one in ("007", "008")))
    assert asked(sandbox) == ["POST groups/g1/users"]
    assert sent(sandbox) == {"user_ids": ["007", "008"]}


@pytest.mark.parametrize(
    ("user_ids", "rule"),
    [
        ([], "user_ids is empty; give at least one"),
        ("007", "user_ids is '007'; give a list of ids"),
        (["007", 8.0], r"user_ids\[1\] is 8.0, a float; ids are text"),
        ([""], r"user_ids\[0\] is empty"),
        (None, "user_ids is None; give a list"),
    ],
)
async def test_ids_that_are_none_are_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, user_ids: Iterable[str], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        await client.groups.add_users("g1", user_ids)
    assert not sandbox.requests
