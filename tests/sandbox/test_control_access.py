"""Who may use the control plane: whoever has the token, from this machine, and no web page elsewhere."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from appcues_async.sandbox import Sandbox

NOUNS = [("GET", "state"), ("GET", "requests"), ("GET", "live"), ("POST", "reset"), ("GET", "none")]


async def send(
    sandbox: Sandbox, method: str, path: str, *, host: str | None = None, **headers: str
) -> int:
    """Sends a request whose Host and headers are as they are given, and returns the status."""
    given = {"Host": host or urlsplit(sandbox.url).netloc, "Content-Length": "0", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(sandbox.url).port)
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


def bearer(sandbox: Sandbox) -> str:
    return f"Bearer {sandbox.token}"


@pytest.mark.parametrize(("method", "noun"), NOUNS)
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic c2FuZGJveC1rZXk6eA=="])
async def test_without_the_token_nothing_is_shown_or_done(
    sandbox: Sandbox, method: str, noun: str, given: str
) -> None:
    sandbox.profiles["a"] = {"email": "a@example.com"}
    assert await send(sandbox, method, f"/_sandbox/{noun}", Authorization=given) == 401
    assert sandbox.profiles


@pytest.mark.parametrize(
    "host",
    ["evil.example.com", "127.0.0.1.evil.example", "evil@127.0.0.1", "0.0.0.0", "[::", "x:y"],
)
@pytest.mark.parametrize("path", ["/", "/_sandbox/state", "/_sandbox/inspector.js"])
async def test_another_host_is_refused(sandbox: Sandbox, host: str, path: str) -> None:
    assert await send(sandbox, "GET", path, host=host, Authorization=bearer(sandbox)) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
async def test_a_foreign_origin_is_refused(sandbox: Sandbox, origin: str) -> None:
    given = {"Origin": origin, "Authorization": bearer(sandbox)}
    assert await send(sandbox, "POST", "/_sandbox/reset", **given) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_its_own_host_and_origin_are_let_in(sandbox: Sandbox, host: str) -> None:
    port = urlsplit(sandbox.url).port
    given = {"Origin": f"http://{host}:{port}", "Authorization": bearer(sandbox)}
    assert await send(sandbox, "GET", "/_sandbox/state", host=f"{host}:{port}", **given) == 200


async def test_a_token_is_made_for_each_sandbox_unless_it_is_given() -> None:
    first, second = Sandbox(), Sandbox()
    assert first.token != second.token
    assert len(first.token) >= 20
    assert Sandbox(token="mine").token == "mine"


@pytest.mark.parametrize("token", ["two words", "line\n", "é"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="token must be printable ASCII"):
        Sandbox(token=token)


async def test_the_inspector_is_shown_without_the_token_and_not_logged(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session, session.get(sandbox.url) as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert response.status == 200
    assert sandbox.token not in page
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert sandbox.inspector_url == f"{sandbox.url}/#token={sandbox.token}"
    assert sandbox.requests == []


@pytest.mark.parametrize("path", ["/v2/accounts/sandbox-account/import/profiles", "/_sandbox/seed"])
async def test_a_huge_body_is_refused_before_it_is_sent(sandbox: Sandbox, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(sandbox.url).port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 190000000\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    writer.write((head + kind).encode())
    answer = await asyncio.wait_for(reader.readline(), 5)
    assert b" 401 " in answer
    writer.close()
    assert all(request.body_bytes == 0 for request in sandbox.requests)
