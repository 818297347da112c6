"""Rows as they are compared: their ids, and a digest of all that they say.

The digest is of the row as JSON with its names in order, so that it is the same whatever the row came
from: a line of NDJSON, a mapping, a frame, or cells of a CSV, which are text. An empty cell is no value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
from attrs import field, frozen

from appcues_async.rows.csv_columns import Reader, arrow_reader, read_with_csv
from appcues_async.rows.csv_text import cells_of, row_spans
from appcues_async.rows.file_head import BOM
from appcues_async.rows.kinds import USER_ID

__all__ = ["RowDigests", "Rows", "ids_of_csv", "ids_of_ndjson"]

SIZE: Final = 8
"""Bytes of a digest. Only two versions of one row are ever compared."""

ID: Final = USER_ID[0]
"""How the id is named in what is compared and sent."""
_FEW: Final = 1 << 16
"""Bytes from which pyarrow pays, which takes a while to begin."""
_NAMES: Final = 256
"""The most names that rows are expected with."""
_decode: Final = msgspec.json.Decoder().decode_lines
_encoder: Final = msgspec.json.Encoder(order="sorted")


@frozen
class Rows:
    """Some rows of profiles.

    Attributes:
        ids: Whose they are.
        digests: What they say.
        content: Each as it is sent, a line.
    """

    ids: Sequence[str] = field(repr=False)
    digests: Sequence[bytes] = field(repr=False)
    content: Sequence[bytes] = field(repr=False)


class RowDigests:
    """Makes digests of rows of profiles."""

    def __init__(self, salt: bytes) -> None:
        """Takes the salt of a state.

        Args:
            salt: 16 bytes; who sees two states cannot tell which of their rows are alike.
        """
        self._salt = salt
        self._met: frozenset[str] = frozenset()
        self._lines: msgspec.json.Decoder[Any] | None = None
        self._arrow: Sequence[Reader] | None = None
        self._names: Sequence[str] = ()
        self._row: Callable[..., Any] = _row_of(())

    def of_ndjson(self, block: bytes) -> Rows:
        """Reads rows that are lines of JSON, all of them good."""
        rows, ids = self._named_alike(block)
        if not ids:
            try:
                rows = _decode(block)
            except (msgspec.DecodeError, RecursionError):
                # Some readers take what this one does not.
                rows = [json.loads(line) for line in block.splitlines() if line.strip()]
            self._learn(rows)
            ids = [_take_id(row) for row in rows]
        lines = _encoded(rows)
        return Rows(ids, self._digests(lines), lines)

    def _named_alike(self, block: bytes) -> tuple[Sequence[Any], Sequence[str]]:
        """The rows and their ids, if all have names that were met; that takes two thirds of the time."""
        if self._lines is None:
            return (), ()
        try:
            rows = self._lines.decode_lines(block)
            ids = [row.id for row in rows]
        except (msgspec.DecodeError, RecursionError):
            return (), ()
        return (rows, ids) if set(map(type, ids)) == {str} else ((), ())

    def _learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Expects rows with the names of these."""
        if len(self._met) > _NAMES:
            return
        self._met = self._met.union(*rows)
        if len(self._met) > _NAMES or ID not in self._met or USER_ID[1] in self._met:
            self._lines = None
            return
        made = _row_of(sorted(self._met))
        self._lines = msgspec.json.Decoder(made) if isinstance(made, type) else None

    def of_csv(self, block: bytes, header: Sequence[str]) -> Rows:
        """Reads rows that are CSV, all of them good.

        Args:
            block: The rows.
            header: The names of their columns.
        """
        if len([name for name in header if name in USER_ID]) == 1 and "" not in header:
            columns = self._read(block, len(header))
            if columns is not None:
                ids, rows = self._by_columns(columns, header)
                # A line of blanks is no row.
                if all(ids):
                    return Rows(ids, self._digests(_encoded(rows)), _Lines(block, len(ids)))
        named = [
            {name: cell for name, cell in zip(header, row, strict=False) if cell and name}
            for row in cells_of(block)
            if any(map(str.strip, row))
        ]
        ids = [_take_id(row, padded=True) for row in named]
        return Rows(ids, self._digests(_encoded(named)), _Lines(block, len(ids)))

    def _read(self, block: bytes, width: int) -> Sequence[Sequence[str]] | None:
        """The columns of some rows; None where they do not have as many cells as there are columns."""
        readers = [read_with_csv]
        if len(block) >= _FEW and _is_plain(block):
            if self._arrow is None:
                self._arrow = [found for found in [arrow_reader()] if found is not None]
            readers[:0] = self._arrow
        for read in readers:
            if (columns := read(block, width, range(width))) is not None:
                return [columns.texts(index) for index in range(width)]
        return None

    def _by_columns(
        self, given: Sequence[Sequence[str]], header: Sequence[str]
    ) -> tuple[Sequence[str], Sequence[Any]]:
        """The ids and the rows of columns of cells, which takes a fraction of the time."""
        columns: dict[str, Sequence[Any]] = {}
        ids: Sequence[str] = ()
        for name, column in zip(header, given, strict=True):
            if name in USER_ID:
                ids = columns[ID] = list(map(str.strip, column))
            elif "" in column:
                columns[name] = [cell or msgspec.UNSET for cell in column]
            else:
                columns[name] = column
        names = sorted(columns)
        if self._names != names:
            self._names, self._row = names, _row_of(names)
        return ids, list(map(self._row, *(columns[name] for name in names)))

    def _digests(self, lines: Iterable[bytes]) -> list[bytes]:
        begun = blake2b(self._salt, digest_size=SIZE)
        digests = []
        for line in lines:
            digest = begun.copy()
            digest.update(line)
            digests.append(digest.digest())
        return digests


