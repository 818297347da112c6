"""Parquet files, read by row groups."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from appcues_async.errors import InvalidInput
from appcues_async.rows.file_types import PARQUET
from appcues_async.rows.frames import Frame
from appcues_async.rows.inputs import path_errors, text_of_path

__all__ = ["is_parquet", "open_parquet"]

_ROWS: Final = 4_096
"""Rows that are unpacked at a time."""
_BUFFER: Final = 1 << 20
"""Bytes of a column that are read at a time; without it, a row group is in memory as a whole."""
_INDEX: Final = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name, which is left out."""


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a Parquet file."""
    try:
        file = Path(path)
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            return opened.read(len(PARQUET)) == PARQUET
    except (OSError, ValueError):
        # Whoever reads it finds the words for that.
        return False


def open_parquet(path: Path) -> Frame:
    """Opens a Parquet file as a reader of batches; only a part of a row group is in memory at a time.

    Args:
        path: The file.

    Raises:
        InvalidInput: It is damaged, or what reads it is not installed.
    """
    name = text_of_path(path)
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise InvalidInput(
            f"{name} is a Parquet file; pip install 'appcues-async[arrow]' brings what reads it"
        ) from None
    with path_errors(path), path.open("rb") as file:
        try:
            schema = parquet.ParquetFile(file).schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{name} cannot be read as Parquet: {error}") from None
    columns = [column for column in schema.names if not _INDEX.fullmatch(column)]
    schema = pa.schema([schema.field(column) for column in columns])
    batches = _batches(path, columns, parquet.ParquetFile)
    reader: Frame = pa.RecordBatchReader.from_batches(schema, batches)
    return reader


def _batches(path: Path, columns: list[str], parquet_file: Any) -> Iterator[Any]:
    with path.open("rb") as opened:
        file = parquet_file(opened, buffer_size=_BUFFER)
        yield from file.iter_batches(batch_size=_ROWS, columns=columns, use_threads=False)
