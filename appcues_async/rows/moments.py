"""Moments and zones as exports and event histories take them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from appcues_async.errors import InvalidInput
from appcues_async.rows.values import iso_time, plain_scalar, shown

__all__ = ["Moment", "Zone", "offset_of", "range_edge", "unix_or_iso", "zone_of"]

Moment: TypeAlias = date | datetime | str | int
"""A date, an aware datetime, ISO 8601 text of either, or milliseconds since 1970."""

Zone: TypeAlias = str | int | tzinfo | timedelta
"""An offset from UTC: text such as `-04:00`, minutes, or what Python has for it."""

_OFFSET: Final = re.compile(r"[+-]\d\d:[0-5]\d", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY: Final = 24 * 60
_SECONDS: Final = range(10**8, 10**11)
"""Seconds since 1970 of any moment from 1973 to 5138; as milliseconds they are all before 1973."""


def range_edge(value: object, where: str) -> str | int:
    """Makes what an export takes as the start or end of its range (reference, "Export Bulk Event Data").

    Args:
        value: A date, an aware datetime, ISO 8601 text of either, or milliseconds since 1970.
        where: What it is, for the message.

    Raises:
        InvalidInput: It is none of these, has no zone, or is in seconds.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise InvalidInput(
                f"{where} is {shown(value)}; milliseconds since 1970 are not negative"
            )
        if value in _SECONDS:
            raise InvalidInput(
                f"{where} is {value}, which reads as seconds since 1970; "
                f"the API takes milliseconds: {value * 1000}"
            )
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise InvalidInput(f"{where} is {value!r}; there is no such day") from None
    if isinstance(value, datetime | str):
        return iso_time(value, where)
    raise InvalidInput(
        f"{where} is {shown(value)}; it must be a date, an aware datetime, ISO 8601 text, "
        "or milliseconds since 1970"
    )


def unix_or_iso(value: object, where: str, *, strict: bool = True) -> str | int:
    """Makes what version 1 takes as the time of an event: Unix time or ISO 8601 ("HTTP API").

    Args:
        value: Seconds since 1970, an aware datetime, or ISO 8601 text.
        where: What it is, for the message.
        strict: Refuse a time without a zone.

    Raises:
        InvalidInput: It is none of these, has no zone, or is in milliseconds.
    """
    value = plain_scalar(value)
    if isinstance(value, float):
        raise InvalidInput(
            f"{where} is {value!r}, a float; Unix time is whole seconds: give int(), or an aware "
            "datetime where parts of a second matter"
        )
    if not isinstance(value, int) or isinstance(value, bool):
        return iso_time(value, where, strict=strict)
    if value >= _SECONDS.stop:
        raise InvalidInput(
            f"{where} is {shown(value)}, which reads as milliseconds since 1970; the API takes "
            f"seconds: {value // 1000}"
        )
    if value < 0:
        raise InvalidInput(f"{where} is {value}; seconds since 1970 are not negative")
    return int(value)


def offset_of(zone: object, now: datetime, where: str = "time_zone") -> str:
    """Makes an offset from UTC, such as `-04:00`; the API knows no zones by name.

    Args:
        zone: Text such as `-04:00`, minutes, a timedelta or a tzinfo.
        now: An aware moment; a zone with summer time has the offset that it has then.
        where: What it is, for the message.

    Raises:
        InvalidInput: It is no such offset.
    """
    match zone:
        case str():
            offset = _offset_of_text(zone)
        case bool():
            offset = None
        case int():
            offset = timedelta(minutes=zone) if abs(zone) < _DAY else None
        case tzinfo():
            offset = now.astimezone(zone).utcoffset()
        case timedelta():
            offset = zone
        case _:
            offset = None
    minutes = None if offset is None else offset / timedelta(minutes=1)
    if minutes is None or not minutes.is_integer() or abs(minutes) >= _DAY:
        raise InvalidInput(
            f"{where} is {shown(zone)}; it must be an offset from UTC below 24 hours: text such as "
            "'-04:00', whole minutes, a timedelta or a tzinfo"
        )
    hours, rest = divmod(abs(int(minutes)), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def zone_of(zone: object, where: str = "time_zone") -> tzinfo:
    """Makes a zone of what names one.

    Args:
        zone: A name such as `Europe/Berlin`, an offset such as `-04:00`, minutes, a timedelta or a
            tzinfo.
        where: What it is, for the message.

    Raises:
        InvalidInput: There is no such zone.
    """
    if isinstance(zone, tzinfo):
        return zone
    if isinstance(zone, str) and not _OFFSET.fullmatch(zone):
        try:
            return ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidInput(
                f"{where} is {shown(zone)}, and there is no zone of that name; give one such as "
                "'Europe/Berlin', or an offset such as '-04:00'"
            ) from None
    text = offset_of(zone, datetime.now(UTC), where)
    hours, minutes = map(int, text[1:].split(":"))
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _offset_of_text(text: str) -> timedelta | None:
    if not _OFFSET.fullmatch(text):
        return None
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -offset if text[0] == "-" else offset
