"""Data frames of any make, through the one door that they share: the Arrow C stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import USER_ID, Kind

__all__ = ["Frame", "is_frame", "slices_of_frame"]


class Frame(Protocol):
    """A frame of polars, pandas, pyarrow, duckdb and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hands out its batches."""
        ...


def is_frame(source: object) -> bool:
    """Whether it hands out Arrow batches, as polars, pandas, pyarrow and duckdb do."""
    return callable(getattr(source, "__arrow_c_stream__", None))


def slices_of_frame(source: Any, kind: Kind, rows: int) -> tuple[list[str], Iterator[Any]]:
    """Reads a frame a few rows at a time; it never becomes one list.

    Args:
        source: The frame; where only ids are wanted, one column by itself will do.
        kind: What its rows are.
        rows: The most rows of a slice.

    Returns:
        The names of its columns, and slices of them as record batches; of the column of ids alone,
        where ids are all that is wanted.

    Raises:
        InvalidInput: It lacks a column, or what reads it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidInput(
            f"source is a {type(source).__name__}; pip install 'appcues-async[frames]' brings what "
            "reads it"
        ) from None
    try:
        reader = pa.RecordBatchReader.from_stream(source)
    except pa.ArrowInvalid as error:
        if kind.is_list and not hasattr(source, "columns"):
            # One column by itself, such as `frame["user_id"]`.
            names = [USER_ID[0]]
            chunks = pa.chunked_array(source).chunks
            batches = (pa.RecordBatch.from_arrays([chunk], names) for chunk in chunks)
            return names, _sliced(batches, rows)
        raise InvalidInput(
            f"source is a {type(source).__name__} that is no frame, or has a column of mixed types: "
            f"{error.args[0]}"
        ) from None
    names = list(reader.schema.names)
    missing = kind.missing(names)
    ids = [name for name in names if name in USER_ID] or (names if len(names) == 1 else [])
    if kind.is_list and not ids:
        missing = [" or ".join(USER_ID)]
    if missing:
        raise InvalidInput(f"the frame has no {', no '.join(missing)}; it has: {', '.join(names)}")
    if kind.is_list:
        return ids[:1], _sliced((batch.select(ids[:1]) for batch in reader), rows)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"the frame has two columns named {twice!r}; rename one of them")
    return names, _sliced(reader, rows)


def _sliced(batches: Iterable[Any], rows: int) -> Iterator[Any]:
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)
