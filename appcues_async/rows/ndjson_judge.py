"""Rows of NDJSON: proved good by one typed decode of a block, or looked at one by one.

A struct of the names that the first rows have, which takes no others, proves in the decode itself that
no value is nested, no number out of range and no name empty. What it cannot see is counted in the bytes:
of two equal names it takes the last, and two rows on one line it takes as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.column_checks import are_event_names, are_times
from appcues_async.rows.csv_text import count_lines
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.ndjson_reasons import reason_of, repeated_name
from appcues_async.rows.records import raw_text
from appcues_async.rows.verdict import BadRow, Check, Verdict, merge_spans

__all__ = ["NdjsonJudge"]

_MOST_NAMES: Final = 500
"""Names of a struct; rows that have more between them are looked at one by one."""
_EXACT: Final = 1 << 53
"""Up to here a float holds every integer."""

_Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)]
_Scalar: TypeAlias = str | _Integer | float | bool | None
_Nested: TypeAlias = _Scalar | dict[_Name, _Scalar] | list[_Scalar]
_Free: TypeAlias = _Scalar | dict[_Name, _Nested] | list[_Nested]
"""Attributes of an event; what is nested more deeply is looked at row by row."""
_EventName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=127)]

_FIRST_NAME: Final = re.compile(rb'\{[ \t]*"[^"\\\r\n]*"[ \t]*:')
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")
"""What a name may be spelt with, so that its bytes are not found."""

_Decode: TypeAlias = Callable[[bytes], list[Any]]
_decode: Final = msgspec.json.Decoder().decode
_decode_all: Final[_Decode] = msgspec.json.Decoder().decode_lines
_decode_ids: Final[_Decode] = msgspec.json.Decoder(str).decode_lines
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_id: Final = attrgetter("id")
_event_name: Final = attrgetter("name")
_timestamp: Final = attrgetter("timestamp")


class NdjsonJudge:
    """Judges the rows of one NDJSON file."""

    def __init__(self, kind: Kind, check: Check) -> None:
        """Prepares for a file.

        Args:
            kind: What its rows are.
            check: How much of them is checked.
        """
        # A time without a zone goes out as it is written.
        self._kind = kind.with_zone(None)
        self._check = check
        self._names: set[str] = set()
        # Those of the attributes of events.
        self._inner: set[str] = set()
        self._typed: _Decode | None = _decode_ids if kind.is_list else None
        self._id_name = b""

    def row_end(self, block: bytes) -> int:
        """Where the first row of a block ends; 0 where that is beyond it."""
        return block.find(b"\n") + 1

    def judge(self, block: bytes, *, at_end: bool, first_only: bool = False) -> Verdict:
        """Judges the whole rows at the beginning of a block; see `Judge.judge`."""
        if first_only:
            block = block[: self.row_end(block) or len(block)]
        size = len(block) if at_end else block.rfind(b"\n") + 1
        if size < len(block):
            block = block[:size]
        if self._check == "none":
            return Verdict(size, count_lines(block), block.count(b"\n"))
        rows = self._proved_rows(block)
        if rows is None:
            return self.one_by_one(block)
        return Verdict(size, rows, block.count(b"\n"))

    def _proved_rows(self, block: bytes) -> int | None:
        """How many rows there are, if all of them are good; None if some may not be."""
        found = self._decoded(block)
        if found is None or not _has_one_on_a_line(block, len(found)):
            return None
        if self._kind.is_list:
            return len(found) if self._kind.ids.prove(found) is found else None
        ids = list(map(_id, found))
        if self._kind.ids.prove(ids) is not ids or self._may_name_two_users(block, len(found)):
            return None
        if self._kind.is_events and not (
            are_event_names(set(map(_event_name, found)))
            and are_times(list(map(_timestamp, found)))
        ):
            return None
        return len(found)

    def _decoded(self, block: bytes) -> list[Any] | None:
        if self._typed is not None:
            try:
                return self._typed(block)
            except _NOT_JSON:
                pass
        if self._kind.is_list or not self._learn(block) or self._typed is None:
            return None
        try:
            return self._typed(block)
        except _NOT_JSON:
            return None

    def _learn(self, block: bytes) -> bool:
        """Adds the names that the rows of a block have; whether there are any new ones."""
        try:
            rows = [row for row in _decode_all(block) if isinstance(row, dict)]
        except _NOT_JSON:
            return False
        names = self._names.union(*rows) - {""}
        inner = self._inner.union(
            *(row.get("attributes") or () for row in rows if self._has_inner(row))
        )
        ids = [name for name in USER_ID if name in names]
        new = names != self._names or inner != self._inner
        if not new or len(names) + len(inner) > _MOST_NAMES or len(ids) != 1:
            return False
        try:
            self._typed = self._decoder_of(names, inner - {""}, ids[0])
        except ValueError:
            # Names with quotes in them.
            return False
        self._names, self._inner, self._id_name = names, inner, f'"{ids[0]}"'.encode()
        return True

    def _has_inner(self, row: dict[str, Any]) -> bool:
        return self._kind.is_events and isinstance(row.get("attributes"), dict)

    def _decoder_of(self, names: set[str], inner: set[str], id_name: str) -> _Decode:
        fields: list[Any] = [("id", str)]
        if not self._kind.is_events:
            row = _struct_of(names - {id_name}, _Scalar, fields, {"id": id_name})
            return msgspec.json.Decoder(row).decode_lines
        attributes = _struct_of(inner, _Free, [], {})
        fields += [
            ("name", _EventName),
            ("timestamp", str),
            ("attributes", attributes | None, None),
        ]
        others = names - {id_name, "name", "timestamp", "attributes"}
        row = _struct_of(others, _Free, fields, {"id": id_name})
        return msgspec.json.Decoder(row).decode_lines

    def _may_name_two_users(self, block: bytes, rows: int) -> bool:
        if block.count(self._id_name) != rows:
            return True
        return b"\\" in block and _ESCAPED_LETTER.search(block) is not None

    def one_by_one(self, block: bytes) -> Verdict:
        """Judges a block by a closer look at each of its rows."""
        rows, line, start = 0, 0, 0
        bad: list[BadRow] = []
        spans: list[tuple[int, int]] = []
        while start < len(block):
            stop = block.find(b"\n", start) + 1 or len(block)
            text = block[start:stop]
            if not text.isspace():
                row, reason = self._judge_row(text)
                if reason is None:
                    spans.append((start, stop))
                else:
                    bad.append(BadRow(rows, line, reason, row))
                rows += 1
            line, start = line + 1, stop
        lines = block.count(b"\n")
        return Verdict(len(block), rows, lines, bad, merge_spans(spans) if bad else None)

    def _judge_row(self, text: bytes) -> tuple[Any, str | None]:
        """A row, and what is wrong with it."""
        try:
            row = _decode(text)
        except _NOT_JSON as error:
            return raw_text(text, self._kind), reason_of(text, error)
        try:
            self._kind.check(row, "the row")
            _refuse_number_as_id(row, self._kind)
        except InvalidInput as error:
            return row, str(error)
        if isinstance(row, dict) and (name := repeated_name(text, USER_ID)) is not None:
            return raw_text(text, self._kind), f"the row has {name} twice; leave one out"
        return row, None


def _struct_of(names: set[str], value: Any, fields: list[Any], renamed: dict[str, str]) -> Any:
    """A struct that takes these names and no others, some of them in fields of their own.

    Raises:
        ValueError: It cannot be called by one of the names.
    """
    for index, name in enumerate(sorted(names)):
        fields.append((f"column{index}", value, None))
        renamed[f"column{index}"] = name
    return msgspec.defstruct(
        "Row", fields, rename=renamed, forbid_unknown_fields=True, gc=False, kw_only=True
    )


def _has_one_on_a_line(block: bytes, rows: int) -> bool:
    """Whether no line holds two rows; the decoder takes them as well, and the API does not."""
    first = _FIRST_NAME.match(block)
    # Where each line begins as the first row does, none is blank.
    if first is not None and block.count(b"\n" + first[0]) + 1 == rows:
        return True
    return count_lines(block) == rows


def _refuse_number_as_id(row: Any, kind: Kind) -> None:
    """Refuses an id that is a number: the line is sent as it is."""
    ids = [row] if kind.is_list else [row[name] for name in USER_ID if name in row]
    if not all(isinstance(one, str) for one in ids):
        raise InvalidInput(
            f"the row has the id {ids[0]}, and the first rows have text for theirs; write it in double "
            "quotes"
        )
