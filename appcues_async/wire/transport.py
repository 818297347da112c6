"""One attempt over aiohttp: a request goes out, a reply or one of our errors comes back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

import attrs
from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientHttpProxyError,
    ClientMiddlewareType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    InvalidURL,
    ServerDisconnectedError,
)
from aiohttp.hdrs import AUTHORIZATION
from attrs import field, frozen
from multidict import CIMultiDict
from yarl import URL

from appcues_async.errors import (
    AppcuesError,
    ConnectionFailed,
    Delivery,
    InvalidInput,
    OutcomeUnknown,
)
from appcues_async.notices import BodySent, Listener, notify
from appcues_async.settings import Credentials, Timeouts
from appcues_async.text import Secret
from appcues_async.wire.connections import (
    Connections,
    mark_reached,
    unused_proxy,
    was_connecting,
    why_not_connected,
)
from appcues_async.wire.decompress import ENCODINGS, BadBody
from appcues_async.wire.download import FileNotWritten
from appcues_async.wire.payload import FLOOR, SLICE, BodyPayload, BodyStalled
from appcues_async.wire.receive import LARGEST_REPLY, TooLarge, receive
from appcues_async.wire.redaction import Redactor
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import (
    BLOCK,
    JSON,
    Blocks,
    Endpoint,
    Lane,
    Repeat,
    Request,
    Server,
)

__all__ = ["Address", "HttpTransport"]

_uploads: Final = itertools.count(1)


class _Dropped(Exception):  # noqa: N818
    """A connection that broke, under a name that aiohttp does not send again on."""


_FAILURES: Final = (ClientError, OSError, ValueError, BadBody, FileNotWritten, _Dropped, TooLarge)
"""Errors that an attempt may end with; a TimeoutError is an OSError."""


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    # aiohttp sends a GET or DELETE again by itself when its connection breaks. The throttle would not
    # know, the attempt would not be counted, and the second DELETE would answer 404.
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientConnectionError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise _Dropped(_reason(error)) from None


async def _keyless(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    # A borrowed session may have added what a .netrc says.
    request.headers.pop(AUTHORIZATION, None)
    return await handler(request)


@frozen
class Address:
    """Where requests go, and as whom.

    Attributes:
        origin: The API's address.
        activity_origin: The address of the server that takes v1 activity.
        account_id: The account, as it stands in paths.
        authorization: The header that shows the key.
    """

    origin: str
    activity_origin: str
    account_id: str
    authorization: Secret = field(repr=False)

    @classmethod
    def of(cls, credentials: Credentials) -> Address:
        """Takes it from an account's credentials."""
        return cls(
            credentials.origin,
            credentials.activity_origin,
            credentials.account_id,
            credentials.authorization,
        )


