"""Flows: read, published, unpublished."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from appcues_async.sandbox.exchange import Call
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import OK, Reply
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.state import Flow

__all__ = ["ROUTES"]

_COLUMNS: Final = (
    "id",
    "name",
    "published",
    "frequency",
    "created_at",
    "updated_at",
    "published_at",
    "created_by",
    "updated_by",
    "url",
)


async def _list_flows(call: Call) -> Reply:
    listed = [_describe(call, flow) for flow in call.state.flows.values()]
    return Reply(200, listed, columns=_COLUMNS)


async def _get_flow(call: Call) -> Reply:
    return Reply(200, _describe(call, _find(call)), columns=_COLUMNS)


async def _publish_flow(call: Call) -> Reply:
    flow = _find(call)
    if not flow.published:
        flow.published = True
        flow.updated_at = flow.published_at = _stamp(call.state.clock.now())
    return OK


async def _unpublish_flow(call: Call) -> Reply:
    flow = _find(call)
    if flow.published:
        flow.published = False
        flow.updated_at = _stamp(call.state.clock.now())
    return OK


def _find(call: Call) -> Flow:
    flow = call.state.flows.get(call.parameters["flow_id"])
    if flow is None:
        raise Refusal(404, f"Flow {call.parameters['flow_id']!r} does not exist")
    return flow


def _describe(call: Call, flow: Flow) -> dict[str, Any]:
    return {
        "id": flow.id,
        "name": flow.name,
        "published": flow.published,
        "frequency": flow.frequency,
        "created_at": flow.created_at,
        "updated_at": flow.updated_at,
        "published_at": flow.published_at,
        "created_by": flow.created_by,
        "updated_by": flow.updated_by,
        "url": f"{call.account_url}/flows/{flow.id}",
    }


def _stamp(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


ROUTES: Final = (
    Route("GET", "flows", _list_flows),
    Route("GET", "flows/{flow_id}", _get_flow),
    Route("POST", "flows/{flow_id}/publish", _publish_flow),
    Route("POST", "flows/{flow_id}/unpublish", _unpublish_flow),
)
