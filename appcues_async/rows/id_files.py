"""Files of ids, and what passes for one and is none."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TextIO

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.dialect import likely_id, with_options
from appcues_async.rows.ids import IdRule
from appcues_async.rows.values import shown

__all__ = ["ids_of_text", "reads_as_header", "refuse_look_alikes"]

_LINE: Final = 60

_decode: Final = msgspec.json.Decoder().decode
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_HEADERS: Final = frozenset(
    {
        "accountid", "cioid", "contactid", "customerid", "distinctid", "email", "emailaddress",
        "emails", "externalid", "guid", "id", "ids", "memberid", "profileid", "uid", "user", "userid",
        "userids", "users", "uuid",
    }
)  # fmt: skip
"""Names of columns of ids, in small letters alone."""
_RULER: Final = re.compile(r"[\s|+-]*--[\s|+-]*")
"""The line that a terminal shows below a header."""
_MARKS: Final[Mapping[str, str]] = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""Marks that programs write between cells, beside commas."""
_PAGE: Final = re.compile(r"\s*<(!|\?xml|html|head|body)", re.IGNORECASE)


def refuse_look_alikes(
    lines: Sequence[str],
    name: str,
    headers: Collection[str],
    rule: IdRule,
    *,
    delimiter: str = ",",
    in_bulk: bool = False,
) -> None:
    """Refuses what reads as something else than one id a line: nothing but ids may become a member.

    Args:
        lines: The first lines that are not blank.
        name: What the file is called.
        headers: What the header may be.
        rule: Which ids are taken.
        delimiter: What stands between its cells.
        in_bulk: Whether options of `client.bulk` may be the way to take it.

    Raises:
        InvalidInput: It is refused.
    """
    first = lines[0].strip() if lines else ""
    if _PAGE.match(first):
        raise InvalidInput(f"{name} is a web page; get the file itself")
    if any(map(_RULER.fullmatch, lines[:2])):
        raise InvalidInput(f"{name} is a table as a terminal shows it; export it as CSV")
    cell = first.strip('"')
    if cell in rule.allowed or first in rule.allowed:
        return
    for mark, word in _MARKS.items():
        if mark in first and mark != delimiter:
            message = (
                f"{name}: its first line is {shown(first, _LINE)}, with {word}; save the column of ids "
                "alone"
            )
            cells = [cell.strip().strip('"') for cell in first.split(mark)]
            likely = likely_id(cells) or next((one for one in cells if one in headers), "…")
            options = (f"delimiter={mark!r}", f"id_column={likely!r}") if in_bulk else ()
            raise InvalidInput(with_options(message, *options))
    if first.lower().startswith("sep=") or (cell not in headers and reads_as_header(cell)):
        right = " or ".join(headers)
        message = (
            f"{name}: its first line is {shown(first, _LINE)}, which reads as a header; spell it "
            f"{right}, or leave it out"
        )
        raise InvalidInput(with_options(message, f"id_column={cell!r}" if in_bulk else ""))


def reads_as_header(cell: str) -> bool:
    """Whether a cell is what columns of ids are called, however it is spelt."""
    return re.sub("[^a-z0-9]", "", cell.lower()) in _HEADERS


def ids_of_text(
    file: TextIO,
    name: str,
    rule: IdRule,
    headers: Collection[str],
    *,
    ndjson: bool | None = None,
    on_header: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """Reads ids: a CSV of one column, with or without a header, or NDJSON.

    Args:
        file: The text, at its beginning.
        name: What it is called, for messages.
        rule: Which ids are taken.
        headers: What the header may be.
        ndjson: Whether it is NDJSON; without it, by the first line.
        on_header: Is given the header, if there is one.

    Raises:
        InvalidInput: Something in it is no id.
    """
    lines = list(islice((line for line in file if line.strip()), 2))
    file.seek(0)
    if ndjson or (ndjson is None and _is_json_id(lines, headers)):
        yield from _ids_of_json(file, name, rule)
        return
    refuse_look_alikes(lines, name, headers, rule)
    reader = csv.reader(file, strict=True)
    is_first = True
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{name}, line {reader.line_num:,},"
            if len(cells) > 1:
                raise InvalidInput(f"{where} has {len(cells)} columns; a CSV of ids has one")
            value = cells[0].strip()
            if is_first and value in headers:
                on_header(value)
            else:
                yield rule.check(value, where)
            is_first = False
    except csv.Error as error:
        raise InvalidInput(
            f"{name}, line {reader.line_num:,}, is not CSV ({error}); check its quotes"
        ) from None


def _is_json_id(lines: Sequence[str], headers: Collection[str]) -> bool:
    try:
        value = _decode(lines[0]) if lines else None
    except _NOT_JSON:
        return False
    # CSV may quote its cells as well, and its header is nobody's id.
    return isinstance(value, str) and value not in headers and not reads_as_header(value)


def _ids_of_json(file: TextIO, name: str, rule: IdRule) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            value = _decode(line)
        except _NOT_JSON:
            raise InvalidInput(
                f"{name}, line {number:,}, is not JSON; in NDJSON each id is in double quotes"
            ) from None
        yield rule.check(value, f"{name}, line {number:,},")
