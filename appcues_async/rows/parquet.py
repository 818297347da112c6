"""Parquet files, read by row groups."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Final

from appcues_async.errors import InvalidInput
from appcues_async.rows.file_types import PARQUET
from appcues_async.rows.frames import Frame
from appcues_async.rows.inputs import path_errors, text_of_path
from appcues_async.rows.store_reads import ObjectFile
from appcues_async.rows.urls import StoredObject

__all__ = ["is_parquet", "open_parquet"]

_ROWS: Final = 4_096
"""Rows that are unpacked at a time."""
_BUFFER: Final = 1 << 20
"""Bytes of a column that are read at a time; without it, a row group is in memory as a whole."""
_SUFFIXES: Final = frozenset({".parquet", ".pq"})
_INDEX: Final = re.compile(r"__index_level_\d+__")
"""Pandas' name of an index without one, which is left out."""


def is_parquet(source: str | os.PathLike[str] | StoredObject) -> bool:
    """Whether a path or an object of a store is that of a Parquet file."""
    if isinstance(source, StoredObject):
        # By its suffix alone: to look at each of thousands would be a request for each.
        return source.path.suffix.lower() in _SUFFIXES
    try:
        file = Path(source)
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            return opened.read(len(PARQUET)) == PARQUET
    except (OSError, ValueError):
        # Whoever reads it finds the words for that.
        return False


def open_parquet(source: Path | StoredObject, stop: Event | None = None) -> Frame:
    """Opens a Parquet file as a reader of batches; only a part of a row group is in memory at a time.

    Args:
        source: The file, or an object of a store.
        stop: Ends the reading of a store when it is set.

    Raises:
        InvalidInput: It is damaged, or what reads it is not installed.
    """
    stop = stop or Event()
    name = source.name if isinstance(source, StoredObject) else text_of_path(source)
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise InvalidInput(
            f"{name} is a Parquet file; pip install 'appcues-async[arrow]' brings what reads it"
        ) from None
    with path_errors(name), _opened(source, stop) as file:
        try:
            schema = parquet.ParquetFile(file).schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{name} cannot be read as Parquet: {error}") from None
    columns = [column for column in schema.names if not _INDEX.fullmatch(column)]
    schema = pa.schema([schema.field(column) for column in columns])
    batches = _batches(source, stop, columns, parquet.ParquetFile)
    reader: Frame = pa.RecordBatchReader.from_batches(schema, batches)
    return reader


def _opened(source: Path | StoredObject, stop: Event) -> BinaryIO | ObjectFile:
    return ObjectFile(source, stop) if isinstance(source, StoredObject) else source.open("rb")


def _batches(
    source: Path | StoredObject, stop: Event, columns: list[str], parquet_file: Any
) -> Iterator[Any]:
    with _opened(source, stop) as opened:
        file = parquet_file(opened, buffer_size=_BUFFER)
        yield from file.iter_batches(batch_size=_ROWS, columns=columns, use_threads=False)
