"""Blocks of NDJSON, judged as a whole where that is possible."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec

from appcues_async.bulk.reading.checks import Bad, Check, Checked, is_utf8, joined, lines_of
from appcues_async.bulk.reading.row_edges import row_spans
from appcues_async.errors import InvalidInput
from appcues_async.rows.column_checks import none_is_blank
from appcues_async.rows.kinds import USER_ID, Kind

if TYPE_CHECKING:
    from appcues_async.bulk.reading.marks import JsonMarks

__all__ = ["NdjsonChecker", "check_ids"]

_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


_TextIfAny: TypeAlias = _Text | msgspec.UnsetType
_Field: TypeAlias = tuple[str, Any] | tuple[str, Any, Any]

_USER: Final[list[_Field]] = [("user_id", _Text), ("userId", msgspec.UnsetType, msgspec.UNSET)]
_EITHER_USER: Final[list[_Field]] = [(name, _TextIfAny, msgspec.UNSET) for name in USER_ID]
_NEEDED: Final[list[_Field]] = [("name", _Text), ("timestamp", _Text)]
_EVENT: Final[list[_Field]] = [
    ("name", Annotated[str, msgspec.Meta(min_length=1, max_length=127)]),
    ("timestamp", Annotated[datetime, msgspec.Meta(tz=True)]),
    ("attributes", dict[str, Any] | None, None),
]


def _decoder(fields: list[_Field]) -> Callable[[bytes], list[Any]]:
    """Reads rows that have these fields; what else they have is only looked at for its syntax."""
    row = msgspec.defstruct("Row", fields, gc=False, kw_only=True)
    return msgspec.json.Decoder(row).decode_lines


_ODD_TIME: Final = re.compile(rb'"timestamp"\s*:\s*"[^T"]*(?:["t ]|T[^"]*z)')
"""A time that the decoder takes, and ISO 8601 as the API's documents show it does not."""
_NAMELESS: Final = re.compile(rb'""\s*:')
_HUGE: Final = re.compile(rb"[0-9](?:[eE]|[0-9]{63})")
"""A number that may be too large to be one."""

_id: Final = attrgetter("user_id")

_decode: Final = msgspec.json.Decoder().decode


