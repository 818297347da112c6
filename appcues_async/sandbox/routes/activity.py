"""Version 1: a user's activity, sent without credentials."""

from __future__ import annotations

from typing import Any, Final

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.moments import LATEST_SECONDS
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import check_event_name, parse_timestamp, plain_attributes

__all__ = ["ROUTES"]


async def _record_activity(call: Call) -> Reply:
    fields = await call.json_object()
    user_id = call.parameters["user_id"]
    listed = fields.get("events", [])
    if not isinstance(listed, list):
        raise Refusal(400, "events must be an array")
    update = fields.get("profile_update")
    if not isinstance(update, dict | None):
        raise Refusal(400, "profile_update must be an object")
    if "events" not in fields and update is None:
        raise Refusal(400, "events or profile_update is required")
    events = [_read_event(user_id, event) for event in listed]
    call.state.update_profile(user_id, plain_attributes(update or {}))
    call.state.record_events(events)
    answer: dict[str, Any] = {"ok": True}
    if "request_id" in fields:
        answer["request_id"] = fields["request_id"]
    return Reply(200, answer)


def _read_event(user_id: str, event: object) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise Refusal(400, "each event must be an object")
    if not check_event_name(event.get("name")):
        raise Refusal(400, "name must have 1 to 127 characters and not start with appcues:")
    timestamp = event.get("timestamp")
    if not _is_unix_time(timestamp) and parse_timestamp(timestamp) is None:
        raise Refusal(400, "timestamp must be Unix time in seconds or milliseconds, or ISO 8601")
    attributes = event.get("attributes")
    if not isinstance(attributes, dict | None):
        raise Refusal(400, "attributes must be an object")
    return {
        "user_id": user_id,
        "name": event["name"],
        "timestamp": timestamp,
        "attributes": attributes or {},
    }


def _is_unix_time(timestamp: object) -> bool:
    if not isinstance(timestamp, int) or isinstance(timestamp, bool):
        return False
    return 0 <= timestamp <= LATEST_SECONDS * 1000


ROUTES: Final = (Route("POST", "users/{user_id}/activity", _record_activity),)
