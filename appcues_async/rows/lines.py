"""Rows as lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.attributes import free_value
from appcues_async.rows.records import RawText
from appcues_async.rows.values import shown

__all__ = ["encode_lines", "json_form"]

encode_lines: Final[Callable[[Sequence[Any]], bytes]] = msgspec.json.Encoder(
    decimal_format="number"
).encode_lines
"""Makes a line of JSON of each value; the rules for values are checked before."""

_SHOWN: Final = 10_000
"""Characters that are kept of a row that JSON cannot hold."""


def json_form(row: Any) -> Any:
    """A rejected row as JSON has it, or what Python shows of it, under a name that no row has.

    What JSON has no form for must not become something else: NaN would be null, bytes and times would be
    text, and a row that was rejected for one of them would be taken when it is read back.
    """
    if isinstance(row, RawText):
        return {"text": str(row)}
    try:
        return free_value(row, "row")
    except (InvalidInput, RecursionError):
        return {"python": shown(row, longest=_SHOWN)}
