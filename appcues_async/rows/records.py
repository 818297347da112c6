"""Rows as people have them, as dicts: database rows, objects with fields, mappings of any kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import attrs
import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import Kind

__all__ = ["RawText", "Unread", "as_dicts", "own_copy", "raw_text", "text_of"]

_Reader: TypeAlias = Callable[[Any], dict[Any, Any]]


class RawText(str):
    """Text in a list of ids that is no row of it; written down, it does not pass for an id."""

    __slots__ = ()


def text_of(row: bytes) -> str:
    """A row that cannot be read, as text."""
    return row.decode(errors="replace").rstrip("\r\n")


def raw_text(row: bytes, kind: Kind) -> str:
    """A row that cannot be read, as text that does not pass for an id where it is written down."""
    return RawText(text_of(row)) if kind.is_list else text_of(row)


class Unread(NamedTuple):
    """The stand-in for a row that could not be read as one.

    Attributes:
        reason: Why not.
        row: What there is of it.
    """

    reason: str
    row: Any


def as_dicts(rows: Sequence[Any]) -> Sequence[Any]:
    """Makes dicts of rows that have names and values; others stay what they are.

    Args:
        rows: Some rows; those of a list that is not filled anew.
    """
    if set(map(type, rows)) <= {dict, str}:
        return rows
    return [_as_dict(row) for row in rows]


def own_copy(row: Any) -> Any:
    """A row as it is now, whatever becomes of the object that held it.

    Some sources hand out one object again and again, filled anew each time, nested ones too.
    """
    kind: Any = type(row)
    if kind is dict:
        copied = row.copy()
    elif (reader := _reader_of(kind)) is None:
        return row
    else:
        try:
            copied = reader(row)
        except InvalidInput:
            return row
    try:
        # What can be filled anew has no hash; to ask each value for its type takes longer.
        hash((*copied.values(),))
    except Exception:  # noqa: BLE001 - a value may raise anything
        return {name: _copy_of(value) for name, value in copied.items()}
    return copied


def _copy_of(value: Any, depth: int = 0) -> Any:
    # What is nested more deeply than anybody nests it may hold itself; the rules find that out.
    if depth > 100:
        return value
    if type(value) is dict:
        return {name: _copy_of(one, depth + 1) for name, one in value.items()}
    if type(value) is list:
        return [_copy_of(one, depth + 1) for one in value]
    return value


def _as_dict(row: Any) -> Any:
    kind: Any = type(row)
    reader = _reader_of(kind)
    if reader is None:
        return row
    try:
        return reader(row)
    except InvalidInput:
        # The rules say of the row itself that it is none.
        return row


@lru_cache(maxsize=256)
def _reader_of(kind: Any) -> _Reader | None:  # noqa: PLR0911 - one a kind of row
    """A maker of dicts of rows of a type; None for what has no names or is a dict already."""
    if kind is dict or issubclass(kind, str | bytes | list | int | float | type(None)):
        return None
    if callable(getattr(kind, "__arrow_c_stream__", None)):
        # A frame has keys as well, and is many rows.
        return None
    if issubclass(kind, Mapping):
        return dict
    if issubclass(kind, msgspec.Struct):
        return _reader_of_struct(kind)
    if attrs.has(kind):
        return _reader_of_fields(one.name for one in attrs.fields(kind))
    if dataclasses.is_dataclass(kind):
        return _reader_of_fields(one.name for one in dataclasses.fields(kind))
    if hasattr(kind, "model_fields") or hasattr(kind, "__fields__"):
        # A model of pydantic hands out its fields, and others that it was given.
        return dict
    if hasattr(kind, "_mapping"):
        # A row of SQLAlchemy is a tuple first of all.
        return lambda row: dict(row._mapping)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _reader_of_named_tuple(kind)
    if hasattr(kind, "keys") and hasattr(kind, "__getitem__"):
        return _of_keys
    return None


def _reader_of_struct(kind: type[Any]) -> _Reader:
    names = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))

    def read(row: Any) -> dict[Any, Any]:
        values = {name: getattr(row, field) for field, name in names.items()}
        return {name: value for name, value in values.items() if value is not msgspec.UNSET}

    return read


def _reader_of_fields(fields: Iterable[str]) -> _Reader:
    names = list(fields)
    return lambda row: {name: getattr(row, name) for name in names}


def _reader_of_named_tuple(kind: type[Any]) -> _Reader:
    names: Sequence[str] = kind._fields
    if names[:1] == ("Index",) and kind.__name__ == "Pandas":
        # The index of a frame that is gone through with itertuples() is none of its columns.
        return lambda row: dict(zip(names[1:], row[1:], strict=True))
    return lambda row: dict(zip(names, row, strict=True))


def _of_keys(row: Any) -> dict[Any, Any]:
    names = list(row.keys())
    made = {name: row[name] for name in names}
    if len(made) < len(names):
        # A query may give one name to two columns, and only one of them would be left.
        raise InvalidInput("the row has two columns of one name; rename one of them")
    return made
