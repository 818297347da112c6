"""Ids of rows: which are taken, and as what they arrive."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox


@pytest.mark.parametrize("user_id", [7, UUID(int=7)])
@pytest.mark.parametrize("single", [True, False])
async def test_integers_and_uuids_arrive_as_text(
    sandbox: Sandbox, client: AppcuesClient, user_id: Any, single: bool
) -> None:
    row = {"user_id": user_id, "plan": "pro"}
    if single:
        await (await client.imports.profiles([row]))
    else:
        assert (await client.bulk.import_profiles([row])).ok
    assert sandbox.profiles == {str(user_id): {"plan": "pro"}}


async def test_an_id_that_is_none_is_rejected(sandbox: Sandbox, client: AppcuesClient) -> None:
    report = await client.bulk.import_profiles(
        [{"user_id": "nan"}, {"user_id": "7"}], on_failure="report"
    )
    assert ["nan" in one.reason for one in report.rejects] == [True]
    assert set(sandbox.profiles) == {"7"}


async def test_it_is_let_through_by_name(sandbox: Sandbox, client: AppcuesClient) -> None:
    rows = [{"user_id": "null"}, {"user_id": "12345.0"}]
    assert (await client.bulk.import_profiles(rows, allow_ids={"null", "12345.0"})).ok
    assert set(sandbox.profiles) == {"null", "12345.0"}


async def test_what_was_made_of_it_can_be_removed(sandbox: Sandbox, client: AppcuesClient) -> None:
    segment = await client.segments.create("Friends")
    ids = ["null", " 7 ", "7\u200b"]
    await (await client.segments.add_user_ids(segment.id, ids, allow_ids=ids))
    assert (await client.bulk.remove_user_ids(segment.id, ids[:2])).ok
    await (await client.segments.remove_user_ids(segment.id, ids[2:]))
    assert not sandbox.segments[segment.id].user_ids
