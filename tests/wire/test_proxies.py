"""Proxies: what they are told, and what becomes of a call where they make no connection."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from appcues_async import (
    AppcuesClient,
    ConnectionFailed,
    InvalidInput,
    RetryPolicy,
    Timeouts,
)
from appcues_async.notices import AttemptFailed, Notice
from tests.wire.test_connecting import (
    ACCOUNT,
    CALLS,
    EVERY_CALL,
    Handler,
    failure_after_one,
    failure_of,
    listening,
)

pytestmark = pytest.mark.usefixtures("nothing_reached")


def proxy_that_answers(status: int, asked: list[str] | None = None) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if asked is not None:
            asked.append(head)
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    return handle


@EVERY_CALL
@pytest.mark.parametrize("status", [403, 407])
async def test_a_proxy_that_refuses_ends_a_call_at_once(
    call: Callable[[AppcuesClient], Awaitable[object]], status: int
) -> None:
    asked: list[str] = []
    async with listening(proxy_that_answers(status, asked)) as port:
        error = await failure_of(
            call, base_url="https://api.example.invalid", proxy=f"http://127.0.0.1:{port}"
        )
    assert f"the proxy refused it with {status}" in str(error)
    assert len(asked) == 1


async def test_a_proxy_of_a_borrowed_session_that_refuses_is_told_of_too() -> None:
    async with (
        listening(proxy_that_answers(407)) as port,
        aiohttp.ClientSession(proxy=f"http://127.0.0.1:{port}") as session,
    ):
        error = await failure_of(
            CALLS["an event"], base_url="https://api.example.invalid", session=session
        )
    assert "407" in str(error)


async def test_a_proxy_that_does_not_reach_the_server_is_tried_again() -> None:
    asked: list[str] = []
    soon = RetryPolicy(attempts=3, base=0.001)
    async with (
        listening(proxy_that_answers(502, asked)) as port,
        AppcuesClient(
            **ACCOUNT,
            base_url="https://api.example.invalid",
            proxy=f"http://127.0.0.1:{port}",
            retry=soon,
        ) as client,
    ):
        with pytest.raises(ConnectionFailed):
            await client.segments.list()
    assert len(asked) == 3


async def test_a_proxy_that_cannot_be_reached_is_named() -> None:
    heard: list[Notice] = []
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        proxy = f"127.0.0.1:{held.getsockname()[1]}"
        await failure_after_one(heard, "https://api.example.invalid", proxy=f"http://{proxy}")
    (failed,) = [one for one in heard if isinstance(one, AttemptFailed)]
    assert failed.reason == f"no connection: the proxy {proxy}: Connection refused"


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def talks_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\0 nonsense\r\n\r\n")
    await writer.drain()
    writer.close()


async def promises(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("handler", [hangs, breaks_off, talks_nonsense, promises])
async def test_a_proxy_that_makes_no_connection_leaves_nothing_unknown(handler: Handler) -> None:
    async with listening(handler) as port:
        error = await failure_of(
            CALLS["an event"],
            base_url="https://api.example.invalid",
            proxy=f"http://127.0.0.1:{port}",
            retry=RetryPolicy(attempts=1),
            timeouts=Timeouts(connect=0.2),
        )
    assert re.search("no connection(: .+| within the connect timeout)$", str(error))


async def test_a_proxy_whose_name_does_not_exist_is_named_at_once(
    unknown_names: Callable[[int], None],
) -> None:
    unknown_names(socket.EAI_NONAME)
    error = await failure_of(
        CALLS["a read"],
        base_url="https://api.example.invalid",
        proxy="http://proxy.example.invalid:3128",
    )
    assert "no connection: proxy.example.invalid: Name or service" in str(error)


async def test_a_proxy_is_shown_its_credentials_and_nobody_else() -> None:
    asked: list[str] = []
    async with listening(proxy_that_answers(403, asked)) as port:
        error = await failure_of(
            CALLS["a read"],
            base_url="https://api.example.invalid",
            proxy=f"http://me:hush%21@127.0.0.1:{port}",
        )
    assert "Proxy-Authorization: Basic bWU6aHVzaCE=" in asked[0]
    assert asked[0].startswith("CONNECT api.example.invalid:443")
    assert "hush" not in str(error)


async def test_the_proxy_of_the_environment_is_used_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    async with listening(proxy_that_answers(403, asked)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        await failure_of(CALLS["a read"], base_url="https://api.example.invalid", proxy="env")
    assert len(asked) == 1


async def test_no_proxy_is_used_for_a_host_that_needs_none(
    monkeypatch: pytest.MonkeyPatch, unknown_names: Callable[[int], None]
) -> None:
    unknown_names(socket.EAI_NONAME)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.invalid")
    error = await failure_of(CALLS["a read"], base_url="https://api.example.invalid", proxy="env")
    assert "HTTPS_PROXY" not in str(error)


async def test_an_unused_proxy_of_the_environment_is_spoken_of(
    monkeypatch: pytest.MonkeyPatch, unknown_names: Callable[[int], None]
) -> None:
    unknown_names(socket.EAI_NONAME)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush@127.0.0.1:9")
    error = await failure_of(CALLS["a read"], base_url="https://api.example.invalid")
    assert "HTTPS_PROXY is set and not used" in str(error)
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    "proxy", ["host:3128", "socks5://host", "http://", "http://host/path", "http://host:x", 3, ""]
)
def test_what_is_no_proxy_is_refused(proxy: Any) -> None:
    with pytest.raises(InvalidInput, match="proxy is"):
        AppcuesClient(**ACCOUNT, proxy=proxy)


def test_a_refused_proxy_does_not_show_its_password() -> None:
    with pytest.raises(InvalidInput) as caught:
        AppcuesClient(**ACCOUNT, proxy="socks5://me:hush@host")
    assert "hush" not in str(caught.value)
