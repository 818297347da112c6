"""The log of requests."""

from __future__ import annotations

import asyncio
import io

import aiohttp
import attrs
import pytest

from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller, FakeClock, until


def port_of(api: Caller) -> int:
    return int(api.sandbox.url.rpartition(":")[2])


async def test_a_request_is_logged_as_it_was_sent(api: Caller) -> None:
    await api.send_json("PATCH", "users/a%2Fb/profile", {"x": 1}, headers={"X-Note": "hi"})
    (entry,) = api.sandbox.requests
    assert entry.method == "PATCH"
    assert entry.path == "/v2/accounts/sandbox-account/users/a%2Fb/profile"
    assert entry.status == 200
    assert entry.body == b'{"x": 1}'
    assert entry.body_bytes == 8
    assert entry.headers["x-note"] == "hi"


async def test_the_query_is_logged_apart_from_the_path(api: Caller) -> None:
    await api.get("users/a/events?limit=5&time_zone=%2B01:00")
    (entry,) = api.sandbox.requests
    assert entry.path.endswith("/users/a/events")
    assert entry.query == "limit=5&time_zone=%2B01:00"


async def test_credentials_do_not_show(api: Caller) -> None:
    await api.get("flows")
    (entry,) = api.sandbox.requests
    assert entry.authorized is True
    assert api.authorization not in repr(entry)
    assert "(redacted)" in repr(entry)


async def test_an_entry_does_not_change(api: Caller) -> None:
    await api.get("flows")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        api.sandbox.requests[0].status = 500  # type: ignore[misc]


async def test_refused_requests_are_logged_too(api: Caller) -> None:
    await api.get("nothing")
    await api.get("flows", headers={"Authorization": "none"})
    assert [entry.status for entry in api.sandbox.requests] == [404, 401]


async def test_arrivals_are_on_the_sandbox_s_clock(session: aiohttp.ClientSession) -> None:
    async with Sandbox(clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await api.get("flows")
        sandbox.advance(5)
        await api.get("flows")
        first, second = sandbox.requests
        assert second.arrived - first.arrived == 5
        assert second.arrived == sandbox.time()


async def test_requests_on_one_connection_share_its_number(api: Caller) -> None:
    for _ in range(2):
        await api.get("flows")
    await api.get("flows", headers={"Connection": "close"})
    await api.get("flows")
    first, second, third, fourth = (entry.connection for entry in api.sandbox.requests)
    assert first == second == third != fourth


async def test_a_long_body_is_counted_and_not_kept(api: Caller) -> None:
    body = io.BytesIO(b'{"user_id": "a"}'.ljust(65_537))
    await api("POST", "import/profiles", body, kind="application/ndjson")
    (entry,) = api.sandbox.requests
    assert (entry.body_bytes, entry.body) == (65_537, None)


async def test_a_body_of_64_kibibytes_is_kept(api: Caller) -> None:
    body = b'{"user_id": "a"}'.ljust(65_536)
    await api("POST", "import/profiles", body, kind="application/ndjson")
    assert api.sandbox.requests[0].body == body


async def test_a_client_that_goes_away_in_its_upload_is_marked(api: Caller) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(api))
    head = (
        "POST /v2/accounts/sandbox-account/import/profiles HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {api.authorization}\r\nContent-Type: application/ndjson\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    writer.write(head.encode() + b'{"user_id": "a"}\n')
    await writer.drain()
    await until(lambda: api.sandbox.requests)
    writer.close()
    await until(lambda: api.sandbox.requests[0].aborted)
    assert api.sandbox.requests[0].status is None
    assert api.sandbox.requests[0].body_bytes == 17
    assert api.sandbox.jobs == {}


async def test_a_request_that_waits_has_no_status_yet(api: Caller) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(api))
    writer.write(b"POST /v1/accounts/sandbox-account/users/a/activity HTTP/1.1\r\nHost: x\r\n")
    writer.write(b"Content-Type: application/json\r\nContent-Length: 20\r\n\r\n")
    await until(lambda: api.sandbox.requests)
    assert api.sandbox.requests[0].status is None
    writer.write(b'{"profile_update":{}}'[:20])
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    assert api.sandbox.requests[0].status == 400
    writer.close()
