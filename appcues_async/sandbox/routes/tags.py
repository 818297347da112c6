"""Tags."""

from __future__ import annotations

from typing import Any, Final

from attrs import asdict

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.content import Tag
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.route import Route

__all__ = ["ROUTES"]


async def _list_tags(call: Call) -> Reply:
    return Reply(200, [_describe(call, tag) for tag in call.state.tags.values()])


async def _get_tag(call: Call) -> Reply:
    tag = call.state.tags.get(call.parameters["tag_id"])
    if tag is None:
        raise Refusal(404, f"Tag {call.parameters['tag_id']!r} does not exist")
    return Reply(200, _describe(call, tag))


def _describe(call: Call, tag: Tag) -> dict[str, Any]:
    return {**asdict(tag), "url": f"{call.account_url}/tags/{tag.id}"}


ROUTES: Final = (
    Route("GET", "tags", _list_tags),
    Route("GET", "tags/{tag_id}", _get_tag),
)
