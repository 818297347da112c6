"""Text, names and times as the API takes them; what it would refuse or misread is refused here.

A time without a zone means another moment on another machine. Event names have at most 127 characters,
and those that begin with `appcues:` are reserved (HTTP API, "Sending events").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from attrs import frozen

from appcues_async.errors import InvalidInput

__all__ = [
    "LONGEST_NAME",
    "RESERVED",
    "Unreadable",
    "check_event_name",
    "check_text",
    "iso_time",
    "one_of",
    "plain_scalar",
    "plain_text",
    "shown",
    "whole_number",
]

LONGEST_NAME: Final = 127
RESERVED: Final = "appcues:"

_ISO_TIME: Final = re.compile(r"[0-9W-]+T[0-9:.,]+(Z|[+-][0-9:]+)?")
"""`datetime.fromisoformat` alone takes any character for the `T`, a line break too."""


_CLOCK_TIME: Final = re.compile("[0-9W-]+[T ][0-9]")


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


def one_of(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuses a value that is none of its choices.

    Raises:
        InvalidInput: It is none.
    """
    if value not in choices:
        *first, last = [repr(choice) for choice in choices]
        raise InvalidInput(f"{name} is {shown(value)}; it must be {', '.join(first)} or {last}")


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
    if moment is not None and moment.utcoffset() is None and strict and _CLOCK_TIME.match(text):
        if zone is None:
            raise InvalidInput(
                f"{where} is {text!r}, a time without a zone; add one, such as 'Z' or "
                "tzinfo=datetime.UTC (client.bulk and client.sync take time_zone= for a whole source)"
            )
        # Databases write a blank between date and time.
        return _in_zone(moment, zone, where).isoformat()
    if moment is None or not _ISO_TIME.fullmatch(text):
        # pandas' missing time is a datetime too, and writes itself as NaT.
        raise InvalidInput(
            f"{where} is {shown(value)}; it must be an aware datetime or ISO 8601 text with a zone, "
            "such as '2026-07-14T12:34:56Z'"
        )
    return text


def _in_zone(moment: datetime, zone: tzinfo, where: str) -> datetime:
    """The moment of a clock in a zone, if the clock shows it once."""
    given = moment.replace(tzinfo=zone, fold=0)
    if given.utcoffset() != given.replace(fold=1).utcoffset():
        raise InvalidInput(
            f"{where} is {moment.isoformat()!r}, which clocks in {zone} show twice or never, as summer "
            "time ends or begins; give it with its offset"
        )
    return given
