"""Access: credentials, rate limits and routing of each API."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import evolve

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.credentials import Credentials
from appcues_async.sandbox.problems import (
    Refusal,
    activity_problem,
    analytics_problem,
    customerio_problem,
    problem_details,
)
from appcues_async.sandbox.rate import TokenBucket
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes import (
    activity,
    analytics,
    customerio,
    experiences,
    exports,
    files,
    flows,
    gdpr,
    groups,
    imports,
    jobs,
    screenshots,
    segments,
    tags,
    users,
)
from appcues_async.sandbox.routes.route import RouteTable, decode_segment

__all__ = ["Service"]

_VERSION_2: Final = RouteTable(
    (
        *flows.ROUTES,
        *experiences.ROUTES,
        *segments.ROUTES,
        *tags.ROUTES,
        *users.ROUTES,
        *groups.ROUTES,
        *imports.ROUTES,
        *exports.ROUTES,
        *analytics.ROUTES,
        *screenshots.ROUTES,
        *jobs.ROUTES,
    )
)
_VERSION_1: Final = RouteTable(activity.ROUTES)
_GDPR: Final = RouteTable(gdpr.ROUTES)
_CUSTOMERIO: Final = RouteTable(customerio.ROUTES)

#: How many analytics exports may run at a time, as the headers say; nothing enforces it.
_EXPORT_SLOTS: Final = 5

#: Who answers, and how they tell of what is wrong.
_Entrance = tuple[
    Callable[[Call, list[str]], Awaitable[Reply]],
    Callable[[int, str], dict[str, Any]],
]


class Service:
    """Answers requests as Appcues and Customer.io do.

    Args:
        credentials: The account's.
        bucket: How many requests it may send to Appcues.
        customerio_bucket: How many requests it may send to Customer.io.
        retry_after: What a 429 says in its Retry-After header; None for no such header.
    """

    def __init__(
        self,
        credentials: Credentials,
        bucket: TokenBucket,
        customerio_bucket: TokenBucket,
        retry_after: str | None,
    ) -> None:
        self._credentials = credentials
        self._bucket = bucket
        self._customerio_bucket = customerio_bucket
        self._retry_after = retry_after

    async def answer(self, call: Call) -> Reply:
        """Returns the reply to a request, a refusal included."""
        parts = call.path.split("/")
        enter, problem = self._find_entrance(parts)
        try:
            return await enter(call, parts)
        except Refusal as refusal:
            content = problem(refusal.status, refusal.detail)
            return Reply(refusal.status, content, headers=refusal.headers)

    def _find_entrance(self, parts: list[str]) -> _Entrance:
        entrance: _Entrance = _enter_nowhere, problem_details
        match parts[1:]:
            case ["v2", "accounts", _, "analytics", *_]:
                entrance = self._enter_analytics, analytics_problem
            case ["v2", "accounts", *_]:
                entrance = self._enter_version_2, problem_details
            case ["v1", "accounts", *_]:
                entrance = self._enter_version_1, activity_problem
            case ["v1", "gdpr", *_]:
                entrance = self._enter_gdpr, activity_problem
            case ["api", "v1", *_]:
                entrance = self._enter_customerio, customerio_problem
            case [files.PREFIX, *_]:
                entrance = _enter_files, problem_details
        return entrance

    async def _enter_version_2(self, call: Call, parts: list[str]) -> Reply:
        self._admit_account(call, parts)
        self._count(self._bucket)
        return await _route(_VERSION_2, call, parts[4:])

    async def _enter_analytics(self, call: Call, parts: list[str]) -> Reply:
        self._admit_account(call, parts)
        try:
            self._count(self._bucket)
            reply = await _route(_VERSION_2, call, parts[4:])
        except Refusal as refusal:
            if refusal.status == 429:
                refusal.headers.setdefault("Retry-After", "1")
            refusal.headers.update(self._describe_rate(call))
            raise
        return evolve(reply, headers={**reply.headers, **self._describe_rate(call)})

    async def _enter_version_1(self, call: Call, parts: list[str]) -> Reply:
        if len(parts) < 5 or decode_segment(parts[3]) != self._credentials.account_id:
            raise _no_route(call)
        self._count(self._bucket)
        return await _route(_VERSION_1, call, parts[4:])

    async def _enter_gdpr(self, call: Call, parts: list[str]) -> Reply:
        _admit(call, f"{self._credentials.legacy_api_key}:")
        self._count(self._bucket)
        return await _route(_GDPR, call, parts[2:])

    async def _enter_customerio(self, call: Call, parts: list[str]) -> Reply:
        _admit(call, f"{self._credentials.site_id}:{self._credentials.site_key}")
        self._count(self._customerio_bucket)
        return await _route(_CUSTOMERIO, call, parts[3:])

    def _admit_account(self, call: Call, parts: list[str]) -> None:
        _admit(call, f"{self._credentials.api_key}:{self._credentials.api_secret}")
        if len(parts) < 5:
            raise _no_route(call)
        if decode_segment(parts[3]) != self._credentials.account_id:
            raise Refusal(403, "These credentials are for another account")

    def _count(self, bucket: TokenBucket) -> None:
        if not bucket.take():
            headers = {} if self._retry_after is None else {"Retry-After": self._retry_after}
            detail = "Requests from this API key are being throttled"
            raise Refusal(429, detail, headers=headers)

    def _describe_rate(self, call: Call) -> dict[str, str]:
        used = call.state.jobs.running("analytics_export")
        slots = {"X-Concurrency-Limit": str(_EXPORT_SLOTS), "X-Concurrency-Used": str(used)}
        rate, left = self._bucket.rate, self._bucket.left
        if rate is None:
            return slots
        # When the bucket is full again, in the seconds since 1970 of the sandbox's clock.
        reset = call.state.clock.now().timestamp() + (rate - left) / rate
        return {
            **slots,
            "X-RateLimit-Limit": str(int(rate)),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(math.ceil(reset)),
        }


async def _enter_files(call: Call, _parts: list[str]) -> Reply:
    return await files.get_file(call)


async def _enter_nowhere(call: Call, _parts: list[str]) -> Reply:
    raise _no_route(call)


async def _route(table: RouteTable, call: Call, parts: list[str]) -> Reply:
    found = table.find(call.method, parts)
    if found is None:
        raise _no_route(call)
    handle, parameters = found
    return await handle(evolve(call, parameters=parameters))


def _no_route(call: Call) -> Refusal:
    return Refusal(404, f"No route found for {call.method} {call.path}")


def _admit(call: Call, wanted: str) -> None:
    """Checks the user name and password.

    Raises:
        Refusal: 401 for all others.
    """
    scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Refusal(401, "An API key is required")
    try:
        given = base64.b64decode(token.strip(), validate=True)
    except binascii.Error as error:
        raise Refusal(401, "The Authorization header is malformed") from error
    if not hmac.compare_digest(given, wanted.encode()):
        raise Refusal(401, "The API key or its secret is wrong")