class NdjsonChecker:
    """Judges blocks of NDJSON."""

    def __init__(self, kind: Kind, check: Check) -> None:
        """Prepares for one source.

        Args:
            kind: What its rows are.
            check: How much of them is checked.
        """
        self._kind = kind
        self._check = check
        self._prefix = b""
        self._decode: Callable[[bytes], list[Any]] = msgspec.json.Decoder(_Text).decode_lines
        self._other: Callable[[bytes], list[Any]] | None = None
        if not kind.is_list:
            # Nearly always it is user_id alone that names the user.
            more = [] if not kind.is_events else _EVENT if check == "full" else _NEEDED
            self._decode, self._other = _decoder(_USER + more), _decoder(_EITHER_USER + more)

    def check(self, block: bytes, marks: JsonMarks | None = None) -> Checked:
        """Judges one block."""
        if self._check == "none":
            rows = None if marks is None else marks.rows
            return Checked(lines_of(block) if rows is None else rows)
        if self._check == "ids" and (rows := self._proved(block, marks)):
            return Checked(rows)
        if (found := self._decoded(block)) is None:
            return self.one_by_one(block)
        if self._has_a_line_each(block, marks, found) and self._passes(block, marks, found):
            if self._check == "ids":
                self._learn(block)
            return Checked(len(found))
        return self.one_by_one(block)

    def _decoded(self, block: bytes) -> list[Any] | None:
        try:
            return self._decode(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        if self._other is not None:
            try:
                found = self._other(block)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return None
            # What the other one takes is probably written like that all the way.
            self._decode, self._other = self._other, None
            return found
        return None

    def _has_a_line_each(self, block: bytes, marks: JsonMarks | None, found: list[Any]) -> bool:
        """Whether no line holds two rows; the decoder takes them as well, and the API does not."""
        rows = None if marks is None else marks.rows
        return len(found) == (lines_of(block) if rows is None else rows)

    def _proved(self, block: bytes, marks: JsonMarks | None) -> int:
        """How many rows there are, if the bytes alone prove that each begins with its user's id.

        JSON text holds no line break, so what follows one is the beginning of a row. If as many lines
        begin with `{"user_id":"` and something as there are lines, all of them do.
        """
        prefix = self._prefix
        if not prefix or not block.startswith(prefix[1:]):
            return 0
        if marks is not None:
            return (marks.rows or 0) if marks.begin_with(prefix[1:]) else 0
        rows = block.count(b"\n") + (not block.endswith(b"\n"))
        if block.count(prefix) + 1 != rows or prefix + b'"' in block:
            return 0
        return 0 if block.startswith(prefix[1:] + b'"') else rows

    def _learn(self, block: bytes) -> None:
        if self._kind.is_events:
            return
        pattern = rb'"' if self._kind.is_list else rb'\{\s*"(?:user_id|userId)"\s*:\s*"'
        if (match := re.match(pattern, block)) and b"\n" not in match[0]:
            self._prefix = b"\n" + match[0]

    def _passes(self, block: bytes, marks: JsonMarks | None, found: list[Any]) -> bool:
        """Whether nothing that the decoder did not look at may be wrong."""
        ids: list[str] | None = found
        if not self._kind.is_list:
            ids = list(map(_id, found)) if self._other is not None else _ids_of(found)
        if ids is None:
            return False
        if self._check == "ids":
            return none_is_blank(ids)
        if self._kind.ids.prove(ids) is None:
            return False
        return self._has_good_values(block, marks, len(found)) and is_utf8(block)

    def _has_good_values(self, block: bytes, marks: JsonMarks | None, rows: int) -> bool:
        if self._kind.is_list:
            return True
        if self._kind.is_events:
            if b'""' in block and _NAMELESS.search(block):
                return False
            return b'"appcues:' not in block and not _ODD_TIME.search(block)
        if marks is not None:
            return marks.are_flat(rows)
        if b'""' in block and _NAMELESS.search(block):
            return False
        # As many braces as rows and no bracket at all: nothing is nested. Braces may be text as well.
        return block.count(b"{") == rows and b"[" not in block and not _HUGE.search(block)

    def one_by_one(self, block: bytes) -> Checked:
        """Judges a block by a closer look at each of its rows."""
        rows, bad, spans = 0, [], []
        for line, (start, stop) in enumerate(row_spans(block, csv=False)):
            text = block[start:stop]
            if text.isspace():
                continue
            row, reason = self._judge(text)
            if reason is None:
                spans.append((start, stop))
            else:
                bad.append(Bad(rows, line, reason, row))
            rows += 1
        return Checked(rows, bad, joined(spans) if bad else None)

    def _judge(self, text: bytes) -> tuple[Any, str | None]:
        try:
            row = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = text.decode(errors="replace").rstrip("\r\n")
            return said, "the line is no JSON value; write each row on one line"
        try:
            if self._check == "ids":
                check_ids(row, self._kind)
            else:
                self._kind.check(row, "the row")
                _refuse_numbers(row, self._kind)
        except InvalidInput as error:
            return row, str(error)
        return row, None


def _ids_of(found: list[Any]) -> list[str] | None:
    """The id of each row; None if one has none, or two."""
    unset = msgspec.UNSET
    pairs = [(one.user_id, one.userId) for one in found]
    if any((one is unset) == (other is unset) for one, other in pairs):
        return None
    return [other if one is unset else one for one, other in pairs]


def _refuse_numbers(row: Any, kind: Kind) -> None:
    """Refuses an id that is a number: the line is sent as it is."""
    ids = [row] if kind.is_list else [row[name] for name in USER_ID if name in row]
    if not all(isinstance(one, str) for one in ids):
        raise InvalidInput(f"the row has the id {ids[0]}; in a file, write it in double quotes")


def check_ids(row: Any, kind: Kind) -> None:
    """Refuses a row that has not what its kind needs."""
    if kind.is_list:
        kind.ids.check(row, "the row")
        return
    if not isinstance(row, Mapping):
        raise InvalidInput(f"the row is a {type(row).__name__}; a row is a mapping of column names")
    for spellings in kind.columns:
        values = [row[name] for name in spellings if isinstance(row.get(name), str)]
        if not any(value.strip() if spellings is USER_ID else value for value in values):
            raise InvalidInput(f"the row has no {spellings[0]}, or one that is no text")
