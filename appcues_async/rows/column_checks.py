"""Rows in memory, judged a few hundred at a time, column by column.

To look at every value of every row costs more than to encode it. What C code does to a whole column
at once is cheap: joining it proves that all of it is text, adding it up that all of it is finite. Where
that proves nothing the rows are gone through one by one, which finds the words as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Annotated, Any, Final

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.values import check_event_name, iso_time

__all__ = ["are_event_names", "are_times", "judged", "moments_of"]

_MEASURED: Final = frozenset({int, float, Decimal})
"""Types of numbers that readers of JSON may not be able to hold."""
_NUMBERS: Final = _MEASURED | {bool}
_EXACT: Final = 1 << 53
"""Up to here a float holds every integer."""
_DIGITS: Final = 15
_PLAIN: Final = _NUMBERS | {str, type(None)}
_MOMENT: Final = frozenset({datetime, type(None)})
_Moments: Final = list[Annotated[datetime, msgspec.Meta(tz=True)]]


def judged(rows: Sequence[Any], kind: Kind) -> Sequence[Any] | None:
    """Takes rows that are proved good.

    Args:
        rows: Some rows.
        kind: What they are.

    Returns:
        The rows as they are to be encoded, moments as text; None where some row takes a closer look.
    """
    if kind.is_list:
        return kind.ids.prove(rows)
    if set(map(type, rows)) != {dict}:
        return None
    changed = moments_of(_columns_of(rows), len(rows), kind)
    if not changed:
        return None if changed is None else rows
    return [
        {**row, **dict(zip(changed, texts, strict=True))}
        for row, texts in zip(rows, zip(*changed.values(), strict=True), strict=True)
    ]


def moments_of(
    columns: Mapping[Any, Sequence[Any]], count: int, kind: Kind
) -> dict[str, Sequence[str | None]] | None:
    """Takes rows, given by columns, that are proved good.

    Args:
        columns: The values of each name, in the rows that have it.
        count: How many rows there are.
        kind: What they are.

    Returns:
        The columns that are sent as other values, ids and moments as text; None where some row takes a
        closer look.
    """
    ids = _ids_of(columns, count, kind)
    if ids is None or (kind.is_events and not _are_events(columns, count)):
        return None
    moments: dict[str, Sequence[Any]] = {}
    for name, column in columns.items():
        if name in USER_ID:
            continue
        if kind.is_events and name == "attributes":
            good = _are_attributes(column)
        elif not (good := _is_plain(column)) and len(column) == count:
            good = set(map(type, column)) <= _MOMENT
            moments[name] = column
        if not good or type(name) is not str or not name:
            return None
    texts = _as_text(moments, kind)
    return None if texts is None else {**ids, **texts}


def _columns_of(rows: Sequence[dict[Any, Any]]) -> dict[Any, Sequence[Any]]:
    """The values of each name, in rows that have it."""
    lengths = set(map(len, rows))
    if len(lengths) == 1:
        # As many names as the first row has, and all of those: the same names.
        try:
            return {name: list(map(itemgetter(name), rows)) for name in rows[0]}
        except KeyError:
            pass
    return {name: [row[name] for row in rows if name in row] for name in set().union(*rows)}


def _is_plain(column: Sequence[Any]) -> bool:
    """Whether values are proved to be such as any attribute can have."""
    try:
        # Text of any kind; what it holds that is not Unicode is found when it is encoded.
        "".join(column)
    except TypeError:
        types = set(map(type, column))
    else:
        return True
    if not types <= _PLAIN:
        return False
    return types.isdisjoint(_MEASURED) or _are_exact(column, types)


def _are_exact(column: Sequence[Any], types: set[type[Any]]) -> bool:
    """Whether numbers are proved to be such as every reader of JSON can hold."""
    if not types <= _NUMBERS:
        column = [one for one in column if type(one) in _NUMBERS]
    if Decimal in types:
        # Below that, a float holds every integer.
        decimals = [one for one in column if type(one) is Decimal]
        if not all(one.is_finite() and one.adjusted() < _DIGITS for one in decimals):
            return False
        column = [one for one in column if type(one) is not Decimal]
    try:
        if not math.isfinite(math.fsum(column)):
            return False
    except (OverflowError, ValueError):
        return False
    return int not in types or -_EXACT <= min(column) <= max(column) <= _EXACT


def _are_attributes(column: Sequence[Any]) -> bool:
    """Whether these are proved to be attributes of events that are nested no further."""
    types = set(map(type, column))
    if type(None) in types:
        column = [one for one in column if one is not None]
    if not types <= {dict, type(None)}:
        return False
    return all(
        type(name) is str and name and _is_plain(values)
        for name, values in _columns_of(column).items()
    )


def _ids_of(
    columns: Mapping[Any, Sequence[Any]], count: int, kind: Kind
) -> dict[str, Sequence[str]] | None:
    """The column of ids, if it is sent as other values; None where one of them may be no id."""
    given = [name for name in USER_ID if name in columns]
    # Two names for it may name two users.
    if len(given) != 1 or len(columns[given[0]]) != count:
        return None
    ids = kind.ids.prove(columns[given[0]])
    if ids is None:
        return None
    return {} if ids is columns[given[0]] else {given[0]: ids}


def _are_events(columns: Mapping[Any, Sequence[Any]], count: int) -> bool:
    names, times = columns.get("name", ()), columns.get("timestamp", ())
    if len(names) != count or len(times) != count:
        return False
    if set(map(type, times)) == {datetime}:
        # Each is looked at when it is written as text.
        return are_event_names(names)
    return are_event_names(names) and are_times(times)


def are_event_names(names: Iterable[Any]) -> bool:
    """Whether events may be called that."""
    try:
        for name in set(names):
            check_event_name(name)
    except (InvalidInput, TypeError):
        return False
    return True


def are_times(times: Sequence[Any]) -> bool:
    """Whether all of a column is proved to be ISO 8601 text with a zone."""
    try:
        text = "".join(times)
    except TypeError:
        return False
    # The decoder takes more than ISO 8601 does: a blank or a `t` between date and time, and a `z`.
    if text.count("T") != len(times) or " " in text or "t" in text or "z" in text or "_" in text:
        return False
    try:
        msgspec.convert(times, _Moments)
    except msgspec.ValidationError:
        return False
    return True


def _as_text(
    moments: Mapping[str, Sequence[Any]], kind: Kind
) -> dict[str, list[str | None]] | None:
    """Moments as text; None where one of them is none that the API takes."""
    try:
        return {
            name: [None if one is None else iso_time(one, zone=kind.zone) for one in column]
            for name, column in moments.items()
        }
    except InvalidInput:
        return None