class HttpTransport:
    """Makes attempts on one account's servers, from this process."""

    def __init__(
        self,
        connections: Connections,
        address: Address,
        timeouts: Timeouts,
        listener: Listener | None = None,
    ) -> None:
        """Prepares what every attempt shares.

        Args:
            connections: The open sessions.
            address: Where requests go, and as whom.
            timeouts: Seconds that one attempt may take, part by part.
            listener: Receives the progress of uploads.
        """
        self._connections = connections
        self._address = address
        self._timeouts = timeouts
        self._listener = listener
        self._origin = URL(address.origin)
        self._account = f"/v2/accounts/{address.account_id}/"
        # Made once, as aiohttp wants them: they are the same for nearly every request.
        self._usual = {
            content_type: CIMultiDict(self._make_headers(JSON, content_type, address.authorization))
            for content_type in (None, JSON)
        }
        self._usual_redactor = Redactor(address.authorization)
        self._idle, self._connect = timeouts.idle, timeouts.connect
        call = ClientTimeout(
            total=timeouts.budget,
            sock_connect=timeouts.connect,
            sock_read=timeouts.idle if timeouts.idle < timeouts.budget else None,
        )
        self._call = call
        self._transfer = ClientTimeout(
            total=None, sock_connect=timeouts.connect, sock_read=timeouts.idle
        )

    def with_timeouts(self, timeouts: Timeouts) -> HttpTransport:
        """Makes a transport with other timeouts on the same connections."""
        return HttpTransport(self._connections, self._address, timeouts, self._listener)

    @property
    def timeouts(self) -> Timeouts:
        """Seconds that one attempt may take, part by part."""
        return self._timeouts

    @property
    def has_proxy(self) -> bool:
        """Whether requests go through a proxy."""
        return bool(self._connections.via)

    @property
    def address(self) -> Address:
        """Where requests go, and as whom."""
        return self._address

    def linger(self, request: Request) -> float:  # noqa: ARG002 - others need to know how large it is
        """Seconds that an attempt may go on after this process has ended: none."""
        return 0.0

    async def attempt(self, request: Request, within: float | None = None) -> Reply:
        """Sends a request once and reads the whole answer, whatever its status.

        Args:
            request: What to send.
            within: Seconds left for it, if fewer than the budget; an upload has no such limit.

        Raises:
            ConnectionFailed: There was no connection.
            OutcomeUnknown: The connection broke or went silent, or the answer could not be read.
            InvalidInput: The body could not be read.
        """
        endpoint = request.endpoint
        # Of a transfer: ends the wait for the head of the answer, once the body has been sent.
        answer_due = asyncio.timeout(None)
        patience = self._idle + request.size / 1e6
        body = self._body(request, lambda: _reschedule(answer_due, patience + FLOOR))
        payload = body if isinstance(body, BodyPayload) else None
        timeout = self._call
        if request.is_transfer:
            timeout = attrs.evolve(self._transfer, sock_read=patience)
            if payload is None:
                answer_due = asyncio.timeout(self._connect + patience + FLOOR)
        if within is not None and timeout.total is not None:
            timeout = attrs.evolve(timeout, total=within)
        authorization = self._authorization(request)
        failure: AppcuesError
        try:
            async with answer_due:
                response = await self._session(request).request(
                    endpoint.method,
                    # Not kept here: what it leads to would be among the variables of an error's frames.
                    self._url(request),
                    data=body,
                    headers=self._headers(request, authorization),
                    timeout=timeout,
                    allow_redirects=False,
                    auto_decompress=False,
                    raise_for_status=False,
                    middlewares=_middlewares_for(endpoint),
                    **self._connections.via,
                )
            if endpoint.server is not Server.EXTERNAL:
                mark_reached(response.url)
            try:
                reply = await receive(response, request, idle=self._idle)
            finally:
                response.release()
        except _FAILURES as error:
            failure = self._failure(error, request, payload)
        else:
            return reply if authorization is None else self._redactor(authorization).clean(reply)
        # Raised out here, or aiohttp's own error would hang on to it: that one shows headers.
        try:
            raise failure
        finally:
            # Or the error and this frame keep each other, and the request's body, alive.
            del failure

    def _failure(
        self, error: Exception, request: Request, payload: BodyPayload | None
    ) -> AppcuesError:
        url = self._url(request)
        failure: AppcuesError
        match error:
            case ClientConnectorError() | ClientHttpProxyError():
                why, final = why_not_connected(error, url)
                failure = self._not_connected(request, url, f"no connection: {why}", final=final)
            case ConnectionTimeoutError():
                why = "no connection within the connect timeout"
                failure = self._not_connected(request, url, why)
            case TimeoutError() if was_connecting(error):
                failure = self._not_connected(request, url, "no connection within the budget")
            case ValueError():
                failure = _unsendable(request, error)
            case TimeoutError():
                failure = OutcomeUnknown(f"{request}: {_silence(payload)}")
            case FileNotWritten():
                failure = InvalidInput(str(error), delivery=Delivery.REFUSED)
            case BadBody():
                failure = OutcomeUnknown(f"{request}: {error}")
                failure.final = error.final
            case TooLarge():
                failure = OutcomeUnknown(f"{request}: the answer is over {LARGEST_REPLY:,} bytes")
            case _ if payload is not None and isinstance(payload.failure, InvalidInput):
                failure = payload.failure
            case _:
                failure = OutcomeUnknown(f"{request}: the connection broke: {_reason(error)}")
        return failure

    def _not_connected(
        self, request: Request, url: URL, why: str, *, final: bool = False
    ) -> ConnectionFailed:
        if not self._connections.via and not self._connections.borrowed and unused_proxy(url):
            why += f"; {url.scheme.upper()}_PROXY is set and not used: "
            why += "give proxy='env' (--proxy env) to go through it"
        return ConnectionFailed(f"{request}: {why}", final=final)

    def _session(self, request: Request) -> ClientSession:
        endpoint = request.endpoint
        if endpoint.server is Server.EXTERNAL:
            return self._connections.bare
        if endpoint.lane is Lane.UPLOAD or endpoint.repeat is Repeat.UNSAFE:
            return self._connections.fresh
        return self._connections.kept

    def _url(self, request: Request) -> URL:
        path, address = request.path, self._address
        server = request.endpoint.server
        if server is Server.EXTERNAL:
            return URL(path, encoded=True)
        path = (
            path.replace("{account_id}", address.account_id)
            if path.startswith("/")
            else self._account + path
        )
        if server is Server.API and "?" not in path:
            return self._origin.with_path(path, encoded=True)
        origin = address.activity_origin if server is Server.ACTIVITY else address.origin
        return URL(origin + path, encoded=True)

    def _authorization(self, request: Request) -> Secret | None:
        if request.endpoint.server is not Server.API:
            return None
        return request.authorization or self._address.authorization

    def _redactor(self, authorization: Secret) -> Redactor:
        usual = authorization is self._address.authorization
        return self._usual_redactor if usual else Redactor(authorization)

    def _headers(
        self, request: Request, authorization: Secret | None
    ) -> CIMultiDict[str] | dict[str, str]:
        content_type = request.content_type
        usual = authorization is self._address.authorization and request.accept == JSON
        if usual and content_type in self._usual:
            return self._usual[content_type]
        return self._make_headers(request.accept, content_type, authorization)

    @staticmethod
    def _make_headers(
        accept: str, content_type: str | None, authorization: Secret | None
    ) -> dict[str, str]:
        headers = {"Accept": accept, "Accept-Encoding": ENCODINGS}
        if authorization is not None:
            headers["Authorization"] = authorization
        if content_type is not None:
            headers["Content-Type"] = content_type
        return headers

    def _body(self, request: Request, on_end: Callable[[], None]) -> bytes | BodyPayload | None:
        body = request.body
        if body is None or (isinstance(body, bytes) and len(body) <= BLOCK):
            return body
        if isinstance(body, Blocks) and body.size <= SLICE and self._listener is None:
            # Written in one go all the same, and mocks of the session can compare it.
            return b"".join(body.blocks)
        if isinstance(body, bytes):
            body = Blocks((body,), JSON)
        upload, route, size = next(_uploads), request.endpoint.route, request.size

        def on_sent(sent: int) -> None:
            notify(self._listener, BodySent(route, upload, sent, size))

        return BodyPayload(
            body,
            idle=self._idle,
            on_sent=on_sent if self._listener else None,
            on_end=on_end if request.is_transfer else None,
        )


