"""End users, one at a time: their profiles and their events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.jobs import Work
from appcues_async.sandbox.moments import describe_event, moment_of, parse_time_zone
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import ANY_COLUMNS, OK, Reply
from appcues_async.sandbox.routes.jobs import start_job
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import check_event_name, parse_timestamp, plain_attributes

__all__ = ["ROUTES"]

#: Above so many events, a user's own are looked for in a thread.
_LOOK_AT_ONCE: Final = 20_000


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
        own.sort(key=lambda event: moment_of(event["timestamp"]), reverse=True)
        return [describe_event(event, zone) for event in own[: int(limit)]]

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


ROUTES: Final[Sequence[Route]] = (
    Route("GET", "users/{user_id}/profile", _get_profile),
    Route("PATCH", "users/{user_id}/profile", _update_profile),
    Route("DELETE", "users/{user_id}/profile", _delete_profile),
    Route("GET", "users/{user_id}/events", _list_events),
    Route("POST", "users/{user_id}/events", _track_event),
)
