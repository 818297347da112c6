"""The sandbox's own address: what other processes use to look inside and to steer it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web
from attrs import AttrsInstance, asdict

from appcues_async.sandbox.clock import SandboxClock
from appcues_async.sandbox.encoding import NotJSON, decode_json, encode_json
from appcues_async.sandbox.faults import (
    Amend,
    Answer,
    Close,
    Fault,
    Faults,
    Misstate,
    Raw,
    Reset,
    Stall,
    Truncate,
)
from appcues_async.sandbox.problems import Refusal, problem_details
from appcues_async.sandbox.request_log import RequestLog, redacted
from appcues_async.sandbox.state import State

__all__ = ["CONTROL_PREFIX", "Control"]

CONTROL_PREFIX: Final = "/_sandbox/"

_FAULTS: Final[Mapping[str, Callable[..., Fault]]] = {
    "amend": Amend,
    "answer": Answer,
    "close": Close,
    "misstate": Misstate,
    "raw": lambda *, data, **options: Raw(data.encode(), **options),
    "reset": Reset,
    "stall": Stall,
    "truncate": Truncate,
}
_MATCH: Final = ("method", "path", "skip", "times", "probability")


class Control:
    """Answers under `/_sandbox/`: no credentials, no rate limit, not in the log.

    * `GET state`: all that the account holds.
    * `GET requests`: the log, without credentials and bodies.
    * `POST reset`: back to the beginning.
    * `POST clock` with `{"advance": seconds}`: moves time forward.
    * `POST faults` with `{"kind": "answer", "status": 503, "path": "/jobs", "times": 2}`: the kinds
      are the names of the fault classes in lower case; their attributes and those of the match
      stand side by side. A stall without `seconds` holds until the faults are cleared.
    * `DELETE faults`: ends all faults.
    """

    def __init__(
        self,
        *,
        state: State,
        log: RequestLog,
        faults: Faults,
        clock: SandboxClock,
        reset: Callable[[], None],
    ) -> None:
        self._state = state
        self._log = log
        self._faults = faults
        self._clock = clock
        self._reset = reset

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answers one request."""
        try:
            content = await self._answer(request, path.removeprefix(CONTROL_PREFIX))
        except Refusal as refusal:
            return _json(refusal.status, problem_details(refusal.status, refusal.detail))
        return _json(200, content)

    async def _answer(self, request: web.BaseRequest, noun: str) -> object:
        match request.method, noun:
            case "GET", "state":
                return self._show_state()
            case "GET", "requests":
                return self._show_requests()
            case "POST", "reset":
                self._reset()
            case "POST", "clock":
                self._advance(await _read(request))
            case "POST", "faults":
                self._add_fault(await _read(request))
            case "DELETE", "faults":
                self._faults.clear()
            case _:
                raise Refusal(404, f"No route found for {request.method} {CONTROL_PREFIX}{noun}")
        return {"ok": True}

    def _show_state(self) -> dict[str, Any]:
        state = self._state
        return {
            "profiles": state.profiles,
            "events": state.events,
            "segments": {
                segment.id: {**asdict(segment), "user_ids": sorted(segment.user_ids)}
                for segment in state.segments.values()
            },
            "flows": _each(state.flows),
            "experiences": {noun: _each(shelf) for noun, shelf in state.experiences.items()},
            "checklists": _each(state.checklists),
            "tags": _each(state.tags),
            "groups": {
                group_id: {"attributes": group.attributes, "user_ids": sorted(group.user_ids)}
                for group_id, group in state.groups.items()
            },
            "customerio_segments": {
                str(segment_id): sorted(members)
                for segment_id, members in state.customerio_segments.items()
            },
            "jobs": {job.id: asdict(job) for job in state.jobs.all.values()},
        }

    def _show_requests(self) -> list[dict[str, Any]]:
        return [
            {
                "method": entry.method,
                "path": entry.path,
                "query": entry.query,
                "headers": redacted(entry.headers),
                "authorized": entry.authorized,
                "arrived": entry.arrived,
                "connection": entry.connection,
                "status": entry.status,
                "body_bytes": entry.body_bytes,
                "aborted": entry.aborted,
                "applied": entry.applied,
            }
            for entry in self._log.entries
        ]

    def _advance(self, fields: dict[str, Any]) -> None:
        seconds = fields.get("advance")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            raise Refusal(400, "`advance` must be a number of seconds that is not negative")
        self._clock.advance(seconds)

    def _add_fault(self, fields: dict[str, Any]) -> None:
        match = {name: fields.pop(name) for name in _MATCH if name in fields}
        kind = fields.pop("kind", None)
        make = _FAULTS.get(kind)
        if make is None:
            raise Refusal(400, f"`kind` must be one of {', '.join(_FAULTS)}")
        try:
            self._faults.add(make(**fields), **match)
        except (TypeError, ValueError, AttributeError, re.error) as error:
            raise Refusal(400, str(error)) from error


def _each(things: Mapping[str, AttrsInstance]) -> dict[str, dict[str, Any]]:
    return {name: asdict(thing) for name, thing in things.items()}


async def _read(request: web.BaseRequest) -> dict[str, Any]:
    try:
        fields = decode_json(await request.read())
    except (NotJSON, UnicodeDecodeError) as error:
        raise Refusal(400, "The body is not valid JSON") from error
    if not isinstance(fields, dict):
        raise Refusal(400, "The body must be a JSON object")
    return fields


def _json(status: int, content: object) -> web.Response:
    return web.Response(status=status, body=encode_json(content), content_type="application/json")
