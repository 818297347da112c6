"""The aiohttp sessions under a client: opened in its loop, closed with it.

Small calls share connections that are kept alive, since a new TLS connection costs eight times a
request. Uploads and requests that must not be applied twice get a new connection each: one that the
server has just closed would fail them without saying whether they arrived.

Certificates are judged by what the operating system trusts; SSL_CERT_FILE and SSL_CERT_DIR name others.
"""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import socket
import ssl
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientRequest,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from yarl import URL

from appcues_async.settings import Proxy, Timeouts
from appcues_async.wire.links import is_allowed_address

__all__ = [
    "NOT_OPEN",
    "Connections",
    "mark_reached",
    "unused_proxy",
    "was_connecting",
    "why_not_connected",
]

NOT_OPEN: Final = (
    "the client is not open: use it in `async with`, "
    "or between `await client.open()` and `await client.aclose()`"
)
_ELSEWHERE: Final = (
    "the client was opened on another event loop; open one on each (asyncio.run makes a new loop)"
)
_FORKED: Final = "the client was opened in another process, which this is a fork of; open one here"

KEPT: Final = 100
"""Connections kept; more of them cost time and gain none."""
USER_AGENT: Final = (
    f"appcues_async Python/{platform.python_version()} aiohttp/{aiohttp.__version__}"
)


class Connections:
    """Two sessions, or the caller's own for everything.

    A borrowed session is never closed, and decides for itself about proxies, certificates and
    connections. Sessions of ours take no proxy, cookie or `.netrc` from their surroundings.

    Attributes:
        borrowed: The caller's session, if everything is sent with that.
        via: Options of a request that lead it through the proxy.
        kept: The session whose connections are used again.
        fresh: The session whose connections are used once.
        usable: Whether calls may begin.
        closed: Whether those that had begun may go on no longer.
    """

    kept: ClientSession
    fresh: ClientSession

    def __init__(
        self,
        timeouts: Timeouts,
        borrowed: ClientSession | None = None,
        proxy: Proxy | None = None,
        *,
        links_to_loopback: bool = False,
    ) -> None:
        """Keeps what is needed to open sessions.

        Args:
            timeouts: Seconds that connecting and answering may take.
            borrowed: The caller's session, used for everything.
            proxy: Leads everything through it.
            links_to_loopback: Whether links in answers may lead to this machine.
        """
        self._links_to_loopback = links_to_loopback
        self.via: dict[str, Any] = {}
        if proxy is not None:
            self.via["proxy"] = URL(proxy.url)
            if proxy.authorization is not None:
                self.via["proxy_headers"] = {"Proxy-Authorization": proxy.authorization}
        self._timeouts = timeouts
        self.borrowed = borrowed
        self._bare: ClientSession | None = None
        self._calls = 0
        self._idle = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self.usable: bool = False
        self.closed: bool = False

    def open(self) -> None:
        """Makes the sessions; needs the running loop."""
        if self.borrowed is None:
            self.kept = self._session(_Connector(limit=KEPT))
            self.fresh = self._session(_Connector(limit=0, force_close=True))
        else:
            self.kept = self.fresh = self.borrowed
        self._bare = None
        self._loop, self._process = asyncio.get_running_loop(), os.getpid()
        self.usable, self.closed = True, False
        _open.add(self)

    @property
    def bare(self) -> ClientSession:
        """A session that shows nothing of the account, for links that lead elsewhere.

        It connects to the very addresses that were judged; a proxy looks names up for itself.
        """
        if self._bare is None:
            resolver = None if self.via else _PublicResolver(loopback=self._links_to_loopback)
            self._bare = self._session(_Connector(resolver=resolver))
        return self._bare

    async def close(self, grace: float) -> None:
        """Takes no more calls, lets those in flight end, and closes what `open` has made.

        Args:
            grace: Seconds that calls in flight have to end by themselves.
        """
        self.usable = False
        try:
            if self._calls:
                self._idle.clear()
                async with asyncio.timeout(grace):
                    await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            self.closed = True
            _open.discard(self)
            for session in self._own():
                await session.close()

    def check(self) -> None:
        """Makes sure that a call may begin here.

        Raises:
            RuntimeError: The client is not open, or was opened on another loop or in another process.
        """
        if self._process and self._process != os.getpid():
            raise RuntimeError(_FORKED)
        if not self.usable:
            raise RuntimeError(NOT_OPEN)
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(_ELSEWHERE)

    def enter(self) -> None:
        """Counts a call as in flight, until `leave`.

        Raises:
            RuntimeError: It may not begin here, as `check` says.
        """
        self.check()
        self._calls += 1

    def leave(self) -> None:
        """Counts a call as ended."""
        self._calls -= 1
        if not self._calls:
            self._idle.set()

    def disown(self) -> None:
        """Lets go of the sessions in a forked process, without closing them.

        The parent's selector is shared with this process: a connection that is closed here is taken out
        of it there, and the parent would never hear an answer again.
        """
        for session in self._own():
            if session.connector is not None:
                # A connector that is thrown away closes what it keeps.
                session.connector._conns.clear()
            session.detach()

    def _own(self) -> list[ClientSession]:
        own = [] if self.borrowed else [self.kept, self.fresh]
        return own if self._bare is None else [*own, self._bare]

    def _session(self, connector: TCPConnector) -> ClientSession:
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            timeout=ClientTimeout(total=self._timeouts.budget, sock_connect=self._timeouts.connect),
        )


