"""Bulk exports of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from appcues_async.sandbox.exchange import Call
from appcues_async.sandbox.jobs import Work
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.jobs import start_job
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.routes.users import parse_time_zone
from appcues_async.sandbox.rows import parse_date_or_time

__all__ = ["ROUTES"]

_CONJUNCTIONS: Final = frozenset({"and", "or"})
_MOST_EVENTS: Final = 10_000_000


async def _export_events(call: Call) -> Reply:
    fields = await call.json_object()
    for name in ("email", "format", "conditions", "start_time"):
        if fields.get(name) is None:
            raise Refusal(400, f"`{name}` is required but missing")
    _check_email(fields["email"])
    if fields["format"] not in {"csv", "json"}:
        raise Refusal(400, "`format` must be csv or json")
    conditions = fields["conditions"]
    if not isinstance(conditions, list):
        raise Refusal(400, "`conditions` must be an array of arrays")
    for condition in conditions:
        _check_condition(condition)
    _check_time("start_time", fields["start_time"])
    if fields.get("end_time") is not None:
        _check_time("end_time", fields["end_time"])
    if fields.get("time_zone") is not None:
        parse_time_zone(fields["time_zone"])
    _check_count("limit", fields.get("limit"), _MOST_EVENTS)
    _check_count("offset", fields.get("offset"), None)
    return start_job(call, "export_events", Work(bytes=call.body.received))


def _check_email(email: object) -> None:
    addresses: Sequence[Any] = email if isinstance(email, list) else [email]
    if not addresses or not all(isinstance(a, str) and "@" in a for a in addresses):
        raise Refusal(400, "`email` must be an address or an array of addresses")


def _check_condition(condition: object) -> None:
    """Checks the shape alone: which fields and operators there are is not documented."""
    if not isinstance(condition, list) or not condition or not isinstance(condition[0], str):
        raise Refusal(400, "each of `conditions` must be an array that starts with a string")
    if condition[0] in _CONJUNCTIONS:
        if len(condition) == 1:
            raise Refusal(400, f"{condition[0]!r} must be followed by conditions")
        for inner in condition[1:]:
            _check_condition(inner)
    elif len(condition) not in {2, 3} or not isinstance(condition[1], str):
        raise Refusal(400, "each condition must be [field, operator, value]")


def _check_time(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and parse_date_or_time(value) is None:
        raise Refusal(400, f"`{name}` must be in ISO 8601 format, or milliseconds since 1970")


def _check_count(name: str, value: object, most: int | None) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refusal(400, f"`{name}` must be a whole number")
    if most is not None and value > most:
        raise Refusal(400, f"`{name}` must not be more than {most}")


ROUTES: Final = (Route("POST", "export/events", _export_events),)
