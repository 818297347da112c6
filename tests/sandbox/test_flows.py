"""Flows."""

from __future__ import annotations

import pytest

from tests.sandbox.caller import Caller


async def test_two_flows_are_there(api: Caller) -> None:
    listed = (await api.get("flows")).json
    assert [(flow["id"], flow["published"]) for flow in listed] == [
        ("flow1", True),
        ("flow2", False),
    ]


async def test_a_flow_has_all_documented_fields(api: Caller) -> None:
    flow = (await api.get("flows/flow1")).json
    assert set(flow) == {
        *("id", "name", "published", "frequency", "created_at", "created_by"),
        *("updated_at", "updated_by", "published_at", "url"),
    }
    assert flow["url"] == f"{api.account}/flows/flow1"


async def test_publishing_shows_and_is_harmless_when_repeated(api: Caller) -> None:
    for _ in range(2):
        got = await api("POST", "flows/flow2/publish", b"")
        assert got.json == {"status": 200, "title": "OK"}
    flow = (await api.get("flows/flow2")).json
    assert flow["published"] is True
    assert flow["published_at"] == flow["updated_at"]


async def test_unpublishing_shows_and_is_harmless_when_repeated(api: Caller) -> None:
    for _ in range(2):
        assert (await api("POST", "flows/flow1/unpublish", b"")).status == 200
    assert (await api.get("flows/flow1")).json["published"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "flows/x"), ("POST", "flows/x/publish"), ("POST", "flows/x/unpublish")],
)
async def test_an_unknown_flow_gets_404(api: Caller, method: str, path: str) -> None:
    assert (await api(method, path)).status == 404


async def test_flows_come_as_csv(api: Caller) -> None:
    lines = (await api.get("flows", headers={"Accept": "text/csv"})).text.splitlines()
    assert lines[0] == (
        "id,name,published,frequency,created_at,updated_at,published_at,created_by,updated_by,url"
    )
    assert lines[2].startswith("flow2,New report,false,every_time,")
    assert ",," in lines[2]


async def test_done_comes_as_csv(api: Caller) -> None:
    got = await api("POST", "flows/flow1/publish", headers={"Accept": "text/csv"})
    assert got.text == "status,title\n200,OK\n"
