"""Timestamps of events, parsed and formatted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from appcues_async.sandbox.problems import Refusal

__all__ = ["LATEST_SECONDS", "describe_event", "moment_of", "parse_time_zone"]

#: The end of the year 9999, in seconds; larger numbers are milliseconds, those since 1978.
LATEST_SECONDS: Final = 253_402_300_799
_DAY: Final = 24 * 60
_OFFSET: Final = re.compile(r"([+-])(\d\d):([0-5]\d)")


def parse_time_zone(value: object) -> timezone:
    """Reads an offset from UTC, like -04:00 or in minutes.

    Raises:
        Refusal: 400 for anything else.
    """
    minutes: int | None = None
    if isinstance(value, int):
        minutes = value
    elif isinstance(value, str) and re.fullmatch(r"-?\d{1,4}", value):
        minutes = int(value)
    elif isinstance(value, str) and (match := _OFFSET.fullmatch(value)):
        sign, hours, rest = match.groups()
        minutes = (-1 if sign == "-" else 1) * (int(hours) * 60 + int(rest))
    if minutes is None or abs(minutes) >= _DAY:
        raise Refusal(400, "`time_zone` must be like -04:00, or minutes from UTC")
    return timezone(timedelta(minutes=minutes))


def moment_of(timestamp: str | float) -> datetime:
    """Returns when an event happened; version 1 also takes seconds or milliseconds since 1970."""
    if isinstance(timestamp, str):
        at = datetime.fromisoformat(timestamp)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    seconds = timestamp / 1000 if timestamp > LATEST_SECONDS else timestamp
    return datetime.fromtimestamp(seconds, UTC)


def describe_event(event: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
    """Describes an event as the API shows it, with its time in a zone."""
    at = moment_of(event["timestamp"]).astimezone(zone).isoformat(timespec="milliseconds")
    return {
        "user_id": event["user_id"],
        "timestamp": at.replace("+00:00", "Z"),
        "name": event["name"],
        "attributes": event["attributes"],
    }
