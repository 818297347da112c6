"""Bulk exports of events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timezone
from typing import Any, Final

from attrs import frozen

from appcues_async.sandbox.call import CSV, NDJSON, Call
from appcues_async.sandbox.conditions import check_condition, matches
from appcues_async.sandbox.downloads import File
from appcues_async.sandbox.encoding import encode_csv, encode_json
from appcues_async.sandbox.jobs import Job, Work
from appcues_async.sandbox.moments import describe_event, moment_of, parse_time_zone
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.jobs import start_job
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import parse_date_or_time

__all__ = ["ROUTES"]

_MOST_EVENTS: Final = 10_000_000
_WEEK: Final = 7 * 24 * 3600


@frozen(kw_only=True)
class _Selection:
    """The events of an export, and their format."""

    conditions: Sequence[Sequence[Any]]
    start: datetime
    end: datetime | None
    zone: timezone
    limit: int
    offset: int
    is_csv: bool

    def write(self, events: Sequence[dict[str, Any]]) -> File:
        """Makes the file."""
        found = [event for event in events if self._takes(event)]
        chosen = found[self.offset : self.offset + self.limit]
        rows = [describe_event(event, self.zone) for event in chosen]
        if self.is_csv:
            return File(encode_csv(rows), CSV)
        return File(b"".join(encode_json(row) + b"\n" for row in rows), NDJSON)

    def _takes(self, event: dict[str, Any]) -> bool:
        at = moment_of(event["timestamp"])
        in_time = self.start <= at and (self.end is None or at < self.end)
        return in_time and matches(event, self.conditions)


async def _export_events(call: Call) -> Reply:
    selection = _read(await call.json_object())
    state, origin = call.state, call.origin

    def finish(job: Job) -> dict[str, str]:
        state.downloads.keep(job.id, selection.write(list(state.events)))
        if not state.export_links:
            return {}
        return {"signed_s3_url": origin + state.downloads.mint(job.id, _WEEK).path}

    work = Work(bytes=call.body.received, reads=state.events, finish=finish)
    return start_job(call, "export_events", work)


def _read(fields: dict[str, Any]) -> _Selection:
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
        check_condition(condition)
    zone = parse_time_zone(fields["time_zone"] if fields.get("time_zone") is not None else 0)
    end_time = fields.get("end_time")
    return _Selection(
        conditions=conditions,
        start=_edge("start_time", fields["start_time"], zone),
        end=None if end_time is None else _edge("end_time", end_time, zone),
        zone=zone,
        limit=_count("limit", fields.get("limit"), _MOST_EVENTS, _MOST_EVENTS),
        offset=_count("offset", fields.get("offset"), 0, None),
        is_csv=fields["format"] == "csv",
    )


def _check_email(email: object) -> None:
    addresses: Sequence[Any] = email if isinstance(email, list) else [email]
    if not addresses or not all(isinstance(a, str) and "@" in a for a in addresses):
        raise Refusal(400, "`email` must be an address or an array of addresses")


def _edge(name: str, value: object, zone: timezone) -> datetime:
    moment = parse_date_or_time(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            moment = datetime.fromtimestamp(value / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            moment = None
    if moment is None:
        raise Refusal(400, f"`{name}` must be in ISO 8601 format, or milliseconds since 1970")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _count(name: str, value: object, usual: int, most: int | None) -> int:
    if value is None:
        return usual
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refusal(400, f"`{name}` must be a whole number")
    if most is not None and value > most:
        raise Refusal(400, f"`{name}` must not be more than {most}")
    return value


ROUTES: Final = (Route("POST", "export/events", _export_events),)
