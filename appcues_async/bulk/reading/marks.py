"""What the bytes of a block prove about its rows, all rows at once.

Nothing here says that a row is bad: where the bytes prove nothing, the row gets a closer look in
`checks.py`, which finds the words as well. This takes numpy, an extra; without it there are no marks,
and all of it is done there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from appcues_async.bulk.reading import bits

if TYPE_CHECKING:
    from appcues_async.bulk.reading.bits import Places, Words

    Cells: TypeAlias = tuple[Places, Places]
    """Where cells begin and end: two tables with a line for each row, and a column for each cell."""

__all__ = ["CsvMarks", "JsonMarks", "Marks", "mark"]

_TAB: Final = 9
_LINE_BREAK: Final = 10
_RETURN: Final = 13
_LAST_CONTROL: Final = 31
_BLANK: Final = 32
_QUOTE: Final = 34
_COMMA: Final = 44
_COLON: Final = 58
_OPEN: Final = 91
_BACKSLASH: Final = 92
_BRACE: Final = 123
_DELETE: Final = 127
_FULL: Final = (1 << 64) - 1


def mark(block: bytes, *, csv: bool, at_end: bool) -> Marks:
    """Marks a block.

    Args:
        block: Bytes that begin where a row does.
        csv: Whether quotes may hold line breaks.
        at_end: Whether nothing comes after it, so that its last row is whole in any case.
    """
    return CsvMarks(block, at_end=at_end) if csv else JsonMarks(block, at_end=at_end)


class Marks:
    """The rows of a block, each of which ends with a line break outside of quotes.

    Attributes:
        edge: Where the last whole row ends; 0 if none does.
    """

    edge: int

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._all = bits.bytes_of(block)

    @cached_property
    def _breaks(self) -> Words:
        return bits.where(self._all, _LINE_BREAK)

    @cached_property
    def _ends(self) -> Words:
        return self._breaks

    @cached_property
    def _starts(self) -> Words:
        starts, last = bits.later(self._ends), bits.last(self._ends)
        starts[0] |= 1
        if last == self.edge and last >> 6 < len(starts):
            # What begins behind the last whole row is none.
            starts[last >> 6] &= ~starts.dtype.type(1 << (last & 63))
        return starts

    @property
    def breaks(self) -> int:
        """Line breaks up to the edge."""
        return bits.count(self._breaks) - self._block.count(b"\n", self.edge)

    @cached_property
    def _begin_low(self) -> Words:
        """Where rows begin with a blank, a control character, or their own end."""
        return self._starts & bits.up_to(self._all, _BLANK)

    @cached_property
    def _blank(self) -> int:
        """How many rows are nothing but a line break."""
        if not self._begin_low.any():
            return 0
        blank = self._ends
        if _RETURN in self._block:
            blank = blank | (bits.where(self._all, _RETURN) & bits.sooner(self._ends))
        return bits.count(self._begin_low & blank)

    @property
    def rows(self) -> int | None:
        """Rows up to the edge, without blank lines; None where only a closer look can tell."""
        return bits.count(self._starts) - self._blank if self.edge else 0


class JsonMarks(Marks):
    """Rows of NDJSON: JSON text holds no line break, so each of them ends a row."""

    def __init__(self, block: bytes, *, at_end: bool) -> None:
        """Looks at a block; see `mark`."""
        super().__init__(block)
        self.edge: int = len(block) if at_end else block.rfind(b"\n") + 1

    @property
    def rows(self) -> int | None:
        """Rows up to the edge, without blank lines; None where only a closer look can tell."""
        if bits.count(self._begin_low) != self._blank:
            # A line that begins with blanks may hold nothing else.
            return None
        return super().rows

    def begin_with(self, prefix: bytes) -> bool:
        """Whether every row begins with these bytes, and with text after them, for certain."""
        starts, size = bits.places(self._starts), len(prefix)
        if not len(starts) or starts[-1] + size >= len(self._all):
            return False
        if bits.windows(self._all, size, starts) != prefix * len(starts):
            return False
        after = self._all[starts + size]
        return not ((after <= _QUOTE) | (after == _BACKSLASH)).any()

    def are_flat(self, rows: int) -> bool:
        """Whether rows that are known to be JSON hold plain values only, for certain.

        For certain no value is nested, no name is empty, and no number is too large to be one.

        Args:
            rows: How many there are, each of them an object.
        """
        data = self._all[: self.edge]
        quotes, braces = bits.where(data, _QUOTE), bits.where(data, _BRACE)
        # Behind two quotes in a row, and where an `e` follows a digit.
        behind = bits.later(quotes & bits.later(quotes))
        digits = bits.digits(data)
        exponents = bits.later(digits) & bits.letters(data, "e")
        if not (
            _OPEN in self._block
            or bits.count(braces) != rows
            or behind.any()
            or exponents.any()
            or (digits == _FULL).any()
        ):
            return True
        # It may all be text.
        if _BACKSLASH in self._block:
            backslashes = bits.where(data, _BACKSLASH)
            escaped = bits.later(backslashes)
            if (backslashes & escaped).any():
                # What follows two of them may be escaped or not.
                return False
            quotes &= ~escaped
        outside = ~bits.odd_up_to(quotes)
        if (bits.where(data, _OPEN) & outside).any() or bits.count(braces & outside) != rows:
            return False
        # Outside of text, two quotes in a row are text without a character: a name, before a colon.
        behind = bits.later(quotes & bits.later(quotes) & outside)
        colons = bits.where(data, _COLON) | bits.up_to(data, _BLANK)
        # So many digits that a whole word is full of them are no number that anybody reads.
        return not (
            (behind & colons).any()
            or (exponents & outside).any()
            or (digits & outside == _FULL).any()
        )


class CsvMarks(Marks):
    """Rows of CSV: a line break in quotes belongs to a cell."""

    def __init__(self, block: bytes, *, at_end: bool) -> None:
        """Looks at a block; see `mark`."""
        super().__init__(block)
        self._quotes: Words | None = None
        self._quoted: Words | None = None
        if _QUOTE in block:
            self._quotes = bits.where(self._all, _QUOTE)
            self._quoted = bits.odd_up_to(self._quotes)
        self.edge: int = len(block) if at_end else bits.last(self._ends)

    @property
    def is_open(self) -> bool:
        """Whether the last row ends inside quotes, which only that of a file can do."""
        inside = self._quoted is not None and bool(self._quoted[-1] >> 63)
        return inside and self.edge == len(self._block)

    @cached_property
    def _ends(self) -> Words:
        return self._breaks if self._quoted is None else self._breaks & ~self._quoted

    def have_first_cells(self) -> bool:
        """Whether every row has something in its first cell, for certain."""
        if self._begin_low.any() or (self._starts & bits.where(self._all, _COMMA)).any():
            return False
        if self._quotes is None:
            return True
        if self._block.endswith(b'"'):
            return False
        before_low = bits.sooner(bits.up_to(self._all, _QUOTE))
        return not (self._starts & self._quotes & before_low).any()

    def cells(self, columns: int) -> Cells | None:
        """Where the cells of the rows begin and end, the quotes around them included.

        Args:
            columns: Cells that every row is to have.

        Returns:
            None where some row has more cells or fewer, is blank, or has quotes in odd places.
        """
        if not self.edge:
            return None
        data = self._all[: self.edge]
        breaks = bits.where(data, _LINE_BREAK)
        between = bits.where(data, _COMMA) | breaks
        if _RETURN in self._block:
            alone = bits.where(data, _RETURN) & ~bits.sooner(breaks)
            if self._quoted is not None:
                alone &= ~self._quoted[: len(alone)]
            if alone.any():
                # To some readers it ends a row.
                return None
        if self._quoted is not None and self._quotes is not None:
            quoted, quotes = self._quoted[: len(between)], bits.where(data, _QUOTE)
            between &= ~quoted
            if not self._are_well_quoted(between, quotes, quoted):
                return None
        stops = bits.places(between)
        if not len(stops) or stops[-1] != len(data) - 1 or data[-1] != _LINE_BREAK:
            # The end of a file is the end of its last cell.
            stops = bits.with_end(stops, len(data))
        if len(stops) % columns:
            return None
        ends = stops.reshape(-1, columns)
        kinds = bits.byte_at(data, ends, _LINE_BREAK)
        if (kinds[:, -1] != _LINE_BREAK).any() or (kinds[:, :-1] != _COMMA).any():
            return None
        begins = bits.after(stops).reshape(-1, columns)
        ends = ends.copy()
        # The line breaks of some files are two bytes; an empty cell has none to take off.
        last = ends[:, -1]
        last -= (last > begins[:, -1]) & (data[last - 1] == _RETURN)
        return begins, ends

    def _are_well_quoted(self, between: Words, quotes: Words, quoted: Words) -> bool:
        """Whether quotes begin and end cells, and are doubled within."""
        before = bits.later(between | quotes)
        before[0] |= 1
        after = bits.sooner(between | quotes | bits.where(self._all[: self.edge], _RETURN))
        place = self.edge - 1
        after[place >> 6] |= after.dtype.type(1 << (place & 63))
        return not ((quotes & quoted & ~before).any() or (quotes & ~quoted & ~after).any())

    def are_filled(self, cells: Cells, columns: Sequence[int]) -> bool:
        """Whether these columns have text in every row, for certain."""
        begins, ends = cells
        for column in columns:
            first, size = begins[:, column], ends[:, column] - begins[:, column]
            if not size.all():
                return False
            start = self._all[first]
            if (start <= _BLANK).any():
                return False
            quoted = start == _QUOTE
            if quoted.any() and (
                size[quoted].min() < 3 or (self._all[first[quoted] + 1] <= _QUOTE).any()
            ):
                return False
        return True

    def have_controls(self, cells: Cells, columns: Sequence[int]) -> bool:
        """Whether one of these columns may hold control characters."""
        data = self._all[: self.edge]
        odd = bits.places(bits.up_to(data, _LAST_CONTROL) | bits.where(data, _DELETE))
        begins, ends = cells
        which = begins.ravel().searchsorted(odd, side="right") - 1
        inside = odd < ends.ravel()[which]
        return any((which[inside] % begins.shape[1] == column).any() for column in columns)

    def texts(self, cells: Cells, column: int) -> dict[int, Any]:
        """The text of a column, without the quotes around it.

        Returns:
            For each length in bytes a table of bytes, with a line for each row of that length.
        """
        begins, ends = cells[0][:, column], cells[1][:, column]
        quoted = self._all[begins] == _QUOTE
        return bits.by_size(self._all, begins + quoted, ends - quoted)