def _middlewares_for(endpoint: Endpoint) -> tuple[ClientMiddlewareType, ...] | None:
    if endpoint.method in {"GET", "DELETE"}:
        return (_once,)
    return (_keyless,) if endpoint.server is Server.ACTIVITY else None


def _reschedule(timeout: asyncio.Timeout, seconds: float) -> None:
    timeout.reschedule(asyncio.get_running_loop().time() + seconds)


def _unsendable(request: Request, error: ValueError) -> InvalidInput:
    """Names the fault of a request that aiohttp does not begin to send."""
    if isinstance(error, InvalidURL | UnicodeError):
        return InvalidInput(f"{request}: the path is not one that HTTP can carry")
    if "AUTHORIZATION" in str(error):
        return InvalidInput(
            f"{request}: your session brings credentials of its own, from auth= or a .netrc; give "
            "one without auth= and with trust_env=False"
        )
    raise error


def _silence(payload: BodyPayload | None) -> str:
    if payload is not None and isinstance(payload.failure, BodyStalled):
        return f"the network took too little within the idle timeout, {payload.sent:,} bytes in"
    return "no whole answer within the timeout"


def _reason(error: BaseException) -> str:
    """Names what broke; aiohttp's own text may quote the request's headers."""
    match error:
        case _Dropped():
            return str(error)
        case ServerDisconnectedError():
            return "the server closed it"
        case OSError() if error.strerror:
            return error.strerror
        case _:
            return type(error).__name__
