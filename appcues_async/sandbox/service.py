"""The account's front door: who may come in, how often, and where to."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from attrs import evolve, frozen

from appcues_async.sandbox.exchange import Call
from appcues_async.sandbox.problems import Refusal, activity_problem, problem_details
from appcues_async.sandbox.rate import TokenBucket
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes import activity, exports, flows, imports, jobs, segments, users
from appcues_async.sandbox.routes.route import RouteTable, decode_segment

__all__ = ["Credentials", "Service"]

_VERSION_2: Final = RouteTable(
    (
        *flows.ROUTES,
        *segments.ROUTES,
        *users.ROUTES,
        *imports.ROUTES,
        *exports.ROUTES,
        *jobs.ROUTES,
    )
)
_VERSION_1: Final = RouteTable(activity.ROUTES)


@frozen
class Credentials:
    """What the one account of the sandbox is reached with."""

    account_id: str
    api_key: str
    api_secret: str


class Service:
    """Answers requests the way the API does.

    Args:
        credentials: The account's.
        bucket: How many requests it may send.
        retry_after: What a 429 says in its Retry-After header; None for no such header.
    """

    def __init__(
        self, credentials: Credentials, bucket: TokenBucket, retry_after: str | None
    ) -> None:
        self._credentials = credentials
        self._bucket = bucket
        self._retry_after = retry_after

    async def answer(self, call: Call) -> Reply:
        """Works out the answer to a request, whatever is wrong with it."""
        parts = call.path.split("/")
        version_1 = parts[1:3] == ["v1", "accounts"]
        problem = activity_problem if version_1 else problem_details
        try:
            return await self._answer(call, parts, version_1=version_1)
        except Refusal as refusal:
            content = problem(refusal.status, refusal.detail)
            return Reply(refusal.status, content, headers=refusal.headers)

    async def _answer(self, call: Call, parts: list[str], *, version_1: bool) -> Reply:
        no_route = Refusal(404, f"No route found for {call.method} {call.path}")
        if version_1:
            table = _VERSION_1
        elif parts[1:3] == ["v2", "accounts"]:
            table = _VERSION_2
            self._admit(call)
        else:
            raise no_route
        if len(parts) < 5:
            raise no_route
        if decode_segment(parts[3]) != self._credentials.account_id:
            raise (
                no_route if version_1 else Refusal(403, "These credentials are for another account")
            )
        self._count()
        found = table.find(call.method, parts[4:])
        if found is None:
            raise no_route
        handle, parameters = found
        return await handle(evolve(call, parameters=parameters))

    def _admit(self, call: Call) -> None:
        scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise Refusal(401, "An API key and secret are required")
        try:
            given = base64.b64decode(token.strip(), validate=True)
        except binascii.Error as error:
            raise Refusal(401, "The Authorization header is malformed") from error
        wanted = f"{self._credentials.api_key}:{self._credentials.api_secret}".encode()
        if not hmac.compare_digest(given, wanted):
            raise Refusal(401, "The API key or secret is wrong")

    def _count(self) -> None:
        if not self._bucket.take():
            headers = {} if self._retry_after is None else {"Retry-After": self._retry_after}
            detail = "Requests from this API key are being throttled"
            raise Refusal(429, detail, headers=headers)
