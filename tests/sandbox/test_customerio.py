"""Customer.io's manual segments."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller, FakeClock, Got


def as_site(api: Caller) -> Caller:
    given = api.sandbox.customerio_credentials
    api.authorization = aiohttp.encode_basic_auth(given["site_id"], given["api_key"])
    api.account = f"{given['base_url']}/api/v1"
    return api


@pytest.fixture
def site(api: Caller) -> Caller:
    """Somebody who calls with the credentials of the site."""
    return as_site(api)


async def add(site: Caller, ids: Any, segment_id: str = "1", query: str = "") -> Got:
    return await site.send_json("POST", f"segments/{segment_id}/add_customers{query}", {"ids": ids})


async def remove(site: Caller, ids: Any) -> Got:
    return await site.send_json("POST", "segments/1/remove_customers", {"ids": ids})


async def test_people_are_added_and_removed_at_once(site: Caller) -> None:
    assert ((await add(site, ["007", "008"])).status, (await remove(site, ["008"])).json) == (
        200,
        {},
    )
    assert site.sandbox.customerio_segments == {1: {"007"}}


async def test_adding_and_removing_twice_is_harmless(site: Caller) -> None:
    for _ in range(2):
        assert (await add(site, ["a", "a"])).status == 200
    for _ in range(2):
        assert (await remove(site, ["a"])).status == 200
    assert site.sandbox.customerio_segments == {1: set()}


async def test_segments_can_be_put_in(site: Caller) -> None:
    site.sandbox.customerio_segments[7] = {"a"}
    await add(site, ["b"], "7")
    assert site.sandbox.customerio_segments[7] == {"a", "b"}


@pytest.mark.parametrize("id_type", ["id", "email", "cio_id"])
async def test_each_documented_type_of_id_is_taken(site: Caller, id_type: str) -> None:
    assert (await add(site, ["a"], query=f"?id_type={id_type}")).status == 200


async def test_a_thousand_ids_are_the_most(site: Caller) -> None:
    assert (await add(site, [str(number) for number in range(1_000)])).status == 200
    assert (await add(site, [str(number) for number in range(1_001)])).status == 400


@pytest.mark.parametrize("ids", [None, [], "a", [7], [""], [None]])
async def test_what_is_no_list_of_ids_gets_400(site: Caller, ids: Any) -> None:
    got = await add(site, ids)
    assert got.status == 400
    assert [type(one) for one in got.json["meta"]["errors"]] == [str]


async def test_another_type_of_id_gets_400(site: Caller) -> None:
    assert (await add(site, ["a"], query="?id_type=phone")).status == 400


@pytest.mark.parametrize("segment_id", ["x", "0", "-1", "1.5", "2147483648"])
async def test_a_segment_that_cannot_be_gets_400(site: Caller, segment_id: str) -> None:
    assert (await add(site, ["a"], segment_id)).status == 400


async def test_an_unknown_segment_gets_404(site: Caller) -> None:
    got = await add(site, ["a"], "2")
    assert (got.status, got.json) == (404, {"meta": {"errors": ["segment 2 does not exist"]}})


async def test_another_content_type_gets_415(site: Caller) -> None:
    assert (await site.csv("segments/1/add_customers", "a\n")).status == 415


@pytest.mark.parametrize(
    "authorization",
    [
        aiohttp.encode_basic_auth("sandbox-key", "sandbox-secret"),
        aiohttp.encode_basic_auth("sandbox-site", "x"),
        "",
    ],
)
async def test_other_credentials_get_401(site: Caller, authorization: str) -> None:
    site.authorization = authorization
    got = await add(site, ["a"])
    assert (got.status, set(got.json)) == (401, {"meta"})


async def test_an_unknown_path_gets_404_in_its_own_form(site: Caller) -> None:
    got = await site.get("customers")
    assert (got.status, set(got.json)) == (404, {"meta"})


async def test_it_has_a_rate_limit_of_its_own(session: aiohttp.ClientSession) -> None:
    async with Sandbox(rate_limit=1, customerio_rate_limit=3, clock=FakeClock()) as sandbox:
        site = as_site(Caller(sandbox, session))
        assert [(await add(site, ["a"])).status for _ in range(4)] == [200] * 3 + [429]


async def test_a_reset_starts_over(site: Caller) -> None:
    segments = site.sandbox.customerio_segments
    segments[2] = {"a"}
    await add(site, ["a"])
    site.sandbox.reset()
    assert segments == {1: set()}


async def test_the_region_is_told_to_whoever_has_the_key(site: Caller) -> None:
    got = await site.get("accounts/region")
    assert (got.status, got.json["region"]) == (200, "us")
    site.authorization = "Basic x"
    assert (await site.get("accounts/region")).status == 401
