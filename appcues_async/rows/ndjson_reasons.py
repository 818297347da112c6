"""Reasons against lines that are no JSON, in words that name the fault."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from typing import Any, Final

from appcues_async.rows.encodings import as_utf_8, likely_encoding
from appcues_async.rows.values import shown

__all__ = ["reason_of", "repeated_name"]

_HALF: Final = re.compile("[\ud800-\udfff]")
_WRITE: Final = "write rows with a JSON library"


class _NoNumber(Exception):  # noqa: N818 - it carries what was found
    """A number that JSON has not, or that is out of range."""


def reason_of(text: bytes, error: Exception) -> str:
    """The reason against a line that msgspec does not decode.

    Args:
        text: The line.
        error: What msgspec says.
    """
    try:
        line = text.decode().strip()
    except UnicodeDecodeError as wrong:
        fix = as_utf_8(likely_encoding(text))
        return f"the line is not UTF-8 at byte {wrong.start:,}; {fix}"
    # Python's own decoder takes what JSON has not, and says where a value ends.
    try:
        _, end = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).raw_decode(line)
    except _NoNumber as found:
        return f"the line holds {found}, which is no number in JSON; leave it out or use null"
    except RecursionError:
        return "the line is nested too deeply; make it flatter"
    except ValueError:
        return _reason_of_no_json(line, error)
    return _reason_of_rest(line[end:].strip()) or _reason_of_text(line, error)


def _reason_of_no_json(line: str, error: Exception) -> str:
    if line.startswith("\ufeff"):
        return (
            "the line begins with a byte order mark, as the first of a file does; "
            "leave that out where files are put together"
        )
    if re.match(r"[\[{]\s*'", line):
        return f"the line is in single quotes, and JSON takes double quotes; {_WRITE}"
    return f"the line is no JSON value ({error}); {_WRITE}, each on one line"


def _reason_of_rest(rest: str) -> str | None:
    """The reason against text that follows the row."""
    if rest == ",":
        return "the line ends with a comma; in NDJSON each row is a line of its own, without commas"
    if rest.startswith(("{", "[", '"')):
        return "the line holds more than one row; write each row on one line"
    if rest:
        return f"the line goes on after its row, with {shown(rest, 40)}; write each row on one line"
    return None


def _reason_of_text(line: str, error: Exception) -> str:
    half = _HALF.search(json.dumps(json.loads(line), ensure_ascii=False))
    if half is None:
        return f"the line is no JSON value ({error}); {_WRITE}"
    return (
        f"the line holds \\u{ord(half[0]):04x}, half of a character (a lone surrogate), as is left "
        "where text is cut in the middle of an emoji; mend or drop that text"
    )


def _refuse(constant: str) -> Any:
    raise _NoNumber(constant)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise _NoNumber(f"{shown(number, 40)}, out of the range of numbers")
    return value


def repeated_name(text: bytes, names: Collection[str]) -> str | None:
    """Which of some names a row has twice; None if it has none of them twice.

    Args:
        text: A line that is a JSON object.
        names: The names to look for.
    """
    if all(text.count(f'"{name}"'.encode()) < 2 for name in names) and b"\\u00" not in text:
        return None
    objects: list[list[tuple[str, Any]]] = []
    json.loads(text, object_pairs_hook=objects.append)
    # The outermost object ends last.
    found = [name for name, _ in objects[-1]]
    return next((name for name in names if found.count(name) > 1), None)
