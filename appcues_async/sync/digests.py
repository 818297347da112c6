"""Rows as they are compared: their ids, and a digest of all that they say.

The digest is of the row as JSON with its names in order, so that it is the same whatever the row came
from: a line of NDJSON, a mapping, a frame, or cells of a CSV, which are text. An empty cell is no value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import Any, Final

import msgspec
from attrs import field, frozen

from appcues_async.rows.csv_text import cells_of
from appcues_async.rows.kinds import USER_ID

__all__ = ["RowDigests", "Rows", "ids_of_csv", "ids_of_ndjson"]

SIZE: Final = 8
"""Bytes of a digest. Only two versions of one row are ever compared."""

ID: Final = USER_ID[0]
"""How the id is named in what is compared and sent."""
_OTHER: Final = b'"userId"'
_decode: Final = msgspec.json.Decoder().decode_lines
_encoder: Final = msgspec.json.Encoder(order="sorted")


@frozen
class Rows:
    """Some rows of profiles.

    Attributes:
        ids: Whose they are.
        digests: What they say.
        content: Each as it is sent: a line of JSON, or its cells.
    """

    ids: Sequence[str] = field(repr=False)
    digests: Sequence[bytes] = field(repr=False)
    content: Sequence[Any] = field(repr=False)


class RowDigests:
    """Makes digests of rows of profiles."""

    def __init__(self, salt: bytes) -> None:
        """Takes the salt of a state.

        Args:
            salt: 16 bytes; who sees two states cannot tell which of their rows are alike.
        """
        self._salt = salt
        self._names: Sequence[str] = ()
        self._row: Callable[..., Any] = _row_of(())

    def of_ndjson(self, block: bytes) -> Rows:
        """Reads rows that are lines of JSON, all of them good."""
        try:
            rows = _decode(block)
        except (msgspec.DecodeError, RecursionError):
            # Some readers take what this one does not.
            rows = [json.loads(line) for line in block.splitlines() if line.strip()]
        ids = [row.get(ID) for row in rows]
        if _OTHER in block or set(map(type, ids)) != {str}:
            ids = [_take_id(row) for row in rows]
        lines = _encoded(rows)
        return Rows(ids, self._digests(lines), lines)

    def of_csv(self, block: bytes, header: Sequence[str]) -> Rows:
        """Reads rows that are CSV, all of them good.

        Args:
            block: The rows.
            header: The names of their columns.
        """
        named = [name for name in header if name in USER_ID]
        by_columns = len(named) == 1 and "" not in header
        if by_columns and (split := _split(block, header)) is not None:
            lines, columns = split
            ids, rows = self._by_columns(columns, header)
            if all(ids):
                return Rows(ids, self._digests(_encoded(rows)), _Cells(lines))
        # A line of blanks is no row.
        cells = [row for row in cells_of(block) if any(map(str.strip, row))]
        if by_columns and set(map(len, cells)) == {len(header)}:
            ids, rows = self._by_columns(list(zip(*cells, strict=True)), header)
        else:
            rows = [
                {name: cell for name, cell in zip(header, row, strict=False) if cell and name}
                for row in cells
            ]
            ids = [_take_id(row, padded=True) for row in rows]
        return Rows(ids, self._digests(_encoded(rows)), cells)

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


class _Cells(Sequence[list[str]]):
    """The cells of lines without quotes, taken apart as they are asked for: few of them are."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: Any) -> Any:
        line: Any = self._lines[index]
        return line.split(",")


def _split(block: bytes, header: Sequence[str]) -> tuple[list[str], list[list[str]]] | None:
    """The lines and the columns of CSV that needs no reader of its own; None where it does."""
    if b'"' in block or b"\r" in block or len(header) == 1:
        return None
    text = block.decode().removesuffix("\n")
    lines = text.split("\n")
    if set(map(str.count, lines, repeat(","))) != {len(header) - 1}:
        return None
    cells = text.replace("\n", ",").split(",")
    return lines, [cells[index :: len(header)] for index in range(len(header))]


def _encoded(rows: Sequence[Any]) -> list[bytes]:
    return _encoder.encode_lines(rows).splitlines(keepends=True)


def _row_of(names: Sequence[str]) -> Callable[..., Any]:
    """Makes what is encoded as a mapping of these names."""
    fields = {f"column{index}": name for index, name in enumerate(names)}
    try:
        return msgspec.defstruct("Row", [(one, Any) for one in fields], rename=fields, gc=False)
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
