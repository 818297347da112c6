"""Rows of a CSV file: proved good by columns, or looked at one by one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from appcues_async.errors import InvalidInput
from appcues_async.rows.csv_columns import Columns, Reader, arrow_reader, read_with_csv
from appcues_async.rows.csv_text import (
    Stretch,
    cells_of,
    count_breaks,
    count_rows,
    row_spans,
    stretches,
    well_formed_row,
)
from appcues_async.rows.encodings import as_utf_8, likely_encoding
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.records import RawText, raw_text
from appcues_async.rows.values import shown
from appcues_async.rows.verdict import BadRow, Check, Verdict, merge_spans

__all__ = ["NULL", "CsvJudge", "cells_of_row"]

NULL: Final = "\\N"
"""The mark that databases write for null; everything else would take it for text."""
_BOM: Final = b"\xef\xbb\xbf"
_FEW: Final = 4_096
"""Bytes from which the first call of pyarrow pays."""
_TOGETHER: Final = 64
"""Rows that are looked at together where a whole block is not proved good."""


class CsvJudge:
    """Judges the rows of one CSV file, whose header is known."""

    def __init__(
        self,
        kind: Kind,
        check: Check,
        header: Sequence[str],
        readers: Sequence[Reader] | None = None,
        *,
        delimiter: str = ",",
    ) -> None:
        """Prepares for a file.

        Args:
            kind: What its rows are.
            check: How much of them is checked.
            header: The names of its columns; some may be empty.
            readers: What reads columns, the fastest first; those that are installed when left out.
            delimiter: What stands between cells; only with a comma are columns proved good.
        """
        self._delimiter = delimiter
        # A time without a zone goes out as it is written.
        self._kind = kind.with_zone(None)
        self._check = check
        self.header: list[str] = [name.strip() for name in header]
        self._id = next((index for index, name in enumerate(self.header) if name in USER_ID), 0)
        if readers is None:
            arrow = arrow_reader()
            readers = [read_with_csv] if arrow is None else [arrow, read_with_csv]
        self._readers = readers
        self._proofs = self._proofs_of_columns()
        # Behind a quote that is never closed, rows may be text that it began.
        self._may_be_text = False

    def _proofs_of_columns(self) -> dict[int, Callable[[Columns, int], bool]] | None:
        """Proofs that the columns that are checked are good; None where nothing does."""
        header = self.header
        ids = [index for index, name in enumerate(header) if name in USER_ID]
        if len(ids) != 1 or self._delimiter != ",":
            # A row may name its user in either of them, or in both.
            return None
        rule, names = self._kind.ids, {name for name in header if name}
        proofs: dict[int, Callable[[Columns, int], bool]] = {
            index: _are_empty for index, name in enumerate(header) if not name
        }
        proofs[ids[0]] = lambda columns, index: columns.are_ids(index, rule, names)
        if self._kind.is_events:
            proofs[header.index("name")] = lambda columns, index: columns.are_event_names(index)
            proofs[header.index("timestamp")] = lambda columns, index: columns.are_times(index)
            if "attributes" in header:
                # Text there is no mapping of names, which is what the API takes.
                proofs[header.index("attributes")] = _are_empty
        return proofs

    def row_end(self, block: bytes) -> int:
        """Where the first row of a block ends; 0 where that is beyond it, or nobody can tell."""
        return well_formed_row(block, self._delimiter)

    def judge(self, block: bytes, *, at_end: bool, first_only: bool = False) -> Verdict:
        """Judges the whole rows at the beginning of a block; see `Judge.judge`."""
        verdicts = (
            self._judge_stretch(block[stretch.start : stretch.stop], stretch)
            for stretch in stretches(block, at_end=at_end, delimiter=self._delimiter)
        )
        return _joined(islice(verdicts, 1) if first_only else verdicts)

    def _judge_stretch(self, text: bytes, stretch: Stretch) -> Verdict:
        lines = count_breaks(text)
        if stretch.reason is None:
            rows = count_rows(text) if self._check == "none" else self._proved_rows(text)
            if rows is not None:
                return Verdict(len(text), rows, lines)
            return self._closer_look(text)
        if self._check == "none":
            return Verdict(len(text), 1, lines)
        self._may_be_text = self._may_be_text or stretch.never_closed
        row = raw_text(text, self._kind)
        reason = f"the row is no CSV: {stretch.reason}"
        return Verdict(len(text), 1, lines, [BadRow(0, 0, reason, row)], [])

    def _proved_rows(self, text: bytes) -> int | None:
        """How many rows there are, if all of them are good; None if some may not be."""
        if self._proofs is None or self._may_be_text or not _is_plain(text):
            return None
        for read in self._readers[-1:] if len(text) < _FEW else self._readers:
            columns = read(text, len(self.header), list(self._proofs))
            if columns is not None:
                good = all(proof(columns, index) for index, proof in self._proofs.items())
                return columns.rows if good else None
        return None

    def _closer_look(self, text: bytes) -> Verdict:
        """Judges rows of which some may be bad, a few at a time: one costs its neighbours alone."""
        if self._proofs is None or self._may_be_text:
            return self.one_by_one(text)
        return _joined(map(self._judge_few, _groups_of(text)))

    def _judge_few(self, text: bytes) -> Verdict:
        rows = self._proved_rows(text)
        if rows is None:
            return self.one_by_one(text)
        return Verdict(len(text), rows, count_breaks(text))

    def one_by_one(self, text: bytes) -> Verdict:
        """Judges rows whose quotes are right by a closer look at each of them."""
        rows, line, bad, spans = 0, 0, list[BadRow](), list[tuple[int, int]]()
        for start, stop in row_spans(text, self._delimiter):
            row = text[start:stop]
            if not row.isspace():
                reason, shown_row = self._judge_row(row)
                if reason is None:
                    spans.append((start, stop))
                else:
                    bad.append(BadRow(rows, line, reason, shown_row))
                rows += 1
            line += row.count(b"\n")
        return Verdict(len(text), rows, line, bad, merge_spans(spans) if bad else None)

    def _judge_row(self, text: bytes) -> tuple[str | None, Any]:
        """The reason against a row, if there is one, and the row."""
        try:
            cells = cells_of_row(text, self._delimiter)
        except InvalidInput as error:
            return str(error), raw_text(text, self._kind)
        if self._may_be_text and len(cells) != len(self.header):
            reason = (
                "the row comes after a quote that is never closed, and has "
                f"{len(cells)} cells, not {len(self.header)}; close that quote"
            )
            return reason, raw_text(text, self._kind)
        try:
            row = self.row_of(cells)
        except InvalidInput as error:
            return str(error), self.unread_row(cells)
        try:
            self._kind.check(row, "the row")
        except InvalidInput as error:
            return str(error), row
        return None, None

    def row_of(self, cells: Sequence[str], *, nulls: bool = False) -> Any:
        r"""The row that cells make: its values by name without the empty ones, or an id alone.

        Args:
            cells: The cells.
            nulls: Whether `\N` is taken, since it is not sent as it is.

        Raises:
            InvalidInput: They make none.
        """
        header = self.header
        if cells and cells[0].startswith("\ufeff"):
            raise InvalidInput(
                "the row begins with a byte order mark, as the first of a file does; "
                "leave that out where files are put together"
            )
        if sorted(cell.strip() for cell in cells) == sorted(header):
            raise InvalidInput(
                "the row is the header once more; leave it out where files are put together"
            )
        for index, cell in enumerate(cells):
            if not cell:
                continue
            if index >= len(header):
                raise InvalidInput(
                    f"the row has {len(cells)} cells, and the header {len(header)}; "
                    "put a cell that holds a comma in quotes"
                )
            if self._kind.is_list and index != self._id:
                # A column beside the one that was named as that of the ids.
                continue
            if not header[index]:
                raise InvalidInput(
                    f"the row has {shown(cell)} in column {index + 1}, which has no name; "
                    "name it in the header, or leave it empty"
                )
            if cell == NULL and not nulls:
                raise InvalidInput(
                    f"{header[index]} is {NULL}, which databases write for null; "
                    "leave the cell empty"
                )
        if not any(cells) and not self._kind.is_list:
            raise InvalidInput("the row is empty; every row needs user_id or userId")
        return self.shown_row(cells)

    def unread_row(self, cells: Sequence[str]) -> Any:
        """Cells that make no row, so that they pass for none where they are written down."""
        shown_row = self.shown_row(cells)
        return (
            RawText(shown_row) if self._kind.is_list and isinstance(shown_row, str) else shown_row
        )

    def shown_row(self, cells: Sequence[str]) -> Any:
        """Cells by name without the empty ones; as a list where one has no name, or the id alone."""
        header = self.header
        if self._kind.is_list:
            beyond = any(cells[len(header) :])
            return list(cells) if beyond else next(iter(cells[self._id :]), "")
        nameless = [*cells[len(header) :]]
        nameless += [cell for name, cell in zip(header, cells, strict=False) if not name]
        if any(nameless):
            return list(cells)
        return {name: cell for name, cell in zip(header, cells, strict=False) if cell}


def _joined(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict of several, of bytes that follow each other."""
    size = rows = lines = 0
    bad: list[BadRow] = []
    spans: list[tuple[int, int]] = []
    for one in verdicts:
        bad += [BadRow(rows + row.index, lines + row.line, row.reason, row.row) for row in one.bad]
        spans += [
            (size + start, size + stop)
            for start, stop in ([(0, one.size)] if one.spans is None else one.spans)
        ]
        size, rows, lines = size + one.size, rows + one.rows, lines + one.lines
    return Verdict(size, rows, lines, bad, merge_spans(spans) if bad else None)