class _Connector(TCPConnector):
    """Bounds the whole way to a connection, and tells its failures from those of a request.

    aiohttp bounds neither the search for a name nor the answer of a proxy, and a proxy that breaks off
    looks to it like a server that does. Nothing of a request has been sent by then.
    """

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> ResponseHandler:
        try:
            async with asyncio.timeout(timeout.sock_connect):
                return await super()._create_connection(req, traces, timeout)
        except asyncio.CancelledError as error:
            # Where the time of the whole request is over, this is the cause of its TimeoutError.
            error.add_note(_CONNECTING)
            raise
        except (ClientConnectorError, ClientHttpProxyError):
            raise
        except ClientError as error:
            proxy = req.proxy or req.url
            key = req.connection_key._replace(host=proxy.host or "", port=proxy.port)
            code = getattr(error, "errno", None) or errno.EPROTO
            failed = OSError(code, os.strerror(code))
        # Raised out here: aiohttp's own error holds the headers that the proxy was shown.
        raise ClientProxyConnectionError(key, failed)


class _PublicResolver(ThreadedResolver):
    """Looks names up, and refuses those that stand for an address which no link may lead to."""

    def __init__(self, *, loopback: bool) -> None:
        super().__init__()
        self._loopback = loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        if not all(is_allowed_address(one["host"], loopback=self._loopback) for one in found):
            raise _NotPublic(errno.EACCES, "the name stands for an address that is not public")
        return found


class _NotPublic(OSError):  # noqa: N818 - names read as what happened
    """No link may lead there."""


_CONNECTING: Final = "there was no connection yet"
_open: Final[WeakSet[Connections]] = WeakSet()


def _disown_all() -> None:
    for connections in _open:
        connections.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)


_reached: Final[set[tuple[str | None, int | None]]] = set()
"""Hosts and ports that this process has had an answer from."""


def mark_reached(url: URL) -> None:
    """Remembers that a server has answered: where its name is not found later, it is an outage."""
    _reached.add((url.host, url.port))


def why_not_connected(
    error: ClientConnectorError | ClientHttpProxyError, url: URL
) -> tuple[str, bool]:
    """Why there is no connection, and whether no waiting mends that.

    aiohttp's own text is not used: it may quote the request's headers.

    Args:
        error: What aiohttp said.
        url: What was to be reached.
    """
    match error:
        case ClientHttpProxyError():
            # Its other refusals say that the proxy does not reach the server now.
            return f"the proxy refused it with {error.status}", error.status in {403, 407}
        case ClientConnectorCertificateError():
            fix = "name the CA that signed it in SSL_CERT_FILE, if you trust it"
            said = getattr(error.certificate_error, "verify_message", "") or "not trusted"
            return f"certificate verify failed: {said}; {fix}", True
        case ClientConnectorDNSError():
            code = getattr(error.os_error, "errno", None)
            unknown = code in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}
            gone = unknown and (url.host, url.port) not in _reached
            final = gone or isinstance(error.os_error, _NotPublic)
            # Of a proxy, where it is the one whose name is not found.
            return f"{error.host}: {error.os_error.strerror or 'the name is not known'}", final
        case _:
            where = ""
            if isinstance(error, ClientProxyConnectionError):
                where = f"the proxy {error.host}:{error.port}: "
            return f"{where}{_reason(error.os_error)}", False


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        # Its number is none of the system's.
        said = (error.reason or "no reason was given").lower().replace("_", " ")
        return f"the TLS handshake failed: {said}"
    if error.errno:
        # What asyncio says instead names an address and leaves the reason out.
        return os.strerror(error.errno)
    return str(error.strerror or error) or "it was closed before it stood"


def was_connecting(error: TimeoutError) -> bool:
    """Whether the time of a request was over before there was a connection to send it on."""
    return _CONNECTING in getattr(error.__cause__, "__notes__", ())


def unused_proxy(url: URL) -> bool:
    """Whether the environment names a proxy for this server."""
    return bool(getproxies().get(url.scheme)) and not proxy_bypass(url.authority)
