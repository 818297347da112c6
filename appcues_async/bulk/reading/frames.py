"""Data frames, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appcues_async.bulk.reading.encoder import AT_ONCE, Batch, Columns, shape_of
from appcues_async.rows.dialect import PLAIN, Dialect
from appcues_async.rows.frames import slices_of_frame
from appcues_async.rows.kinds import Kind

__all__ = ["batches_of_frame"]


def batches_of_frame(
    source: Any, kind: Kind, dialect: Dialect = PLAIN, *, name: str = "the frame"
) -> Iterator[Batch | Columns]:
    """Reads a frame a few rows at a time.

    Args:
        source: The frame.
        kind: What its rows are.
        dialect: What its columns are sent as.
        name: What it is called, for messages.

    Raises:
        InvalidInput: It lacks a column, or what reads it is not installed.
    """
    names, slices = slices_of_frame(source, kind, AT_ONCE, dialect, name=name)
    shape = None if kind.is_list else shape_of(names)
    for some in slices:
        if kind.is_list:
            yield Batch(some.columns[0], None, some.size)
        elif shape is None:
            rows = [dict(zip(names, row, strict=True)) for row in zip(*some.columns, strict=True)]
            yield Batch(rows, None, some.size)
        else:
            yield Columns(shape, some.columns, some.size)
