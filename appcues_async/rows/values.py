"""Values as the API takes them; what it would refuse or silently lose is refused here.

Appcues takes text, numbers, booleans and dates, and drops arrays and objects without a word ("Supported
Data Types" of its help pages). JSON has no NaN and no Infinity. A time without a zone means another
moment on another machine. Event names have at most 127 characters, and those that begin with
`appcues:` are reserved (HTTP API, "Sending events").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from appcues_async.errors import InvalidInput

__all__ = [
    "check_event_name",
    "check_json",
    "check_user_id",
    "flat_attributes",
    "free_attributes",
    "iso_time",
]

LONGEST_NAME: Final = 127
RESERVED: Final = "appcues:"


def check_user_id(value: object, where: str = "user_id") -> str:
    """Takes an id as it is: text, with its leading zeros.

    Raises:
        InvalidInput: It is no text, or empty.
    """
    if not isinstance(value, str):
        kind = "missing" if value is None else f"{value!r}, a {type(value).__name__}"
        raise InvalidInput(f"{where} is {kind}; ids are text, such as '007'")
    if not value.strip():
        raise InvalidInput(f"{where} is empty; every row needs the id of its user")
    return value


def check_event_name(value: object, where: str = "name") -> str:
    """Takes an event's name.

    Raises:
        InvalidInput: It is no text, empty, too long, or reserved.
    """
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where} is {value!r}; an event's name is text and not empty")
    if len(value) > LONGEST_NAME:
        raise InvalidInput(
            f"{where} is {len(value)} characters long, {value[:40]!r}…; "
            f"an event's name has at most {LONGEST_NAME}"
        )
    if value.startswith(RESERVED):
        raise InvalidInput(
            f"{where} is {value!r}; names that begin with {RESERVED!r} are reserved by Appcues"
        )
    return value


def iso_time(value: object, where: str = "timestamp") -> str:
    """Makes ISO 8601 text with an offset of a moment.

    Args:
        value: An aware datetime, or ISO 8601 text with an offset or `Z`, which stays as it is.
        where: What it is, for the message.

    Raises:
        InvalidInput: It is neither, or has no zone.
    """
    if isinstance(value, datetime):
        moment: datetime | None = value
        text = value.isoformat()
    elif isinstance(value, str):
        text = value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    else:
        moment, text = None, ""
    if moment is None:
        raise InvalidInput(
            f"{where} is {value!r}; it must be an aware datetime or ISO 8601 text with a zone, "
            "such as '2026-07-14T12:34:56Z'"
        )
    if moment.utcoffset() is None:
        raise InvalidInput(
            f"{where} is {text!r}, a time without a zone; "
            "add one, such as 'Z' or tzinfo=datetime.UTC"
        )
    return text


def flat_value(value: Any, where: str) -> Any:
    """Takes one attribute of a profile: text, a number, a boolean, a date or None.

    Raises:
        InvalidInput: Appcues would drop or misread it.
    """
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise InvalidInput(
            f"{where} is {value!r}, which JSON cannot hold; leave it out or use None"
        )
    if isinstance(value, datetime):
        return iso_time(value, where)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        raise InvalidInput(
            f"{where} is a {type(value).__name__}; Appcues drops nested values without a word: "
            "give each part an attribute of its own"
        )
    raise InvalidInput(
        f"{where} is a {type(value).__name__}; attributes are text, numbers, booleans, dates or "
        "None: convert it, for example with str() or float()"
    )


def free_value(value: Any, where: str) -> Any:
    """Takes one attribute of an event, which may be nested ("freeform key/value data").

    Raises:
        InvalidInput: JSON or Appcues could not hold it.
    """
    if isinstance(value, Mapping):
        return {_key(key, where): free_value(one, f"{where}.{key}") for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [free_value(one, f"{where}[{number}]") for number, one in enumerate(value)]
    return flat_value(value, where)


def check_json(value: Any) -> Any:
    """Takes any value that JSON can hold.

    Raises:
        InvalidInput: Something in it cannot be held.
    """
    return free_value(value, "json")


def _key(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where} has the name {value!r}; names of attributes are text")
    return value


def flat_attributes(attributes: object, where: str = "attributes") -> dict[str, Any]:
    """Takes the attributes of a profile.

    Raises:
        InvalidInput: They are no mapping, or one of them is refused.
    """
    return {
        _key(name, where): flat_value(value, f"{where}.{name}")
        for name, value in _mapping(attributes, where).items()
    }


def free_attributes(attributes: object, where: str = "attributes") -> dict[str, Any]:
    """Takes the attributes of an event.

    Raises:
        InvalidInput: They are no mapping, or one of them is refused.
    """
    return {
        _key(name, where): free_value(value, f"{where}.{name}")
        for name, value in _mapping(attributes, where).items()
    }


def _mapping(value: object, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is a {type(value).__name__}; it must be a mapping of names")
    return value
