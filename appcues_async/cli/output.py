"""What a command has found, on stdout, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Form", "Row", "as_row", "show", "show_one"]

Form = Literal["table", "json", "csv"]
"""How results are written."""

Row: TypeAlias = Mapping[str, Any]


def as_row(model: attrs.AttrsInstance) -> dict[str, Any]:
    """Makes a row of a model; fields that the documents do not name follow those that they do."""
    row = {
        field.name: getattr(model, field.name)
        for field in attrs.fields(type(model))
        if field.name != "extra"
    }
    return {**row, **getattr(model, "extra", {})}


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
        return
    names = list(columns or ())
    if form == "csv" or not names:
        names = list(dict.fromkeys(name for row in some for name in row)) or names
    if form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows([_text(row.get(name)) for name in names] for row in some)
        sys.stdout.flush()
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        numbers = all(isinstance(row.get(name), int | float | None) for row in some)
        table.add_column(name, justify="right" if some and numbers else "left", overflow="fold")
    for row in some:
        table.add_row(*(_cell(name, row.get(name)) for name in names))
    _console().print(table)


def show_one(row: Row, form: Form) -> None:
    """Writes one thing: in a table, a line for each of its values."""
    if form == "json":
        _write_json(row)
    elif form == "csv":
        show([row], "csv")
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in row.items():
            table.add_row(name, _cell(name, value))
        _console().print(table)


def _console() -> Console:
    # Into a pipe or a file nothing is cut or wrapped: an id must stay whole.
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 10_000, soft_wrap=False)


def _write_json(value: Any) -> None:
    json.dump(value, sys.stdout, default=_plain, ensure_ascii=False, indent=2)
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
        return Text(f"{value:%Y-%m-%d %H:%M:%S}")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    text = _text(value)
    if name == "status":
        colour = {"COMPLETED": "green", "FAILED": "red"}.get(text, "yellow")
        return Text(text, style=colour)
    return Text(text)
