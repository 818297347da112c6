"""Analytics queries: parsed, checked, and run over the account's events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import frozen

from appcues_async.sandbox.conditions import check_condition, matches, value_of
from appcues_async.sandbox.moments import moment_of
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.rows import parse_date_or_time

__all__ = ["AnalyticsQuery", "parse_query", "run_query"]

Row = dict[str, Any]
Event = Mapping[str, Any]

_MOST_DAYS: Final = 90
#: What is counted: the different values of a field.
_COUNTED: Final = {"users": "user_id", "sessions": "session_id", "groups": "group_id"}
#: What is known, but not counted here.
_UNCOUNTED: Final = frozenset(
    {
        "nps_computed_score",
        "nps_promoters",
        "nps_detractors",
        "nps_neutrals",
        "nps_survey_started",
        "nps_scores_submitted",
        "nps_feedbacks_submitted",
    }
)
#: What the API itself fails on with a 500.
_BROKEN_METRICS: Final = frozenset({"nps_respondents"})
_BROKEN_COLUMNS: Final = frozenset({"nps_raw_score", "nps_feedback"})
_METRICS: Final = frozenset({"events", *_COUNTED, *_UNCOUNTED})
_PERIODS: Final[Mapping[str, Callable[[datetime], datetime]]] = {
    "day": lambda at: at,
    "week": lambda at: at - timedelta(days=at.weekday()),
    "month": lambda at: at.replace(day=1),
}


@frozen(kw_only=True)
class AnalyticsQuery:
    """A query, checked.

    Attributes:
        metrics: What to count; none for the rows themselves.
        fields: The dimensions to count by, or the columns of the rows.
        conditions: Which events.
        start: The beginning of the time range, included.
        end: Its end, not included.
        zone: What days go by.
        order_by: By which fields of the answer to sort, and whether downwards.
        limit: How many rows at the most; None for no limit.
        offset: How many rows to leave out first.
    """

    metrics: Sequence[str]
    fields: Sequence[str]
    conditions: Sequence[Sequence[Any]]
    start: datetime
    end: datetime
    zone: tzinfo
    order_by: Sequence[tuple[str, bool]]
    limit: int | None
    offset: int


def parse_query(spec: Mapping[str, Any], now: datetime, *, at_once: bool) -> AnalyticsQuery:
    """Parses a query and checks it, mostly by its shape.

    Args:
        spec: What was sent.
        now: The moment, where a time range has no end.
        at_once: Whether it is to be answered at once, which not every time range can be.

    Raises:
        Refusal: 400 if it makes no sense, 500 for what the API itself fails on.
    """
    metrics, dimensions = _names(spec, "metrics"), _names(spec, "dimensions")
    columns = _names(spec, "columns")
    if bool(metrics) == bool(columns) or (columns and dimensions):
        raise Refusal(400, "either `metrics` with `dimensions`, or `columns` is required")
    if _BROKEN_METRICS.intersection(metrics) or _BROKEN_COLUMNS.intersection(columns):
        raise Refusal(500, "Internal Server Error")
    for metric in metrics:
        if metric not in _METRICS:
            raise Refusal(400, f"unknown metric {metric!r}")
    conditions = spec.get("conditions") or []
    if not isinstance(conditions, list):
        raise Refusal(400, "`conditions` must be an array of arrays")
    for condition in conditions:
        check_condition(condition, nested=False)
    zone = _zone(spec.get("timezone"))
    if spec.get("start_time") is None:
        raise Refusal(400, "`start_time` is required but missing")
    start = _edge(spec, "start_time", zone)
    end = now if spec.get("end_time") is None else _edge(spec, "end_time", zone)
    if end < start:
        raise Refusal(400, "`end_time` is before `start_time`")
    if at_once and end - start > timedelta(days=_MOST_DAYS):
        days = -(-(end - start) // timedelta(days=1))
        raise Refusal(
            400,
            f"time range of {days} days exceeds the {_MOST_DAYS}-day maximum for this query shape",
        )
    return AnalyticsQuery(
        metrics=metrics,
        fields=columns or dimensions,
        conditions=conditions,
        start=start,
        end=end,
        zone=zone,
        order_by=_order(spec.get("order_by")),
        limit=_count(spec, "limit"),
        offset=_count(spec, "offset") or 0,
    )


def run_query(query: AnalyticsQuery, events: Sequence[Event]) -> list[Row]:
    """Runs a query and returns its rows."""
    found = [
        event
        for event in events
        if query.start <= moment_of(event["timestamp"]) < query.end
        and matches(event, query.conditions)
    ]
    rows = _count_by(query, found) if query.metrics else [_values(query, event) for event in found]
    for name, downwards in reversed(query.order_by):
        rows.sort(key=lambda row: _place(row.get(name)), reverse=downwards)
    last = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : last]


def _count_by(query: AnalyticsQuery, events: Sequence[Event]) -> list[Row]:
    parts: dict[tuple[str, ...], tuple[Row, list[Event]]] = {}
    for event in events:
        values = _values(query, event)
        _, part = parts.setdefault(tuple(map(repr, values.values())), (values, []))
        part.append(event)
    if not query.fields:
        # Totals are there even where there is nothing to count.
        parts.setdefault((), ({}, []))
    return [
        {**values, **{metric: _measure(metric, part) for metric in query.metrics}}
        for values, part in parts.values()
    ]


def _measure(metric: str, events: Sequence[Event]) -> int | None:
    if metric in _UNCOUNTED:
        return None
    if metric == "events":
        return len(events)
    values = (value_of(event, _COUNTED[metric]) for event in events)
    return len({repr(value) for value in values if value is not None})


def _values(query: AnalyticsQuery, event: Event) -> Row:
    return {name: _value(query, event, name) for name in query.fields}


def _value(query: AnalyticsQuery, event: Event, name: str) -> Any:
    if name in _PERIODS:
        at = moment_of(event["timestamp"]).astimezone(query.zone)
        return _PERIODS[name](at).date().isoformat()
    return event["attributes"] if name == "attributes" else value_of(event, name)


def _place(value: object) -> tuple[int, Any]:
    """Returns a sort key for values of any type: null first, then numbers, then text."""
    if value is None:
        return 0, 0
    if isinstance(value, int | float):
        return 1, value
    return 2, str(value)


def _names(spec: Mapping[str, Any], name: str) -> list[str]:
    names = spec.get(name)
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise Refusal(400, f"`{name}` must be an array of strings")
    return names


def _zone(name: object) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)  # type: ignore[arg-type]
    except (TypeError, ValueError, OSError, ZoneInfoNotFoundError):
        raise Refusal(400, f"unknown `timezone` {name!r}") from None


def _edge(spec: Mapping[str, Any], name: str, zone: tzinfo) -> datetime:
    moment = parse_date_or_time(spec[name])
    if moment is None:
        raise Refusal(400, f"`{name}` must be like 2026-07-14, or a date and time in RFC 3339")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _order(order: object) -> list[tuple[str, bool]]:
    problem = Refusal(400, '`order_by` must be an array of [field, "asc" or "desc"]')
    if order is None:
        return []
    if not isinstance(order, list):
        raise problem
    found: list[tuple[str, bool]] = []
    for one in order:
        match one:
            case [str() as name, "asc" | "desc" as direction]:
                found.append((name, direction == "desc"))
            case _:
                raise problem
    return found


def _count(spec: Mapping[str, Any], name: str) -> int | None:
    value = spec.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise Refusal(400, f"`{name}` must be a whole number")
    return value
