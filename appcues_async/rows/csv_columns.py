"""The columns of a block of CSV that are looked at, read by a library's decoder.

pyarrow reads them several times as fast as the csv module, and without the interpreter's lock; it is an
extra. Either is given only rows whose quotes are proved to be right (`csv_text.py`), of which both make
the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from operator import itemgetter
from typing import Any, Final, Protocol

from appcues_async.rows.column_checks import are_event_names, are_times
from appcues_async.rows.csv_text import cells_of
from appcues_async.rows.ids import PLACEHOLDERS, IdRule

__all__ = ["Columns", "Reader", "arrow_reader", "read_with_csv"]

_AT_ONCE: Final = 64
"""Rows of which the csv module makes lists before their columns are taken."""
_BYTES: Final = bytes(range(256))
_VISIBLE: Final = _BYTES[0x21:0x7F]
_FIRST: Final = {"us": -62_135_424_000_000_000, "ns": -(1 << 63)}
"""The third day of the year 1: no offset makes it one of the year 0, which datetime has not."""


class Columns(Protocol):
    """Some columns of a block; each method proves something, or leaves it open.

    Attributes:
        rows: How many rows there are.
    """

    rows: int

    def are_ids(self, column: int, rule: IdRule, names: Collection[str]) -> bool:
        """Whether all are ids that the rule takes, and none of them is one of the names."""
        ...

    def are_event_names(self, column: int) -> bool:
        """Whether events may be called that."""
        ...

    def are_times(self, column: int) -> bool:
        """Whether all are times with a zone."""
        ...

    def are_empty(self, column: int) -> bool:
        """Whether there is nothing in any of them."""
        ...

    def texts(self, column: int) -> Sequence[str]:
        """The cells of a column."""
        ...


class Reader(Protocol):
    """Reads some columns; None where the rows do not have as many cells as there are columns."""

    def __call__(self, block: bytes, width: int, wanted: Sequence[int]) -> Columns | None:
        """Reads the wanted ones of so many columns."""
        ...


class _CsvColumns:
    """Columns as the csv module reads them."""

    def __init__(self, rows: int, columns: Mapping[int, Sequence[str]]) -> None:
        self.rows: int = rows
        self._columns = columns

    def are_ids(self, column: int, rule: IdRule, names: Collection[str]) -> bool:
        ids = self._columns[column]
        return rule.prove(ids) is not None and set(names).isdisjoint(ids)

    def are_event_names(self, column: int) -> bool:
        return are_event_names(self._columns[column])

    def are_times(self, column: int) -> bool:
        return are_times(self._columns[column])

    def are_empty(self, column: int) -> bool:
        return not any(self._columns[column])

    def texts(self, column: int) -> Sequence[str]:
        return self._columns[column]


def read_with_csv(block: bytes, width: int, wanted: Sequence[int]) -> Columns | None:
    """Reads columns with the csv module."""
    try:
        return _columns_of(_few_by_few(block), width, wanted)
    except UnicodeDecodeError:
        return None
    except csv.Error:
        pass
    try:
        # A cell may be longer than the library takes.
        return _columns_of([cells_of(block)], width, wanted)
    except csv.Error:
        return None


def _few_by_few(block: bytes) -> Iterator[list[list[str]]]:
    """Rows, as few at a time as stay in a core's cache until their columns have been taken."""
    reader = csv.reader(io.StringIO(block.decode(), newline=""), strict=True)
    while rows := list(islice(reader, _AT_ONCE)):
        yield rows


def _columns_of(
    batches: Iterable[list[list[str]]], width: int, wanted: Sequence[int]
) -> _CsvColumns | None:
    columns: dict[int, list[str]] = {column: [] for column in wanted}
    count = 0
    for batch in batches:
        rows = _even(batch, width)
        if rows is None:
            return None
        count += len(rows)
        for column, cells in columns.items():
            cells.extend(map(itemgetter(column), rows))
    return _CsvColumns(count, columns) if count else None


def _even(rows: list[list[str]], width: int) -> list[list[str]] | None:
    """Rows that have all cells, without blank lines; None where one has more."""
    if not all(rows):
        rows = list(filter(None, rows))
    if set(map(len, rows)) <= {width}:
        return rows
    if any(any(row[width:]) for row in rows):
        return None
    # Cells that are missing at the end of a row are empty ones.
    return [row + [""] * (width - len(row)) for row in rows]


def _bytes_in(text: bytes) -> bytes:
    """Each byte that is in a text, once."""
    return _BYTES.translate(None, _BYTES.translate(None, text))


def arrow_reader() -> Reader | None:
    """A reader of columns with pyarrow; None where that is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import csv as arrow_csv  # noqa: PLC0415
    except ImportError:
        return None
    # Its functions are made when it is imported, so type checkers know of none.
    pc: Any = import_module("pyarrow.compute")

    class _ArrowColumns:
        """Columns as pyarrow reads them."""

        def __init__(self, table: Any) -> None:
            self.rows: int = table.num_rows
            self._table = table

        def _column(self, column: int) -> Any:
            return self._table.column(str(column)).combine_chunks()

        def are_ids(self, column: int, rule: IdRule, names: Collection[str]) -> bool:
            ids = self._column(column)
            if not pc.min(pc.binary_length(ids)).as_py():
                return False
            found = _bytes_in(ids.buffers()[2].to_pybytes())
            if found.translate(None, _VISIBLE) or b"." in found or b"E" in found or rule.any_text:
                listed = ids.to_pylist()
                return rule.prove(listed) is not None and set(names).isdisjoint(listed)
            # Nothing but visible characters, and nothing that a spreadsheet made of a number.
            refused = [
                one
                for one in (*(PLACEHOLDERS - rule.allowed), *names)
                if not one.encode().translate(None, found)
            ]
            if not refused:
                return True
            return not pc.any(pc.is_in(ids, value_set=pa.array(refused, pa.string()))).as_py()

        def are_event_names(self, column: int) -> bool:
            return are_event_names(pc.unique(self._column(column)).to_pylist())

        def are_times(self, column: int) -> bool:
            times = self._column(column)
            text = times.buffers()[2].to_pybytes()
            if text.count(b"T") != len(times) or b" " in text:
                return False
            for unit, first in _FIRST.items():
                try:
                    moments = pc.cast(times, pa.timestamp(unit, "UTC"))
                except pa.ArrowInvalid:
                    continue
                return bool(pc.min(pc.cast(moments, pa.int64())).as_py() >= first)
            return are_times(times.to_pylist())

        def are_empty(self, column: int) -> bool:
            return not pc.max(pc.binary_length(self._column(column))).as_py()

        def texts(self, column: int) -> Sequence[str]:
            texts: list[str] = self._column(column).to_pylist()
            return texts

    memory_pool = pa.system_memory_pool()

    def read(block: bytes, width: int, wanted: Sequence[int]) -> Columns | None:
        names = [str(column) for column in wanted]
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block),
                arrow_csv.ReadOptions(
                    column_names=list(map(str, range(width))),
                    block_size=len(block) + 1,
                    use_threads=False,
                ),
                arrow_csv.ParseOptions(newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    include_columns=names,
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=False,
                ),
                # Its own pool would keep megabytes for blocks to come.
                memory_pool,
            )
        except pa.ArrowInvalid:
            return None
        return _ArrowColumns(table)

    return read
