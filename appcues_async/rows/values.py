"""Values as the API takes them; what it would refuse or silently lose is refused here.

Appcues takes text, numbers, booleans and dates, and drops arrays and objects without a word ("Supported
Data Types" of its help pages). JSON has no NaN and no Infinity. A time without a zone means another
moment on another machine. Event names have at most 127 characters, and those that begin with
`appcues:` are reserved (HTTP API, "Sending events").
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from attrs import frozen

from appcues_async.errors import InvalidInput

__all__ = [
    "LONGEST_NAME",
    "RESERVED",
    "Unreadable",
    "check_event_name",
    "check_json",
    "check_text",
    "flat_attributes",
    "free_attributes",
    "iso_time",
    "plain_scalar",
    "plain_text",
    "shown",
    "whole_number",
]

LONGEST_NAME: Final = 127
RESERVED: Final = "appcues:"

_LARGEST: Final = 1.7976931348623157e308
"""Most readers take a number as a float, which ends there."""
_ISO_TIME: Final = re.compile(r"[0-9W-]+T[0-9:.,]+(Z|[+-][0-9:]+)?")
"""`datetime.fromisoformat` alone takes any character for the `T`, a line break too."""


@frozen
class Unreadable:
    """Takes the place of a value that Python cannot hold, such as a time of the year 20,000.

    Attributes:
        text: What it is, and what to do.
    """

    text: str


def shown(value: object, longest: int = 80) -> str:
    """The value as code would write it, cut short: a message is no place for a whole row."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # An integer of thousands of digits, for one, which Python refuses to write out.
        return "too large to show"
    return text if len(text) <= longest else text[: longest - 1] + "…"


def plain_scalar(value: Any) -> Any:
    """The value, or Python's own for one of numpy's."""
    kind = type(value)
    if kind.__module__ != "numpy" or getattr(value, "shape", None) != ():
        return value
    if value.dtype.kind == "M" and kind.__name__ == "datetime64":
        # Of nanoseconds, Python would be given a bare number.
        value = value if str(value.dtype) == "datetime64[D]" else value.astype("datetime64[us]")
    found = value.item()
    # Python has none for what is missing, and for numbers of more digits than its own.
    return value if found is None or type(found).__module__ == "numpy" else found


def plain_text(value: str, where: str) -> str:
    """Takes text of any subclass, such as numpy's, as the text it is.

    Raises:
        InvalidInput: It holds half a character.
    """
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                f"{where} is {shown(value)}, which holds half a character; UTF-8 cannot, so decode it "
                "anew from where it came, or take that out"
            ) from None
    return str.__str__(value)


