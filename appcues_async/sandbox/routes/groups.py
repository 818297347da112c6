"""Groups of users, one at a time."""

from __future__ import annotations

from typing import Final

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.content import Group
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import OK, Reply
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import plain_attributes

__all__ = ["ROUTES"]


async def _get_profile(call: Call) -> Reply:
    group = call.state.groups.get(call.parameters["group_id"])
    if group is None:
        raise Refusal(404, f"Group {call.parameters['group_id']!r} does not exist")
    return Reply(200, group.attributes)


async def _update_profile(call: Call) -> Reply:
    attributes = plain_attributes(await call.json_object())
    _find_or_make(call).attributes.update(attributes)
    return OK


async def _add_users(call: Call) -> Reply:
    user_ids = await call.json_user_ids("user_ids")
    _find_or_make(call).user_ids.update(user_ids)
    return OK


def _find_or_make(call: Call) -> Group:
    return call.state.groups.setdefault(call.parameters["group_id"], Group())


ROUTES: Final = (
    Route("GET", "groups/{group_id}/profile", _get_profile),
    Route("PATCH", "groups/{group_id}/profile", _update_profile),
    Route("POST", "groups/{group_id}/users", _add_users),
)
