"""Times in ISO 8601 with a zone, told from a whole column of bytes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["are_iso_times"]

_ZONES: Final = {"Z": (b"Z", 0), "+": (b"+00:00", 24), "-": (b"-00:00", 24)}
"""How a time may end: what is there, where `0` is any digit, and the most hours that it may say."""


def are_iso_times(texts: Mapping[int, Any]) -> bool:
    """Whether these are times as most programs write them, for certain.

    That is `2026-07-14T12:34:56`, with or without a fraction of a second, and then `Z` or `+00:00`. What
    is written in another way may be a time as well; it takes a closer look.

    Args:
        texts: For each length in bytes a table of bytes, with a line for each text.
    """
    return all(map(_are_times, texts.values()))


def _are_times(texts: Any) -> bool:
    size = texts.shape[1]
    if size < 20 or size > 35:
        return False
    for zone in ("Z", "+", "-"):
        shape, most = _ZONES[zone]
        fraction = size - 19 - len(shape)
        if fraction not in {0, *range(2, 8)}:
            continue
        there = texts[:, -len(shape)] == ord(zone)
        if not there.all():
            continue
        pattern = (
            b"0000-00-00T00:00:00" + (b"." + b"0" * (fraction - 1) if fraction else b"") + shape
        )
        return _have_shape(texts, pattern) and _are_in_range(texts, most, len(shape))
    return False


def _have_shape(texts: Any, pattern: bytes) -> bool:
    for place, byte in enumerate(pattern):
        column = texts[:, place]
        good = (column - 48) < 10 if byte == ord("0") else column == byte
        if not good.all():
            return False
    return True


def _are_in_range(texts: Any, most: int, zone: int) -> bool:
    def number(place: int) -> Any:
        return (texts[:, place] - 48) * 10 + (texts[:, place + 1] - 48)

    month, day = number(5), number(8)
    # Not every month has more than 28 days, and only a closer look tells which.
    good = (month >= 1) & (month <= 12) & (day >= 1) & ((day <= 28) | ((day <= 30) & (month != 2)))
    good &= (number(0) >= 1) & (number(11) < 24) & (number(14) < 60) & (number(17) < 60)
    if most:
        start = texts.shape[1] - zone
        good &= (number(start + 1) < most) & (number(start + 4) < 60)
    return bool(good.all())