def check_text(value: object, where: str) -> str:
    """Takes text that says something.

    Raises:
        InvalidInput: It is no text, or empty.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{where} is {shown(value)}; it must be text and not empty")
    return plain_text(value, where)


def whole_number(value: object, where: str, low: int, high: int | None = None) -> int:
    """Takes a whole number of at least `low` and, where there is one, at most `high`.

    Raises:
        InvalidInput: It is none.
    """
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= low
    if not fits or (high is not None and value > high):  # type: ignore[operator]
        most = "" if high is None else f" and at most {high:,}"
        raise InvalidInput(
            f"{where} is {shown(value)}; it must be a whole number of at least {low}{most}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def check_event_name(value: object, where: str = "name") -> str:
    """Takes an event's name.

    Raises:
        InvalidInput: It is no text, empty, too long, or reserved.
    """
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where} is {shown(value)}; an event's name is text and not empty")
    if len(value) > LONGEST_NAME:
        raise InvalidInput(
            f"{where} is {len(value)} characters long, {value[:40]!r}…; "
            f"an event's name has at most {LONGEST_NAME}: shorten it"
        )
    if value.startswith(RESERVED):
        raise InvalidInput(
            f"{where} is {shown(value)}; names that begin with {RESERVED!r} are reserved by Appcues: "
            "give it another name"
        )
    return plain_text(value, where)


def iso_time(
    value: object, where: str = "timestamp", *, strict: bool = True, zone: tzinfo | None = None
) -> str:
    """Makes ISO 8601 text with an offset of a moment.

    Args:
        value: An aware datetime, or ISO 8601 text with a `T` and an offset or `Z`, which stays as it
            is.
        where: What it is, for the message.
        strict: Refuse a time without a zone; no document says which one the API takes it to be in.
        zone: The zone of times that have none; text is then written anew with its offset.

    Raises:
        InvalidInput: It is neither, or has no zone.
    """
    moment, text = None, ""
    value = plain_scalar(value)
    if isinstance(value, datetime):
        moment, text = value, value.isoformat()
    elif isinstance(value, str):
        text = str.__str__(value)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is None and zone is not None:
            # Databases write a blank between the two.
            text = moment.isoformat()
    if moment is None or not _ISO_TIME.fullmatch(text):
        # pandas' missing time is a datetime too, and writes itself as NaT.
        raise InvalidInput(
            f"{where} is {shown(value)}; it must be an aware datetime or ISO 8601 text with a zone, "
            "such as '2026-07-14T12:34:56Z'"
        )
    if moment.utcoffset() is not None or not strict:
        return text
    if zone is None:
        raise InvalidInput(
            f"{where} is {text!r}, a time without a zone; "
            "add one, such as 'Z' or tzinfo=datetime.UTC"
        )
    return _in_zone(moment, zone, where).isoformat()


def _in_zone(moment: datetime, zone: tzinfo, where: str) -> datetime:
    """The moment of a clock in a zone, if the clock shows it once."""
    given = moment.replace(tzinfo=zone, fold=0)
    if given.utcoffset() != given.replace(fold=1).utcoffset():
        raise InvalidInput(
            f"{where} is {moment.isoformat()!r}, which clocks in {zone} show twice or never, as summer "
            "time ends or begins; give it with its offset"
        )
    return given


def flat_value(  # noqa: PLR0911 - one a kind of value
    value: Any, where: str, strict: bool = True, zone: tzinfo | None = None
) -> Any:
    """Takes one attribute of a profile: text, a number, a boolean, a date or None.

    Args:
        value: Text, a number (Decimal and numpy's too), a boolean, a date, a datetime, a UUID, an Enum
            of one of these, or None.
        where: What it is, for the message.
        strict: Refuse times without a zone.
        zone: The zone of times that have none.

    Raises:
        InvalidInput: Appcues would drop or misread it.
    """
    if (type(value) is str and value.isascii()) or value is None or isinstance(value, bool):
        # First what nearly every value is: this runs for each value of millions of rows.
        return value
    if isinstance(value, str):
        return plain_text(value, where)
    if isinstance(value, int):
        return _integer(value, where)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise InvalidInput(
            f"{where} is {value!r}, which JSON cannot hold; leave it out or use None"
        )
    if isinstance(value, datetime):
        return iso_time(value, where, strict=strict, zone=zone)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _decimal(value, where)
    if isinstance(value, UUID):
        return str(value)
    inner = value.value if isinstance(value, Enum) else plain_scalar(value)
    if inner is not value:
        return flat_value(inner, where, strict, zone)
    raise _refusal_of(value, where)


def _integer(value: int, where: str) -> int:
    try:
        # Readers take numbers as floats.
        if float(value) == value:
            return int(value)
    except OverflowError:
        pass
    raise InvalidInput(
        f"{where} is {shown(value)}, an integer of {value.bit_length():,} bits; readers of JSON take "
        "numbers as floats, which would change its last digits: give it as text"
    )


def _decimal(value: Decimal, where: str) -> Decimal:
    if not value.is_finite():
        raise InvalidInput(f"{where} is {value}, which JSON cannot hold; leave it out or use None")
    if abs(value) > _LARGEST:
        raise InvalidInput(f"{where} is {shown(value)}, too large for a number; give it as text")
    if value.adjusted() > 14 and value == value.to_integral_value():
        _integer(int(value), where)
    return value


def _refusal_of(value: object, where: str) -> InvalidInput:
    kind = type(value).__name__
    match value:
        case Unreadable():
            return InvalidInput(f"{where} is {value.text}")
        case Mapping() | list() | tuple() | set() | frozenset():
            return InvalidInput(
                f"{where} is a {kind}; Appcues drops nested values without a word: give each part an "
                "attribute of its own"
            )
        case bytes() | bytearray() | memoryview():
            fix = "give text: decode it, or write it in hexadecimal"
        case timedelta():
            fix = "give a number, such as its total_seconds()"
        case time():
            fix = "give text, such as its isoformat(), or a datetime with a zone"
        case complex():
            fix = "give its parts as two attributes"
        case _:
            fix = (
                "attributes are text, numbers, booleans, dates or None: convert it, for example with "
                "str() or float()"
            )
    return InvalidInput(f"{where} is a {kind}; {fix}")


def free_value(value: Any, where: str, strict: bool = True, zone: tzinfo | None = None) -> Any:
    """Takes one attribute of an event, which may be nested ("freeform key/value data").

    Raises:
        InvalidInput: JSON or Appcues could not hold it.
    """
    if isinstance(value, Mapping):
        return {
            _key(key, where): free_value(one, f"{where}.{key}", strict, zone)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            free_value(one, f"{where}[{number}]", strict, zone) for number, one in enumerate(value)
        ]
    if isinstance(value, set | frozenset):
        raise InvalidInput(f"{where} is a {type(value).__name__}; JSON has no sets: give a list")
    return flat_value(value, where, strict, zone)


def check_json(value: Any, where: str = "json") -> Any:
    """Takes any value that JSON can hold.

    Raises:
        InvalidInput: Something in it cannot be held.
    """
    try:
        return free_value(value, where)
    except RecursionError:
        raise _too_deep(where) from None


def _key(value: object, where: str) -> str:
    if type(value) is str and value and value.isascii():
        return value
    if not isinstance(value, str) or not value:
        raise InvalidInput(
            f"{where} has the name {shown(value)}; names of attributes are text and not empty: "
            "rename it, or leave it out"
        )
    return plain_text(value, f"the name of an attribute of {where}")


def _too_deep(where: str) -> InvalidInput:
    return InvalidInput(f"{where} is nested too deeply, or holds itself; make it flatter")


def flat_attributes(
    attributes: object,
    where: str = "attributes",
    *,
    strict: bool = True,
    zone: tzinfo | None = None,
) -> dict[str, Any]:
    """Takes the attributes of a profile.

    Args:
        attributes: Values by name.
        where: What they are, for the message.
        strict: Refuse nested values and times without a zone, which Appcues drops or may misread.
        zone: The zone of times that have none.

    Raises:
        InvalidInput: They are no mapping, or one of them is refused.
    """
    if not strict:
        return free_attributes(attributes, where, strict=False, zone=zone)
    checked: dict[str, Any] = {}
    for name, value in _mapping(attributes, where).items():
        if type(value) is str:
            plain = value.isascii()
        elif type(value) is float:
            plain = math.isfinite(value)
        else:
            plain = value is None or type(value) is bool
        key = name if type(name) is str and name and name.isascii() else _key(name, where)
        checked[key] = value if plain else flat_value(value, f"{where}.{name}", zone=zone)
    return checked


def free_attributes(
    attributes: object,
    where: str = "attributes",
    *,
    strict: bool = True,
    zone: tzinfo | None = None,
) -> dict[str, Any]:
    """Takes the attributes of an event.

    Args:
        attributes: Values by name, which may be nested.
        where: What they are, for the message.
        strict: Refuse times without a zone.
        zone: The zone of times that have none.

    Raises:
        InvalidInput: They are no mapping, or one of them is refused.
    """
    given = _mapping(attributes, where)
    try:
        return {
            _key(name, where): free_value(value, f"{where}.{name}", strict, zone)
            for name, value in given.items()
        }
    except RecursionError:
        raise _too_deep(where) from None


def _mapping(value: object, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is a {type(value).__name__}; it must be a mapping of names")
    return value
