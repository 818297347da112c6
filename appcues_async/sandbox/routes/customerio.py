"""Customer.io: members of manual segments, and the region of the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.route import Route

__all__ = ["ROUTES"]

_ID_TYPES: Final = ("id", "email", "cio_id")
_MOST_IDS: Final = 1000
#: Ids of segments are numbers of 32 bits.
_LAST_ID: Final = 2**31 - 1
_ENVIRONMENT: Final = 1


async def _add_customers(call: Call) -> Reply:
    return await _change(call, lambda members, ids: members.update(ids))


async def _remove_customers(call: Call) -> Reply:
    return await _change(call, lambda members, ids: members.difference_update(ids))


async def _change(call: Call, apply: Callable[[set[str], list[str]], None]) -> Reply:
    segment_id = call.parameters["segment_id"]
    if not segment_id.isdecimal() or not 0 < int(segment_id) <= _LAST_ID:
        raise Refusal(400, "segment_id must be a whole number")
    if call.query.get("id_type", "id") not in _ID_TYPES:
        raise Refusal(400, f"id_type must be one of {', '.join(_ID_TYPES)}")
    ids = (await call.json_object()).get("ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) and one for one in ids):
        raise Refusal(400, "ids must be an array of strings that are not empty")
    if not 0 < len(ids) <= _MOST_IDS:
        raise Refusal(400, f"ids must have 1 to {_MOST_IDS} items, not {len(ids)}")
    members = call.state.customerio_segments.get(int(segment_id))
    if members is None:
        raise Refusal(404, f"segment {segment_id} does not exist")
    apply(members, ids)
    return Reply(200, {})


async def _get_region(call: Call) -> Reply:
    content = {
        "url": call.request.host,
        "data_center": "us",
        "region": "us",
        "environment_id": _ENVIRONMENT,
    }
    return Reply(200, content)


ROUTES: Final = (
    Route("GET", "accounts/region", _get_region),
    Route("POST", "segments/{segment_id}/add_customers", _add_customers),
    Route("POST", "segments/{segment_id}/remove_customers", _remove_customers),
)
