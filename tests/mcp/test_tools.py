"""Which tools there are, what they say of themselves, and what each of them does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import Tool

from appcues_async import AppcuesClient
from appcues_async.mcp import make_server
from appcues_async.sandbox import Sandbox
from tests.mcp.conftest import Ask, ask_with

VERBS = {
    "add", "check", "create", "delete", "download", "export", "get", "import", "list", "publish",
    "query", "remove", "start", "sync", "track", "unpublish", "update", "wait",
}  # fmt: skip
WHEN = {"start_time": "2026-01-01", "end_time": "2026-02-01"}
PREVIEWED: list[tuple[str, dict[str, Any], str]] = [
    ("delete_segment", {"segment_id": "s1"}, "DELETE segments/s1"),
    ("update_user_profile", {"user_id": "007", "attributes": {"a": 1}}, "PATCH users/007/profile"),
    ("track_user_event", {"user_id": "007", "name": "Paid"}, "POST users/007/events"),
    ("delete_user_profile", {"user_id": "007"}, "DELETE users/007/profile"),
    ("update_group_profile", {"group_id": "g", "attributes": {"a": 1}}, "PATCH groups/g/profile"),
    ("add_group_users", {"group_id": "g", "user_ids": ["007"]}, "POST groups/g/users"),
]
UPLOADS: list[tuple[str, dict[str, Any]]] = [
    ("import_profiles", {"path": "users.csv"}),
    ("import_events", {"path": "events.ndjson"}),
    ("add_segment_users", {"segment_id": "s1", "user_ids": ["007"]}),
    ("remove_segment_users", {"segment_id": "s1", "path": "ids.csv"}),
    ("sync_segment", {"segment_id": "s1", "path": "ids.csv", "state": "segment.db"}),
    ("sync_profiles", {"path": "users.csv", "state": "profiles.db"}),
]


@pytest.fixture
def files(tmp_path: Path) -> None:
    """Files to send."""
    (tmp_path / "users.csv").write_text("user_id,plan\n007,pro\n008,free\n", encoding="utf-8")
    (tmp_path / "ids.csv").write_text("007\n008\n", encoding="utf-8")
    (tmp_path / "events.ndjson").write_text(
        '{"user_id":"007","name":"Paid","timestamp":"2026-01-01T00:00:00Z"}\n', encoding="utf-8"
    )


async def tools_of(account: AppcuesClient) -> list[Tool]:
    async with Client(make_server(account)) as client:
        return list((await client.list_tools()).tools)


async def test_names_begin_with_a_verb_and_arguments_are_described(account: AppcuesClient) -> None:
    tools = await tools_of(account)
    assert len(tools) >= 20
    for tool in tools:
        assert tool.name.partition("_")[0] in VERBS
        assert tool.description
        for schema in tool.input_schema["properties"].values():
            assert schema["description"] or schema.get("anyOf")
            assert "type" in schema or "anyOf" in schema


async def test_tools_that_read_say_so_and_have_no_dry_run(account: AppcuesClient) -> None:
    for tool in await tools_of(account):
        assert tool.annotations is not None
        reads = tool.name.partition("_")[0] in {"check", "get", "list", "query", "wait"}
        assert tool.annotations.read_only_hint is reads
        fetches = tool.name.startswith("download_")
        assert ("dry_run" not in tool.input_schema["properties"]) is (reads or fetches)


async def test_what_cannot_be_undone_is_a_dry_run_when_left_alone(account: AppcuesClient) -> None:
    defaults = {
        tool.name: tool.input_schema["properties"]["dry_run"]["default"]
        for tool in await tools_of(account)
        if "dry_run" in tool.input_schema["properties"]
    }
    careful = {name for name, default in defaults.items() if default}
    assert careful == {name for name, *_ in (*PREVIEWED, *UPLOADS)}


async def test_a_dry_run_shows_the_request_and_sends_nothing(ask: Ask, sandbox: Sandbox) -> None:
    for name, arguments, would_send in PREVIEWED:
        content = (await ask(name, **arguments)).content
        (request,) = content["would_send"]
        assert (content["dry_run"], f"{request['method']} {request['path']}") == (True, would_send)
    assert sandbox.requests == []


@pytest.mark.usefixtures("files")
async def test_a_dry_run_of_an_upload_counts_its_rows_and_sends_nothing(
    ask: Ask, sandbox: Sandbox
) -> None:
    contents = {name: (await ask(name, **arguments)).content for name, arguments in UPLOADS}
    assert all(content["dry_run"] is True for content in contents.values())
    assert [content["rows"] for content in contents.values()] == [2, 1, 1, 2, 2, 2]
    assert sandbox.requests == []


@pytest.mark.usefixtures("files")
async def test_a_server_for_previews_sends_nothing_whatever_it_is_asked(
    account: AppcuesClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with Client(make_server(account, tmp_path, preview=True)) as client:
        for name, arguments in [(name, given) for name, given, _ in PREVIEWED] + UPLOADS:
            answer = await ask_with(client, name, {**arguments, "dry_run": False})
            assert answer.content["dry_run"] is True
        assert (await ask_with(client, "publish_flow", {"flow_id": "flow1"})).content["dry_run"]
    assert sandbox.requests == []


async def test_everything_in_the_account_is_read(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.profiles["007"] = {"plan": "pro"}
    for noun in ("flow", "checklist", "tag"):
        first, *_ = (await ask(f"list_{noun}s")).content["result"]
        found = await ask(f"get_{noun}", **{f"{noun}_id": first["id"]})
        assert found.content["id"] == first["id"]
    first, *_ = (await ask("list_experiences", experience_type="pins")).content["result"]
    words = {"experience_type": "pins", "experience_id": first["id"]}
    assert (await ask("get_experience", **words)).content["id"] == first["id"]
    assert (await ask("get_user_profile", user_id="007")).content == {"plan": "pro"}
    assert (await ask("list_user_events", user_id="007")).content["result"] == []
    assert (await ask("check_credentials")).content["may_read"] is True
    rows = (await ask("query_analytics", spec={"columns": ["name"], **WHEN})).content
    assert rows == {"rows": [], "count": 0, "truncated": False}


async def test_things_are_published_and_unpublished(ask: Ask, sandbox: Sandbox) -> None:
    for noun, kind in (
        ("flow", {}),
        ("checklist", {}),
        ("experience", {"experience_type": "pins"}),
    ):
        listed = await ask(f"list_{noun}s", **kind)
        item = {f"{noun}_id": listed.content["result"][0]["id"], **kind}
        for verb in ("unpublish", "publish"):
            assert not (await ask(f"{verb}_{noun}", **item)).is_error
            found = (await ask(f"get_{noun}", **item)).content
            assert found["published"] is (verb == "publish")


async def test_a_segment_lives_its_life(ask: Ask, sandbox: Sandbox) -> None:
    made = (await ask("create_segment", name="Pros")).content["id"]
    await ask("update_segment", segment_id=made, description="All")
    await ask("add_segment_users", segment_id=made, user_ids=["007", "008"], dry_run=False)
    await ask("remove_segment_users", segment_id=made, user_ids=["008"], dry_run=False)
    assert sandbox.segments[made].user_ids == {"007"}
    assert (await ask("get_segment", segment_id=made)).content["description"] == "All"
    assert [one["id"] for one in (await ask("list_segments")).content["result"]] == [made]
    gone = await ask("delete_segment", segment_id=made, dry_run=False)
    assert (gone.content["deleted"], sandbox.segments) == (True, {})


async def test_users_and_groups_change(ask: Ask, sandbox: Sandbox) -> None:
    await ask("update_user_profile", user_id="007", attributes={"plan": "pro"}, dry_run=False)
    await ask("track_user_event", user_id="007", name="Paid", dry_run=False)
    await ask("update_group_profile", group_id="g", attributes={"size": 3}, dry_run=False)
    await ask("add_group_users", group_id="g", user_ids=["007"], dry_run=False)
    assert sandbox.profiles["007"] == {"plan": "pro"}
    assert [event["name"] for event in sandbox.events] == ["Paid"]
    assert (await ask("get_group_profile", group_id="g")).content == {"size": 3}
    assert sandbox.groups["g"].user_ids == {"007"}
    job = (await ask("delete_user_profile", user_id="007", dry_run=False)).content["token"]
    assert (await ask("wait_for_job", job=job)).content["ok"] is True
    assert sandbox.profiles == {}
