"""Rows of NDJSON: proved good by one typed decode of a block, or looked at one by one."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.column_checks import are_event_names, are_times
from appcues_async.rows.csv_text import count_breaks, count_lines
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.ndjson_proof import NOT_JSON, ProvingDecoder
from appcues_async.rows.ndjson_reasons import reason_of, repeated_name
from appcues_async.rows.records import raw_text
from appcues_async.rows.verdict import BadRow, Check, Verdict, merge_spans

__all__ = ["NdjsonJudge"]

_decode: Final = msgspec.json.Decoder().decode
_decode_ids: Final = msgspec.json.Decoder(str).decode_lines


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
        self._decoder = ProvingDecoder(self._kind)

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
        breaks = count_breaks(block)
        if self._check == "none":
            return Verdict(size, count_lines(block), breaks)
        rows = self._proved_ids(block) if self._kind.is_list else self._proved_rows(block, breaks)
        if rows is None:
            return self.one_by_one(block)
        return Verdict(size, rows, breaks)

    def _proved_rows(self, block: bytes, breaks: int) -> int | None:
        """How many rows there are, if all of them are good; None if some may not be."""
        rows = self._decoder.rows(block, breaks)
        if rows is None:
            return None
        ids = [row.id for row in rows]
        good = self._kind.ids.prove(ids) is ids
        if self._kind.is_events and good:
            good = are_event_names({row.name for row in rows})
            good = good and are_times([row.timestamp for row in rows])
        return len(rows) if good else None

    def _proved_ids(self, block: bytes) -> int | None:
        try:
            ids = _decode_ids(block)
        except NOT_JSON:
            return None
        # No text in JSON holds a line feed, so as many lines hold one each.
        good = len(ids) == count_lines(block) and self._kind.ids.prove(ids) is ids
        return len(ids) if good else None

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
        except NOT_JSON as error:
            return raw_text(text, self._kind), reason_of(text, error)
        try:
            self._kind.check(row, "the row")
            _refuse_number_as_id(row, self._kind)
        except InvalidInput as error:
            return row, str(error)
        if isinstance(row, dict) and (name := repeated_name(text, USER_ID)) is not None:
            return raw_text(text, self._kind), f"the row has {name} twice; leave one out"
        return row, None


def _refuse_number_as_id(row: Any, kind: Kind) -> None:
    """Refuses an id that is a number: the line is sent as it is."""
    ids = [row] if kind.is_list else [row[name] for name in USER_ID if name in row]
    if not all(isinstance(one, str) for one in ids):
        raise InvalidInput(
            f"the row has the id {ids[0]}, and the first rows have text for theirs; write it in double "
            "quotes"
        )