def _groups_of(text: bytes) -> Iterator[bytes]:
    """Rows, a few together."""
    start = stop = 0
    for number, (_, stop) in enumerate(row_spans(text), 1):
        if not number % _TOGETHER:
            yield text[start:stop]
            start = stop
    if start < stop:
        yield text[start:stop]


def cells_of_row(text: bytes, delimiter: str = ",") -> list[str]:
    """Reads a single row whose quotes are right.

    Args:
        text: The row.
        delimiter: What stands between its cells.

    Raises:
        InvalidInput: It is not UTF-8, or more than one row to some readers.
    """
    try:
        read = cells_of(text, delimiter)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"the row is not UTF-8 at byte {error.start:,}; {as_utf_8(likely_encoding(text))}"
        ) from None
    except csv.Error as error:
        raise InvalidInput(f"the row is no CSV ({error}); check its quotes") from None
    if len(read) != 1:
        raise InvalidInput(
            "a carriage return alone ends a row in the row; end rows with a line feed"
        )
    return read[0]


def _are_empty(columns: Columns, index: int) -> bool:
    return columns.are_empty(index)


def _is_plain(text: bytes) -> bool:
    """Whether there is nothing in text that only a closer look can judge."""
    if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
        # Alone, it ends a row to some readers.
        return False
    if b"\\" in text and NULL.encode() in text:
        return False
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return _BOM not in text
