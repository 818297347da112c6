"""Segments and their members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from appcues_async.sandbox.call import JSON, Call, Upload
from appcues_async.sandbox.jobs import Work
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import OK, Reply
from appcues_async.sandbox.routes.jobs import start_job
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import read_user_ids
from appcues_async.sandbox.state import Segment

__all__ = ["ROUTES"]

_COLUMNS: Final = (
    "id",
    "name",
    "description",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "url",
)


async def _list_segments(call: Call) -> Reply:
    listed = [_describe(call, segment) for segment in call.state.segments.values()]
    return Reply(200, listed, columns=_COLUMNS)


async def _get_segment(call: Call) -> Reply:
    return _show(call, 200, _find(call))


async def _create_segment(call: Call) -> Reply:
    fields = await call.json_object()
    if fields.get("name") is None:
        raise Refusal(400, "`name` is required but missing")
    _check(fields)
    now = call.state.clock.now()
    segment = Segment(
        id=f"-{uuid4().hex[:19]}",
        name=fields["name"],
        description=fields.get("description"),
        created_at=now,
        created_by=call.state.author,
        updated_at=now,
        updated_by=call.state.author,
    )
    call.state.segments[segment.id] = segment
    return _show(call, 201, segment)


async def _update_segment(call: Call) -> Reply:
    segment = _find(call)
    fields = await call.json_object()
    _check(fields)
    if "name" in fields:
        segment.name = fields["name"]
    if "description" in fields:
        segment.description = fields["description"]
    segment.updated_at = call.state.clock.now()
    return _show(call, 200, segment)


async def _delete_segment(call: Call) -> Reply:
    del call.state.segments[_find(call).id]
    return OK


async def _add_user_ids(call: Call) -> Reply:
    segment = _find(call)
    return start_job(call, "add_user_ids", await _read_ids(call, segment.user_ids.update))


async def _remove_user_ids(call: Call) -> Reply:
    segment = _find(call)
    work = await _read_ids(call, segment.user_ids.difference_update)
    return start_job(call, "remove_user_ids", work)


async def _read_ids(call: Call, apply: Callable[[Sequence[str]], None]) -> Work:
    if call.is_json():
        user_ids = await call.json_user_ids("user_ids")
        return Work(rows=len(user_ids), bytes=call.body.received, kept=user_ids, apply=apply)

    def read(upload: Upload) -> Work:
        rows = read_user_ids(upload.text, csv_text=upload.is_csv, keep=call.state.keep_rows)
        return Work(rows.total, rows.failed, upload.size, rows.kept, apply)

    return await call.upload(read, also=(JSON,))


def _find(call: Call) -> Segment:
    segment = call.state.segments.get(call.parameters["segment_id"])
    if segment is None:
        raise Refusal(404, f"Segment {call.parameters['segment_id']!r} does not exist")
    return segment


def _check(fields: dict[str, Any]) -> None:
    name = fields.get("name", "any")
    if not isinstance(name, str) or not name.strip():
        raise Refusal(400, "`name` must be a string that is not empty")
    if not isinstance(fields.get("description"), str | None):
        raise Refusal(400, "`description` must be a string")


def _show(call: Call, status: int, segment: Segment) -> Reply:
    return Reply(status, _describe(call, segment), columns=_COLUMNS)


def _describe(call: Call, segment: Segment) -> dict[str, Any]:
    return {
        "created_at": _stamp(segment.created_at),
        "created_by": segment.created_by,
        "description": segment.description,
        "id": segment.id,
        "name": segment.name,
        "updated_at": _stamp(segment.updated_at),
        "updated_by": segment.updated_by,
        "url": f"{call.account_url}/segments/{segment.id}",
    }


def _stamp(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


ROUTES: Final = (
    Route("GET", "segments", _list_segments),
    Route("POST", "segments", _create_segment),
    Route("GET", "segments/{segment_id}", _get_segment),
    Route("PATCH", "segments/{segment_id}", _update_segment),
    Route("DELETE", "segments/{segment_id}", _delete_segment),
    Route("POST", "segments/{segment_id}/add_user_ids", _add_user_ids),
    Route("POST", "segments/{segment_id}/remove_user_ids", _remove_user_ids),
)
