"""The control plane: what other processes, and the inspector, use to look inside and to steer."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aiohttp import web
from attrs import asdict

from appcues_async.sandbox.bodies import RAW_LIMIT
from appcues_async.sandbox.encoding import NotJSON, decode_json, encode_json
from appcues_async.sandbox.fault_forms import add_from_json, instruction_to_json
from appcues_async.sandbox.faults import Faults
from appcues_async.sandbox.inspector import FILES, InspectorFile
from appcues_async.sandbox.problems import Refusal, problem_details
from appcues_async.sandbox.rate import TokenBucket
from appcues_async.sandbox.request_log import RequestLog
from appcues_async.sandbox.snapshot import live_view, request_to_json, state_to_json
from appcues_async.sandbox.state import State

if TYPE_CHECKING:
    from appcues_async.sandbox.server import Sandbox

__all__ = ["CONTROL_PREFIX", "Control"]

CONTROL_PREFIX: Final = "/_sandbox/"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Control:
    """Answers under `/_sandbox/`: no rate limit, not in the log.

    Every request carries `Authorization: Bearer TOKEN`, with the token that the sandbox was made with
    or has made. The Host must be a loopback address, and an Origin, where there is one, the sandbox's
    own; so no web page elsewhere can read or steer it. The files of the inspector need no token.

    * `GET info`: credentials, clock and rate limit.
    * `GET state`: all that the account holds.
    * `GET requests`: the log, without credentials and bodies.
    * `GET sent`: what has taken effect beyond what was seeded.
    * `GET live`: totals, and the latest of everything.
    * `POST reset`: back to the beginning.
    * `POST clock` with `{"advance": seconds}`: moves time forward.
    * `POST seed` with `profiles`, `events` and `segments`: puts data in.
    * `POST rate_limit` with `{"rate_limit": 5}`: sets it; null lifts it.
    * `POST fail_next_job` with `detail` and `rows_applied`.
    * `GET faults`: the faults in force, with their hits.
    * `POST faults` with `{"kind": "answer", "status": 503, "path": "/jobs", "times": 2}`: the kinds
      are the names of the fault classes in lower case; their attributes and those of the match
      stand side by side. A stall without `seconds` holds until the faults are cleared.
    * `DELETE faults`: ends all faults.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        token: str,
        state: State,
        log: RequestLog,
        faults: Faults,
        bucket: TokenBucket,
    ) -> None:
        self._sandbox = sandbox
        self._token = token
        self._state = state
        self._log = log
        self._faults = faults
        self._bucket = bucket
        self._shown: Final[Mapping[str, Callable[[], object]]] = {
            "info": self._describe,
            "state": lambda: state_to_json(state),
            "requests": lambda: [request_to_json(entry) for entry in log.entries],
            "sent": lambda: asdict(sandbox.sent),
            "live": lambda: live_view(state, log, faults, bucket),
            "faults": lambda: [instruction_to_json(one) for one in faults.instructions],
        }
        self._done: Final[Mapping[str, Callable[[dict[str, Any]], object]]] = {
            "reset": lambda _: sandbox.reset(),
            "clock": self._advance,
            "seed": self._seed,
            "rate_limit": self._limit,
            "fail_next_job": lambda fields: sandbox.fail_next_job(**fields),
            "faults": self._add_fault,
        }

    @staticmethod
    def owns(method: str, path: str) -> bool:
        """Returns whether a request is for the control plane or the inspector."""
        return path.startswith(CONTROL_PREFIX) or (method == "GET" and path == "/")

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answers one request."""
        try:
            _check_host(request)
            page = FILES.get(path)
            if page is not None and request.method == "GET":
                return _file(page)
            self._check_token(request)
            content = await self._answer(request, path.removeprefix(CONTROL_PREFIX))
        except Refusal as refusal:
            response = _json(refusal.status, problem_details(refusal.status, refusal.detail))
            if refusal.status in {401, 403}:
                # Its body is not waited for.
                response.force_close()
            return response
        return _json(200, content)

    def _check_token(self, request: web.BaseRequest) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode(), self._token.encode()
        ):
            raise Refusal(401, "Give the sandbox's token as Authorization: Bearer TOKEN")

    async def _answer(self, request: web.BaseRequest, noun: str) -> object:
        if request.method == "GET" and noun in self._shown:
            return self._shown[noun]()
        if request.method == "DELETE" and noun == "faults":
            self._faults.clear()
            return {"ok": True}
        if request.method != "POST" or noun not in self._done:
            raise Refusal(404, f"No route found for {request.method} {CONTROL_PREFIX}{noun}")
        fields = {} if noun == "reset" else await _read(request)
        try:
            return self._done[noun](fields) or {"ok": True}
        except (TypeError, ValueError, AttributeError) as error:
            raise Refusal(400, str(error)) from error

    def _describe(self) -> dict[str, Any]:
        return {
            "url": self._sandbox.url,
            "credentials": self._sandbox.credentials,
            "legacy_api_key": self._sandbox.legacy_api_key,
            "customerio_credentials": self._sandbox.customerio_credentials,
            "time": self._sandbox.time(),
            "now": self._state.clock.now(),
            "rate_limit": self._sandbox.rate_limit,
        }

    def _advance(self, fields: dict[str, Any]) -> None:
        seconds = fields.get("advance")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise Refusal(400, "`advance` must be a number of seconds that is not negative")
        self._sandbox.advance(seconds)

    def _seed(self, fields: dict[str, Any]) -> None:
        self._sandbox.seed(**fields)

    def _limit(self, fields: dict[str, Any]) -> None:
        rate = fields.get("rate_limit", 0)
        if isinstance(rate, bool) or not isinstance(rate, int | float | None):
            raise Refusal(400, "`rate_limit` must be a number of requests per second, or null")
        self._sandbox.rate_limit = rate

    def _add_fault(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "number": add_from_json(self._faults, fields).number}


def _check_host(request: web.BaseRequest) -> None:
    """Refuses requests that a web page elsewhere could have made.

    Raises:
        Refusal: 403 for another Host than a loopback address, and for a foreign Origin.
    """
    try:
        host = urlsplit(f"//{request.host}")
        local = host.hostname in _LOOPBACK and host.username is None
    except ValueError:
        local = False
    if not local:
        raise Refusal(403, "The sandbox answers here to a loopback address in Host only")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        raise Refusal(403, "The sandbox answers here to its own pages only")


async def _read(request: web.BaseRequest) -> dict[str, Any]:
    content = bytearray()
    async for piece in request.content.iter_any():
        content += piece
        if len(content) > RAW_LIMIT:
            raise Refusal(413, f"The request is larger than {RAW_LIMIT} bytes")
    try:
        fields = decode_json(bytes(content))
    except (NotJSON, UnicodeDecodeError) as error:
        raise Refusal(400, "The body is not valid JSON") from error
    if not isinstance(fields, dict):
        raise Refusal(400, "The body must be a JSON object")
    return fields


def _file(page: InspectorFile) -> web.Response:
    return web.Response(body=page.content, headers=page.headers)


def _json(status: int, content: object) -> web.Response:
    return web.Response(
        status=status,
        body=encode_json(content),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
