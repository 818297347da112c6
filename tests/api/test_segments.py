"""Segments: made, changed, filled and deleted, against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, InvalidInput, NotFound
from appcues_async.sandbox import Sandbox


async def test_a_segment_is_created_with_its_name_and_description(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    segment = await client.segments.create("Friends", "All of them")
    assert (segment.name, segment.description) == ("Friends", "All of them")
    assert segment.id in sandbox.segments
    assert segment.created_at is not None
    assert abs((datetime.now(UTC) - segment.created_at).total_seconds()) < 60


async def test_segments_are_listed_and_got_by_id(client: AppcuesClient) -> None:
    made = [await client.segments.create(name) for name in ("one", "two")]
    assert {one.id for one in await client.segments.list()} == {one.id for one in made}
    assert (await client.segments.get(made[0].id)).name == "one"


async def test_an_update_changes_what_is_given_and_nothing_else(client: AppcuesClient) -> None:
    segment = await client.segments.create("Friends", "All of them")
    changed = await client.segments.update(segment.id, name="Best friends")
    assert (changed.name, changed.description) == ("Best friends", "All of them")


async def test_an_empty_description_takes_the_old_one_away(client: AppcuesClient) -> None:
    segment = await client.segments.create("Friends", "All of them")
    assert (await client.segments.update(segment.id, description="")).description == ""


async def test_a_deleted_segment_is_gone(client: AppcuesClient) -> None:
    segment = await client.segments.create("Friends")
    await client.segments.delete(segment.id)
    with pytest.raises(NotFound):
        await client.segments.get(segment.id)


async def test_ids_are_members_when_the_job_has_ended(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    segment = await client.segments.create("Friends")
    await (await client.segments.add_user_ids(segment.id, ["007", "008", "009"]))
    await (await client.segments.remove_user_ids(segment.id, ["008"]))
    assert sandbox.segments[segment.id].user_ids == {"007", "009"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.csv", "user_id\n007\n008\n"),
        ("ids.csv", "007\r\n008\r\n"),
        ("ids.ndjson", '"007"\n"008"\n'),
        ("ids.txt", "007\n008"),
    ],
)
async def test_ids_come_from_files_with_or_without_a_header(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    segment = await client.segments.create("Friends")
    await (await client.segments.add_user_ids(segment.id, path))
    assert sandbox.segments[segment.id].user_ids == {"007", "008"}


@pytest.mark.parametrize("name", ["", "  "])
async def test_an_empty_name_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, name: str
) -> None:
    with pytest.raises(InvalidInput, match=r"name is .*; it must be text and not empty"):
        await client.segments.create(name)
    assert not sandbox.requests


async def test_an_update_of_nothing_is_refused(sandbox: Sandbox, client: AppcuesClient) -> None:
    with pytest.raises(InvalidInput, match="neither name nor description"):
        await client.segments.update("s1")
    assert not sandbox.requests


@pytest.mark.parametrize("ids", [[7.0], ["007", None], [""], []])
async def test_ids_that_are_no_text_are_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AppcuesClient, ids: list[object]
) -> None:
    with pytest.raises(InvalidInput):
        await client.segments.add_user_ids("s1", ids)
    assert not sandbox.requests
