"""Files behind presigned links."""

from __future__ import annotations

import aiohttp
import pytest

from tests.sandbox.caller import Caller, Got


@pytest.fixture
async def link(api: Caller) -> str:
    """The link to a file with one line in it."""
    event = {"user_id": "a", "name": "x", "timestamp": "2026-07-14T12:00:00Z", "attributes": {}}
    api.sandbox.events.append(event)
    spec = {"columns": ["user_id"], "start_time": "2026-07-01"}
    job_id = (await api.send_json("POST", "analytics/exports", spec)).json["job_id"]
    url: str = (await api.get(f"analytics/exports/{job_id}")).json["download_url"]
    return url


async def fetch(session: aiohttp.ClientSession, url: str, method: str = "GET") -> Got:
    async with session.request(method, url) as response:
        return Got(response.status, response.headers, await response.read())


async def test_it_needs_no_credentials(session: aiohttp.ClientSession, link: str) -> None:
    got = await fetch(session, link)
    assert (got.status, got.text) == (200, '{"user_id":"a"}\n')


async def test_it_lies_outside_of_the_api(api: Caller, link: str) -> None:
    assert link.startswith(f"{api.sandbox.url}/files/")


async def test_credentials_get_400(api: Caller, link: str) -> None:
    got = await api.get(link)
    assert got.status == 400
    assert "<Code>InvalidArgument</Code>" in got.text


async def test_it_can_be_used_again(session: aiohttp.ClientSession, link: str) -> None:
    assert (await fetch(session, link)).body == (await fetch(session, link)).body


async def test_it_expires(api: Caller, session: aiohttp.ClientSession, link: str) -> None:
    api.sandbox.advance(3_599)
    assert (await fetch(session, link)).status == 200
    api.sandbox.advance(2)
    assert (await fetch(session, link)).status == 403


async def test_without_its_signature_it_gets_403(session: aiohttp.ClientSession, link: str) -> None:
    assert (await fetch(session, link.partition("?")[0])).status == 403
    assert (await fetch(session, link + "0")).status == 403


async def test_a_signature_is_good_for_one_file_only(
    session: aiohttp.ClientSession, link: str
) -> None:
    path, _, query = link.partition("?")
    assert (await fetch(session, f"{path}0?{query}")).status == 403


async def test_it_is_only_read(session: aiohttp.ClientSession, link: str) -> None:
    assert (await fetch(session, link, "DELETE")).status == 405


async def test_a_reset_ends_it(api: Caller, session: aiohttp.ClientSession, link: str) -> None:
    api.sandbox.reset()
    assert (await fetch(session, link)).status == 403


async def test_it_is_no_request_of_the_account(api: Caller, link: str) -> None:
    api.sandbox.rate_limit = 1
    for _ in range(3):
        assert (await fetch(api.session, link)).status == 200
