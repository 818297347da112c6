"""What a command has found, on stdout, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Form", "Row", "as_row", "print_lines", "printable", "show", "show_each", "show_one"]

Form = Literal["table", "json", "csv"]
"""How results are written."""

Row: TypeAlias = Mapping[str, Any]

_COUNTS: Final = frozenset(
    {
        "bytes", "count", "failed", "ids", "ingested", "ingestions_completed", "ingestions_failed",
        "requests", "requests_failed", "rows",
    }
)  # fmt: skip
"""Numbers that count something, and so are grouped by thousands; the others may be anybody's data."""
_WHOLE: Final = frozenset({"file", "id", "job", "token", "url", "user_id"})
"""What is copied from tables, and so is never broken over lines."""
_NARROWEST: Final = 20
"""Columns that others are squeezed to, at the least."""


def as_row(model: attrs.AttrsInstance) -> dict[str, Any]:
    """Makes a row of a model; fields that the documents do not name follow those that they do."""
    row = {
        field.name: getattr(model, field.name)
        for field in attrs.fields(type(model))
        if field.name != "extra"
    }
    # What names it comes first, wherever the model has it.
    named = {name: row[name] for name in ("id", "name") if name in row}
    return {**named, **row, **getattr(model, "extra", {})}


def show(rows: Iterable[Row], form: Form, columns: Sequence[str] | None = None) -> None:
    """Writes rows.

    Args:
        rows: What was found.
        form: How.
        columns: Which values a table shows, in order; JSON and CSV have them all.
    """
    some = list(rows)
    if form == "json":
        _write_json(some)
    elif form == "csv":
        _write_csv([_flat(row) for row in some], columns or ())
    else:
        _write_table(some, list(columns or _names(some)))


def show_one(row: Row, form: Form) -> None:
    """Writes one thing: in a table, a line for each of its values."""
    if form == "json":
        _write_json(row)
    elif form == "csv":
        show([row], "csv")
    else:
        console = _console()
        width = max((len(printable(name)) for name in row), default=0)
        for name, value in row.items():
            label = (printable(name).ljust(width), "bold")
            # Wrapped by the terminal alone, so that what is copied from it is as it was.
            console.print(Text.assemble(label, "  ", _cell(name, value)), soft_wrap=True)


def show_each(rows: Iterable[Row], form: Form) -> None:
    """Writes things whose values are too long for the columns of a table."""
    some = list(rows)
    if form != "table":
        show(some, form)
        return
    for number, row in enumerate(some):
        if number:
            print()
        show_one(row, "table")


def print_lines(lines: Iterable[str]) -> None:
    """Writes lines of text below a table."""
    for line in lines:
        print(printable(line), flush=True)


def printable(text: str) -> str:
    """Text without what would steer a terminal: names and attributes are anybody's to choose."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _console(least: int = 0) -> Console:
    # Into a pipe or a file nothing is cut or wrapped: an id must stay whole.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 10_000)
    console.width = max(console.width, least)
    return console


def _write_table(rows: Sequence[Row], names: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    least = 2 * len(names)
    for name in names:
        longest = max([len(_cell(name, row.get(name))) for row in rows] + [len(name)])
        narrowest = longest if name in _WHOLE else min(longest, _NARROWEST)
        least += narrowest
        numbers = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(
            printable(name),
            justify="right" if rows and numbers else "left",
            overflow="fold",
            no_wrap=name in _WHOLE,
        )
    for row in rows:
        table.add_row(*(_cell(name, row.get(name)) for name in names))
    _console(least).print(table, soft_wrap=False)


def _write_csv(rows: Sequence[Row], columns: Sequence[str]) -> None:
    names = _names(rows) or list(columns)
    # Lines end as they do everywhere else in a pipe.
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_text(row.get(name)) for name in names] for row in rows)
    sys.stdout.flush()


def _flat(row: Row) -> dict[str, Any]:
    """A row whose nested values have columns of their own, as in the API's own CSV."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": one for inner, one in _flat(value).items()})
        else:
            flat[name] = value
    return flat


def _write_json(value: Any) -> None:
    plain = (sys.stdout.encoding or "").lower() not in {"utf-8", "utf8"}
    json.dump(value, sys.stdout, default=_plain, ensure_ascii=plain, indent=2)
    print(flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if attrs.has(type(value)):
        return as_row(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case datetime():
            return value.isoformat()
        case _:
            return json.dumps(value, default=_plain, ensure_ascii=False)


def _cell(name: str, value: Any) -> Text:
    if isinstance(value, datetime):
        return Text(value.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00"))
    if isinstance(value, int) and not isinstance(value, bool) and name in _COUNTS:
        return Text(f"{value:,}")
    text = printable(_text(value))
    if name == "status":
        colour = {"COMPLETED": "green", "FAILED": "red"}.get(text, "yellow")
        return Text(text, style=colour)
    return Text(text)
