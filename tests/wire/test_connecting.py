"""Why there is no connection: what no waiting mends ends at once, and says what it was."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from appcues_async import (
    AppcuesClient,
    BulkFailed,
    ConnectionFailed,
    Delivery,
    InvalidInput,
    RetryPolicy,
    Timeouts,
)
from appcues_async.notices import AttemptFailed, Notice
from appcues_async.sandbox import Sandbox
from appcues_async.wire import connections

ACCOUNT: dict[str, Any] = {"account_id": "1", "api_key": "k", "api_secret": "s"}
EVENT = {"user_id": "007", "name": "seen", "timestamp": "2026-07-14T12:00:00Z"}
WAIT = RetryPolicy(base=30, cap=30)
"""Nobody waits that long in a test, so whatever is tried again fails it."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


pytestmark = pytest.mark.usefixtures("nothing_reached")


@asynccontextmanager
async def listening(handler: Handler, **options: Any) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def empty_list(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        b"Connection: close\r\n\r\n[]"
    )
    await writer.drain()
    writer.close()


CALLS: dict[str, Callable[[AppcuesClient], Awaitable[object]]] = {
    "a read": lambda client: client.segments.list(),
    "an event": lambda client: client.users.track_event("007", "seen"),
    "an import": lambda client: client.imports.events([EVENT]),
}
EVERY_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


async def failure_of(
    call: Callable[[AppcuesClient], Awaitable[object]], **options: Any
) -> ConnectionFailed:
    options = {"retry": WAIT, **options}
    async with AppcuesClient(**ACCOUNT, throttle=None, **options) as client:
        with pytest.raises(ConnectionFailed) as caught:
            await asyncio.wait_for(call(client), 20)
    error = caught.value
    assert error.delivery is Delivery.NOT_SENT
    assert len(error.attempts) == 1
    return error


# --- certificates --------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@EVERY_CALL
async def test_an_untrusted_certificate_ends_a_call_at_once(
    certified: ssl.SSLContext, call: Callable[[AppcuesClient], Awaitable[object]]
) -> None:
    async with listening(empty_list, ssl=certified) as port:
        error = await failure_of(call, base_url=f"https://localhost:{port}")
    assert "certificate verify failed" in str(error)
    assert "SSL_CERT_FILE" in str(error)


async def test_an_untrusted_certificate_ends_a_bulk_run_at_once(
    certified: ssl.SSLContext,
) -> None:
    async with (
        listening(empty_list, ssl=certified) as port,
        AppcuesClient(**ACCOUNT, base_url=f"https://localhost:{port}") as client,
    ):
        with pytest.raises(BulkFailed, match="certificate verify failed"):
            await asyncio.wait_for(client.bulk.import_profiles([{"user_id": "007"}]), 20)


async def test_a_private_ca_is_trusted_by_its_file(
    authority: trustme.CA,
    certified: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    # aiohttp makes its context once a process; a program sets the variable before it starts.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context())
    async with (
        listening(empty_list, ssl=certified) as port,
        AppcuesClient(**ACCOUNT, base_url=f"https://localhost:{port}") as client,
    ):
        assert await client.segments.list() == []


# --- names ---------------------------------------------------------------------------------------


async def test_a_name_that_does_not_exist_ends_a_call_at_once(
    unknown_names: Callable[[int], None],
) -> None:
    unknown_names(socket.EAI_NONAME)
    error = await failure_of(CALLS["an import"], base_url="https://api.appcuse.invalid")
    assert "api.appcuse.invalid: Name or service not known" in str(error)


@pytest.mark.parametrize(("code", "reached"), [("EAI_AGAIN", False), ("EAI_NONAME", True)])
async def test_a_name_that_was_found_before_is_tried_again(
    unknown_names: Callable[[int], None], code: str, reached: bool
) -> None:
    unknown_names(getattr(socket, code))
    if reached:
        connections._reached.add(("api.appcues.invalid", 443))
    soon = RetryPolicy(attempts=3, base=0.001)
    async with AppcuesClient(
        **ACCOUNT, base_url="https://api.appcues.invalid", throttle=None, retry=soon
    ) as client:
        with pytest.raises(ConnectionFailed) as caught:
            await client.segments.list()
    assert len(caught.value.attempts) == 3


@pytest.mark.parametrize("timeouts", [Timeouts(connect=0.1), Timeouts(budget=0.1)])
async def test_a_search_for_a_name_without_an_end_is_bounded(
    monkeypatch: pytest.MonkeyPatch, timeouts: Timeouts
) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    error = await failure_of(
        CALLS["an event"],
        base_url="https://api.example.invalid",
        retry=RetryPolicy(attempts=1),
        timeouts=timeouts,
    )
    assert "no connection within the" in str(error)


# --- TLS -----------------------------------------------------------------------------------------


async def talks_nonsense_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 No\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_server_that_speaks_no_tls_is_said_to() -> None:
    async with listening(talks_nonsense_at_once) as port:
        error = await failure_of(
            CALLS["a read"], base_url=f"https://127.0.0.1:{port}", retry=RetryPolicy(attempts=1)
        )
    assert "no connection: the TLS handshake failed: wrong version number" in str(error)


# --- the reason ----------------------------------------------------------------------------------


async def test_a_notice_names_the_reason_of_a_failed_attempt() -> None:
    heard: list[Notice] = []
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        await failure_after_one(heard, f"http://127.0.0.1:{held.getsockname()[1]}")
    (failed,) = [one for one in heard if isinstance(one, AttemptFailed)]
    assert failed.reason == "no connection: Connection refused"


async def failure_after_one(heard: list[Notice], base_url: str, **options: Any) -> None:
    once = RetryPolicy(attempts=1)
    async with AppcuesClient(
        **ACCOUNT, base_url=base_url, retry=once, on_notice=heard.append, **options
    ) as client:
        with pytest.raises(ConnectionFailed):
            await client.segments.list()


@pytest.mark.parametrize(
    "options",
    [
        {"retry": 3},
        {"timeouts": 3},
        {"polling": 3},
        {"throttle": 30},
        {"on_notice": "x"},
        {"session": "x"},
        {"proxy": 3128},
    ],
    ids=lambda one: next(iter(one)),
)
def test_an_option_of_another_type_is_refused_where_it_is_given(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"{next(iter(options))} is"):
        AppcuesClient(**ACCOUNT, **options)


async def test_so_it_is_by_with_options(client: AppcuesClient) -> None:
    wrong: Any = 3
    with pytest.raises(InvalidInput, match="retry is 3"):
        client.with_options(retry=wrong)


async def test_a_client_shows_how_its_throttle_stands(sandbox: Sandbox) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        await client.segments.list()
        gauges = client.gauges
    assert gauges is not None
    assert (gauges.waiting, gauges.in_flight, gauges.gate) == (0, 0, "open")
