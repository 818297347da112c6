"""Credentials go to the configured origin and nowhere else, and no answer takes more than its share."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from aiohttp import ClientSession, TCPConnector, web

from appcues_async import (
    AppcuesClient,
    ConnectionFailed,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    RetryPolicy,
    UnexpectedReply,
)
from appcues_async.sandbox import Answer, Fault, Raw, Sandbox
from appcues_async.settings import Credentials

ONCE: Final = RetryPolicy(attempts=1)
LARGEST: Final = 16 * 1024 * 1024

Call = Callable[[AppcuesClient], Any]
CALLS: Final[dict[str, Call]] = {
    "GET": lambda client: client.flows.list(),
    "PATCH": lambda client: client.users.update_profile("007", {"plan": "pro"}),
    "POST": lambda client: client.users.track_event("007", "seen"),
    "DELETE": lambda client: client.segments.delete("x"),
    "an upload": lambda client: client.imports.profiles([{"user_id": "007"}]),
    "any request": lambda client: client.request("GET", "flows"),
    "v1 activity": lambda client: client.activity.record("007", profile_update={"plan": "pro"}),
}


@pytest.fixture
async def elsewhere() -> AsyncIterator[Sandbox]:
    """A server that nothing must reach."""
    async with Sandbox(rate_limit=None) as running:
        yield running


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("name", CALLS)
async def test_a_redirect_is_followed_nowhere(
    sandbox: Sandbox, client: AppcuesClient, elsewhere: Sandbox, name: str, status: int
) -> None:
    again = f"{sandbox.url}/v2/accounts/sandbox-account/flows"
    for target in (
        elsewhere.url,
        f"{elsewhere.url}/v2/accounts/1/flows",
        again,
        "//127.0.0.1",
        "/",
    ):
        sandbox.faults.add(Answer.redirect(target, status=status), times=None)
        with pytest.raises((UnexpectedReply, OutcomeUnknown), match="redirect"):
            await CALLS[name](client.with_options(retry=ONCE))
        sandbox.faults.clear()
    assert not elsewhere.requests
    assert len(sandbox.requests) == 5


# --- proxies and .netrc --------------------------------------------------------------------------


@pytest.fixture
def netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of somebody's names and passwords, good for every server."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login mickey password mouse\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


@pytest.fixture
def surrounded(monkeypatch: pytest.MonkeyPatch, elsewhere: Sandbox, netrc: None) -> Sandbox:
    """Variables and files that send other programs through `elsewhere`, as somebody else."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, elsewhere.url)
        monkeypatch.setenv(name.upper(), elsewhere.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return elsewhere


@pytest.mark.parametrize("name", CALLS)
async def test_what_surrounds_a_client_neither_diverts_nor_signs_its_requests(
    surrounded: Sandbox, sandbox: Sandbox, name: str
) -> None:
    sandbox.faults.add(Answer(200, body="[]"), method="DELETE")
    async with AppcuesClient(**sandbox.credentials) as client:
        await CALLS[name](client)
        mine = Credentials.of(**sandbox.credentials).authorization
    (request,) = sandbox.requests
    assert request.headers.get("Authorization") == (None if name == "v1 activity" else mine)
    assert not surrounded.requests


async def test_a_link_is_fetched_without_proxy_and_without_netrc(
    surrounded: Sandbox, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        day = datetime.now(UTC).date()
        handle = await client.analytics.export({"metrics": ["users"], "start_time": day})
        await handle.download(tmp_path / "file")
    assert not sandbox.requests[-1].authorized
    assert not surrounded.requests


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("name", [name for name in CALLS if name != "v1 activity"])
async def test_a_session_that_brings_another_key_is_refused(sandbox: Sandbox, name: str) -> None:
    async with (
        ClientSession(trust_env=True) as session,
        AppcuesClient(**sandbox.credentials, session=session) as client,
    ):
        with pytest.raises(InvalidInput, match="without auth= and with trust_env=False"):
            await CALLS[name](client)
    assert not sandbox.requests


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.usefixtures("netrc")
async def test_no_session_shows_a_key_to_the_server_of_v1_activity(sandbox: Sandbox) -> None:
    sessions = (ClientSession(trust_env=True), ClientSession(headers={"Authorization": "Basic b"}))
    for one in sessions:
        async with one as session, AppcuesClient(**sandbox.credentials, session=session) as client:
            await CALLS["v1 activity"](client)
    assert [one.authorized for one in sandbox.requests] == [False, False]


async def test_a_proxy_is_used_when_it_is_asked_for(surrounded: Sandbox, sandbox: Sandbox) -> None:
    async with (
        ClientSession(proxy=surrounded.url) as session,
        AppcuesClient(**sandbox.credentials, session=session, retry=ONCE) as client,
    ):
        with pytest.raises(NotFound):
            await client.flows.list()
    assert not sandbox.requests
    assert surrounded.requests[0].path.startswith(sandbox.url)


# --- how much is read ----------------------------------------------------------------------------


def chunked(body: bytes, head: str = "") -> bytes:
    """An answer that does not say how long it is."""
    start = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{head}\r\n{len(body):x}\r\n"
    return start.encode() + body + b"\r\n0\r\n\r\n"


GZIP, DEFLATE = 31, 15


def bomb(form: int) -> bytes:
    """300 MB of JSON in some 300 kB."""
    squeeze = zlib.compressobj(wbits=form)
    block = b" " * (1 << 20)
    blocks = [squeeze.compress(one) for one in (b"[", *[block] * 300, b"]")]
    return b"".join((*blocks, squeeze.flush()))


def packed(status: int, form: int, name: str) -> Answer:
    return Answer(status, body=bomb(form), headers={"Content-Encoding": name})


TOO_LARGE: Final[dict[str, Callable[[], Fault]]] = {
    "plain": lambda: Answer(200, body=b" " * (LARGEST + 1)),
    "in chunks": lambda: Raw(chunked(b" " * (LARGEST + 1))),
    "without a length": lambda: Raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (LARGEST + 1)),
    "gzip": lambda: packed(200, GZIP, "gzip"),
    "deflate": lambda: packed(200, DEFLATE, "deflate"),
    "gzip in chunks": lambda: Raw(chunked(bomb(GZIP), "Content-Encoding: gzip\r\n")),
    "an error": lambda: packed(500, GZIP, "gzip"),
}


@pytest.mark.parametrize(
    "form",
    ["gzip", *(pytest.param(one, marks=pytest.mark.long) for one in TOO_LARGE if one != "gzip")],
)
async def test_no_answer_takes_more_than_its_share(
    sandbox: Sandbox, client: AppcuesClient, form: str
) -> None:
    sandbox.faults.add(TOO_LARGE[form]())
    tracemalloc.start()
    try:
        with pytest.raises(OutcomeUnknown):
            await client.with_options(retry=ONCE).flows.list()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # What the server copies of it is among that.
    assert peak < 64 << 20


async def test_an_answer_of_16_mb_is_read(sandbox: Sandbox, client: AppcuesClient) -> None:
    sandbox.faults.add(Answer(200, body=b"[" + b" " * (LARGEST - 2) + b"]"))
    assert await client.with_options(retry=ONCE).flows.list() == []
    assert len(sandbox.requests) == 1


# --- TLS -----------------------------------------------------------------------------------------


@asynccontextmanager
async def served(leaf: trustme.LeafCert, heard: list[str]) -> AsyncIterator[int]:
    """A server that shows a certificate, and writes down the requests that it is sent."""

    async def answer(request: web.BaseRequest) -> web.Response:
        heard.append(f"{request.method} {request.path} {request.headers.get('Authorization')}")
        return web.json_response([])

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(context)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(answer), "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def certificates() -> Iterator[tuple[str, trustme.CA, trustme.LeafCert, bool]]:
    known, unknown = trustme.CA(), trustme.CA()
    yield "one of an unknown authority", known, unknown.issue_cert("127.0.0.1"), False
    yield "one of another host", known, known.issue_cert("elsewhere.example"), False
    ended = datetime.now(UTC) - timedelta(days=1)
    late = known.issue_cert("127.0.0.1", not_before=ended - timedelta(days=2), not_after=ended)
    yield "one that has expired", known, late, False
    yield "a good one", known, known.issue_cert("127.0.0.1"), True


CERTIFICATES: Final = [*certificates()]


@pytest.mark.parametrize(
    ("authority", "leaf", "good"),
    [pytest.param(*rest, id=name) for name, *rest in CERTIFICATES],
)
@pytest.mark.parametrize("name", ["GET", "POST", "an upload"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_bad_certificate_fails_closed(
    authority: trustme.CA,
    leaf: trustme.LeafCert,
    good: bool,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    trusted = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context())
    heard: list[str] = []
    async with served(leaf, heard) as port:
        given: dict[str, Any] = {"account_id": "1", "api_key": "key", "api_secret": "secret"}
        async with AppcuesClient(
            **given, base_url=f"https://127.0.0.1:{port}", retry=ONCE
        ) as client:
            if good:
                await client.flows.list()
                assert heard
                return
            with pytest.raises(ConnectionFailed, match="certificate"):
                await CALLS[name](client)
    assert heard == []


async def test_a_certificate_of_one_s_own_is_trusted_through_a_session() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    heard: list[str] = []
    async with served(authority.issue_cert("127.0.0.1"), heard) as port:
        url = f"https://127.0.0.1:{port}"
        async with (
            ClientSession(connector=TCPConnector(ssl=context)) as session,
            AppcuesClient("1", "key", "secret", base_url=url, session=session) as client,
        ):
            assert await client.flows.list() == []
    assert len(heard) == 1


async def test_a_server_that_speaks_no_tls_is_sent_nothing(sandbox: Sandbox) -> None:
    url = sandbox.url.replace("http:", "https:")
    given: dict[str, Any] = {**sandbox.credentials, "base_url": url}
    async with AppcuesClient(**given, retry=ONCE) as client:
        with pytest.raises(ConnectionFailed):
            await client.flows.list()
    assert not sandbox.requests


# --- what goes into headers ----------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["a\r\nX-Evil: 1", "a\nb", "\x00", "tëxt/csv"])
async def test_no_header_can_be_made_of_another(
    sandbox: Sandbox, client: AppcuesClient, accept: str
) -> None:
    with pytest.raises(InvalidInput, match="accept"):
        await client.request("GET", "flows", accept=accept)
    assert not sandbox.requests
