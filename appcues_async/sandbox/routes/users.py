"""End users, one at a time: their profiles and their events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from appcues_async.sandbox.exchange import Call
from appcues_async.sandbox.jobs import Work
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import ANY_COLUMNS, OK, Reply
from appcues_async.sandbox.routes.jobs import start_job
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import check_event_name, parse_timestamp, plain_attributes

__all__ = ["ROUTES", "parse_time_zone"]

#: Above so many events, a user's own are looked for in a thread.
_LOOK_AT_ONCE: Final = 20_000
_DAY: Final = 24 * 60
_OFFSET: Final = re.compile(r"([+-])(\d\d):([0-5]\d)")


async def _get_profile(call: Call) -> Reply:
    user_id = call.parameters["user_id"]
    profile = call.state.profiles.get(user_id)
    if profile is None:
        raise Refusal(404, f"User {user_id!r} does not exist")
    return Reply(200, profile, columns=ANY_COLUMNS)


async def _update_profile(call: Call) -> Reply:
    attributes = plain_attributes(await call.json_object())
    call.state.update_profile(call.parameters["user_id"], attributes)
    return OK


async def _delete_profile(call: Call) -> Reply:
    user_id = call.parameters["user_id"]
    work = Work(rows=1, kept=[user_id], apply=call.state.delete_profiles)
    return start_job(call, "delete_profile", work)


async def _list_events(call: Call) -> Reply:
    query = call.query
    limit = query.get("limit", "100")
    if not limit.isdecimal():
        raise Refusal(400, "`limit` must be a whole number")
    zone = parse_time_zone(query.get("time_zone", "0"))
    user_id = call.parameters["user_id"]

    def look() -> list[dict[str, Any]]:
        own = [event for event in call.state.events if event["user_id"] == user_id]
        own.sort(key=lambda event: _moment(event["timestamp"]), reverse=True)
        return [_describe(event, zone) for event in own[: int(limit)]]

    few = len(call.state.events) <= _LOOK_AT_ONCE
    return Reply(200, look() if few else await call.in_thread(look), columns=ANY_COLUMNS)


async def _track_event(call: Call) -> Reply:
    fields = await call.json_object()
    for name in ("name", "timestamp"):
        if fields.get(name) is None:
            raise Refusal(400, f"`{name}` is required but missing")
    if not check_event_name(fields["name"]):
        raise Refusal(400, "`name` must have 1 to 127 characters and not start with appcues:")
    if parse_timestamp(fields["timestamp"]) is None:
        raise Refusal(400, "`timestamp` must be a date and time in ISO 8601 format")
    attributes = fields.get("attributes")
    if not isinstance(attributes, dict | None):
        raise Refusal(400, "`attributes` must be an object")
    event = {
        "user_id": call.parameters["user_id"],
        "name": fields["name"],
        "timestamp": fields["timestamp"],
        "attributes": attributes or {},
    }
    call.state.record_events([event])
    return OK


def parse_time_zone(value: object) -> timezone:
    """Reads an offset from UTC, like -04:00 or in minutes.

    Raises:
        Refusal: 400 for anything else.
    """
    minutes: int | None = None
    if isinstance(value, int):
        minutes = value
    elif isinstance(value, str) and re.fullmatch(r"-?\d{1,4}", value):
        minutes = int(value)
    elif isinstance(value, str) and (match := _OFFSET.fullmatch(value)):
        sign, hours, rest = match.groups()
        minutes = (-1 if sign == "-" else 1) * (int(hours) * 60 + int(rest))
    if minutes is None or abs(minutes) >= _DAY:
        raise Refusal(400, "`time_zone` must be like -04:00, or minutes from UTC")
    return timezone(timedelta(minutes=minutes))


def _moment(timestamp: str | float) -> datetime:
    """When an event happened; version 1 also takes seconds since 1970."""
    if isinstance(timestamp, str):
        at = datetime.fromisoformat(timestamp)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return datetime.fromtimestamp(timestamp, UTC)


def _describe(event: dict[str, Any], zone: timezone) -> dict[str, Any]:
    at = _moment(event["timestamp"]).astimezone(zone).isoformat(timespec="milliseconds")
    return {
        "user_id": event["user_id"],
        "timestamp": at.replace("+00:00", "Z"),
        "name": event["name"],
        "attributes": event["attributes"],
    }


ROUTES: Final[Sequence[Route]] = (
    Route("GET", "users/{user_id}/profile", _get_profile),
    Route("PATCH", "users/{user_id}/profile", _update_profile),
    Route("DELETE", "users/{user_id}/profile", _delete_profile),
    Route("GET", "users/{user_id}/events", _list_events),
    Route("POST", "users/{user_id}/events", _track_event),
)