class _Lines(Sequence[bytes]):
    """Rows of CSV as they stand, taken apart when they are asked for: of most blocks few are."""

    def __init__(self, block: bytes, rows: int) -> None:
        self._block = block
        self._rows = rows
        self._lines: Sequence[bytes] | None = None

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, index: Any) -> Any:
        if self._lines is None:
            self._lines = self._split()
        line: Any = self._lines[index]
        return line.removesuffix(b"\n").removesuffix(b"\r") + b"\n"

    def _split(self) -> Sequence[bytes]:
        block = self._block
        lines = block.removesuffix(b"\n").split(b"\n")
        if len(lines) != self._rows:
            # Some are blank, or go on behind a line break in quotes.
            spans = row_spans(block)
            lines = [row for start, stop in spans if not (row := block[start:stop]).isspace()]
        return lines


def _is_plain(block: bytes) -> bool:
    """Whether every reader of CSV makes the same of it."""
    alone = block.count(b"\r") - block.count(b"\r\n") if b"\r" in block else 0
    return not alone and not block.startswith(BOM)


def _encoded(rows: Sequence[Any]) -> list[bytes]:
    return _encoder.encode_lines(rows).splitlines(keepends=True)


def _row_of(names: Sequence[str]) -> Callable[..., Any]:
    """Makes what is encoded as a mapping of these names."""
    fields = {"id" if name == ID else f"column{index}": name for index, name in enumerate(names)}
    try:
        return msgspec.defstruct(
            "Row",
            [(one, Any, msgspec.UNSET) for one in fields],
            rename=fields,
            forbid_unknown_fields=True,
            gc=False,
        )
    except ValueError:
        # With a quote in a name, among others.
        return lambda *values: {
            name: value
            for name, value in zip(names, values, strict=True)
            if value is not msgspec.UNSET
        }


def ids_of_ndjson(block: bytes) -> list[str]:
    """Reads lines that are ids in quotes, all of them good."""
    return list(_decode(block))


def ids_of_csv(block: bytes) -> list[str]:
    """Reads rows that are an id each, all of them good."""
    return [row[0].strip() for row in cells_of(block) if any(map(str.strip, row))]


def _take_id(row: dict[str, Any], *, padded: bool = False) -> str:
    """The id of a row, which names it in one way from then on."""
    named = [row.pop(name, None) for name in USER_ID]
    # A null beside an id, or a blank cell, names nobody.
    row_id = next(str(one) for one in named if one is not None and str(one).strip())
    if padded:
        row_id = row_id.strip()
    row[ID] = row_id
    return row_id
