"""Data frames of any make, through the one door that they share: the Arrow C stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appcues_async.bulk.rows import AT_ONCE, Batch, Columns, shape_of
from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import USER_ID, Kind

__all__ = ["batches_of_frame", "is_frame"]


def is_frame(source: object) -> bool:
    """Whether it hands out Arrow batches, as polars, pandas, pyarrow and duckdb do."""
    return hasattr(source, "__arrow_c_stream__")


def batches_of_frame(source: Any, kind: Kind) -> Iterator[Batch | Columns]:
    """Reads a frame a few rows at a time; it never becomes one list.

    Args:
        source: The frame.
        kind: What its rows are.

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
            return _ids(pa.chunked_array(source))
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
        return _ids_of(reader, ids[0])
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"the frame has two columns named {twice!r}; rename one of them")
    return _rows_of(reader, names)


def _ids(column: Any) -> Iterator[Batch]:
    for start in range(0, len(column), AT_ONCE):
        some = column.slice(start, AT_ONCE)
        yield Batch(some.to_pylist(), None, some.nbytes)


def _ids_of(reader: Any, name: str) -> Iterator[Batch]:
    for batch in reader:
        yield from _ids(batch.column(name))


def _rows_of(reader: Any, names: list[str]) -> Iterator[Batch | Columns]:
    shape = shape_of(names)
    for batch in reader:
        for start in range(0, batch.num_rows, AT_ONCE):
            some = batch.slice(start, AT_ONCE)
            if shape is None:
                yield Batch(some.to_pylist(), None, some.nbytes)
            else:
                yield Columns(shape, [column.to_pylist() for column in some.columns], some.nbytes)
