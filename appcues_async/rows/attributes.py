"""Attributes of profiles and events; what Appcues would refuse or silently lose is refused here.

Appcues takes text, numbers, booleans and dates, and drops arrays and objects without a word ("Supported
Data Types" of its help pages). JSON has no NaN and no Infinity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from appcues_async.errors import InvalidInput
from appcues_async.rows.values import Unreadable, iso_time, plain_scalar, plain_text, shown
from appcues_async.text import type_in_words

__all__ = ["check_json", "flat_attributes", "free_attributes", "free_value"]

_LARGEST: Final = 1.7976931348623157e308
"""Most readers take a number as a float, which ends there."""


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
    kind = type_in_words(value)
    match value:
        case Unreadable():
            return InvalidInput(f"{where} is {value.text}")
        case Mapping() | list() | tuple() | set() | frozenset():
            return InvalidInput(
                f"{where} is {kind}; Appcues drops nested values without a word: give each part an "
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
    return InvalidInput(f"{where} is {kind}; {fix}")


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
        raise InvalidInput(f"{where} is {type_in_words(value)}; JSON has no sets: give a list")
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
        raise InvalidInput(f"{where} is {type_in_words(value)}; it must be a mapping of names")
    return value
