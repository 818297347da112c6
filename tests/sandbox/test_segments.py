"""Segments, and who is in them."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from appcues_async.sandbox import Sandbox, Segment
from tests.sandbox.caller import Caller, FakeClock


@pytest.fixture
async def segment(api: Caller) -> Segment:
    created = await api.send_json("POST", "segments", {"name": "Friends"})
    return api.sandbox.segments[created.json["id"]]


async def test_a_segment_is_created(api: Caller) -> None:
    got = await api.send_json("POST", "segments", {"name": "Friends", "description": "The best"})
    assert got.status == 201
    assert set(got.json) == {
        *("id", "name", "description", "created_at", "created_by"),
        *("updated_at", "updated_by", "url"),
    }
    assert got.json["url"] == f"{api.account}/segments/{got.json['id']}"
    assert (await api.get(got.json["url"])).json == got.json


async def test_segments_are_listed(api: Caller, segment: Segment) -> None:
    assert [found["id"] for found in (await api.get("segments")).json] == [segment.id]


async def test_segments_come_as_csv(api: Caller, segment: Segment) -> None:
    got = await api.get("segments", headers={"Accept": "text/csv"})
    header, line = got.text.splitlines()
    assert header == "id,name,description,created_at,created_by,updated_at,updated_by,url"
    assert line.startswith(f"{segment.id},Friends,,")


async def test_an_empty_list_of_segments_as_csv_is_its_header(api: Caller) -> None:
    got = await api.get("segments", headers={"Accept": "text/csv"})
    assert got.text.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({}, "`name` is required but missing"),
        ({"name": None}, "`name` is required but missing"),
        ({"name": " "}, "`name` must be a string that is not empty"),
        ({"name": 7}, "`name` must be a string that is not empty"),
        ({"name": "x", "description": 7}, "`description` must be a string"),
        ([], "The body must be a JSON object"),
    ],
)
async def test_a_segment_that_is_not_valid_gets_400(api: Caller, content: Any, detail: str) -> None:
    got = await api.send_json("POST", "segments", content)
    assert (got.status, got.detail) == (400, detail)
    assert api.sandbox.segments == {}


@pytest.mark.parametrize("body", [b"", b"{", b'{"name": NaN}', b'{"name": "x",}', b'"\xff"'])
async def test_a_body_that_is_not_json_gets_400(api: Caller, body: bytes) -> None:
    assert (await api("POST", "segments", body, kind="application/json")).status == 400


@pytest.mark.parametrize("kind", ["text/csv", "application/ndjson", "text/plain", "nonsense"])
async def test_segments_are_made_of_json_only(api: Caller, kind: str) -> None:
    assert (await api("POST", "segments", b'{"name": "x"}', kind=kind)).status == 415


async def test_a_segment_is_updated_field_by_field(api: Caller, segment: Segment) -> None:
    api.sandbox.advance(60)
    got = await api.send_json("PATCH", f"segments/{segment.id}", {"description": "Some"})
    assert got.json["name"] == "Friends"
    assert got.json["description"] == "Some"
    assert got.json["updated_at"] > got.json["created_at"]


@pytest.mark.parametrize("content", [{"name": None}, {"name": ""}, {"description": []}])
async def test_an_update_that_is_not_valid_gets_400(
    api: Caller, segment: Segment, content: Any
) -> None:
    assert (await api.send_json("PATCH", f"segments/{segment.id}", content)).status == 400


async def test_a_deleted_segment_is_gone(api: Caller, segment: Segment) -> None:
    assert (await api("DELETE", f"segments/{segment.id}")).json == {"status": 200, "title": "OK"}
    assert (await api("DELETE", f"segments/{segment.id}")).status == 404
    assert (await api.get(f"segments/{segment.id}")).status == 404


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '{"user_ids": ["a", "b"]}'),
        ("application/ndjson", '\n"a"\n  "b"\n\n'),
        ("text/csv", "\na\nb\n  "),
        ("text/csv", "user_id\na\nb"),
        ("text/csv", "userId\r\na\r\nb\r\n"),
        ("text/csv; charset=utf-8", '"a"\n"b"'),
    ],
)
async def test_ids_are_added_in_every_format(
    api: Caller, segment: Segment, kind: str, body: str
) -> None:
    got = await api("POST", f"segments/{segment.id}/add_user_ids", body.encode(), kind=kind)
    assert await api.outcome(got) == (2, 0)
    assert segment.user_ids == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("ids.csv", b"user_id\na\nb\n"), ("ids.ndjson", b'"a"\n"b"\n'), ("ids", b"a\nb")],
)
async def test_ids_are_added_from_a_file(
    api: Caller, segment: Segment, name: str, content: bytes
) -> None:
    got = await api.file(f"segments/{segment.id}/add_user_ids", content, name=name)
    assert await api.outcome(got) == (2, 0)
    assert segment.user_ids == {"a", "b"}


async def test_ids_are_removed(api: Caller, segment: Segment) -> None:
    segment.user_ids.update("abc")
    path = f"segments/{segment.id}/remove_user_ids"
    got = await api.send_json("POST", path, {"user_ids": ["a", "z"]})
    assert got.status == 202
    assert api.sandbox.segments[segment.id].user_ids == {"b", "c"}


async def test_members_change_when_the_job_ends(session: aiohttp.ClientSession) -> None:
    async with Sandbox(job_seconds=10, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        made = await api.send_json("POST", "segments", {"name": "x"})
        path = f"segments/{made.json['id']}/add_user_ids"
        await api.send_json("POST", path, {"user_ids": ["a"]})
        members = sandbox.segments[made.json["id"]].user_ids
        assert members == set()
        sandbox.advance(10)
        assert sandbox.segments[made.json["id"]].user_ids == {"a"}


@pytest.mark.parametrize(
    "content", [{}, {"user_ids": []}, {"user_ids": "a"}, {"user_ids": [1]}, {"user_ids": [""]}]
)
async def test_ids_in_json_that_are_not_strings_get_400(
    api: Caller, segment: Segment, content: Any
) -> None:
    got = await api.send_json("POST", f"segments/{segment.id}/add_user_ids", content)
    assert got.status == 400


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/ndjson", '"a"\n7\n""\nb\n{"user_id": "c"}'),
        ("text/csv", 'a\nb,c\n"d"e\n,,\n""'),
    ],
)
async def test_single_bad_ids_fail_in_the_job(
    api: Caller, segment: Segment, kind: str, body: str
) -> None:
    got = await api("POST", f"segments/{segment.id}/add_user_ids", body.encode(), kind=kind)
    completed, failed = await api.outcome(got)
    assert (completed, segment.user_ids) == (1, {"a"})
    assert failed > 0


@pytest.mark.parametrize("kind", ["application/ndjson", "text/csv"])
async def test_no_ids_at_all_get_400(api: Caller, segment: Segment, kind: str) -> None:
    got = await api("POST", f"segments/{segment.id}/add_user_ids", b" \n \n", kind=kind)
    assert (got.status, got.detail) == (400, "The body is empty")


@pytest.mark.parametrize("verb", ["add_user_ids", "remove_user_ids"])
async def test_ids_for_an_unknown_segment_get_404(api: Caller, verb: str) -> None:
    assert (await api.send_json("POST", f"segments/x/{verb}", {"user_ids": ["a"]})).status == 404


async def test_ids_in_another_format_get_415_that_names_the_formats(
    api: Caller, segment: Segment
) -> None:
    got = await api("POST", f"segments/{segment.id}/add_user_ids", b"a", kind="text/plain")
    assert got.status == 415
    assert "application/json, application/ndjson, text/csv" in got.detail
