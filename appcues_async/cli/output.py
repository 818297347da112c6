"""Results on stdout, as a table, JSON or CSV; words for people on stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final, Literal, TextIO, TypeAlias

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from appcues_async.cli.failures import UNEXPECTED, CommandFailed
from appcues_async.models import as_row
from appcues_async.text import printable

__all__ = [
    "Form",
    "Row",
    "json_text",
    "print_lines",
    "say",
    "show",
    "show_each",
    "show_one",
    "status_style",
    "writing",
]

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
"""Columns whose values are copied, and so are never broken over lines."""
_STEERING: Final = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b\u200e-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Characters that steer a terminal, and that JSON does not escape by itself."""


def show(
    rows: Iterable[Row],
    form: Form,
    columns: Sequence[str] | None = None,
    spare: Sequence[str] = (),
) -> None:
    """Writes rows.

    A table that is too wide for the terminal even without the spare columns becomes a block of lines for
    each row, so that no word is broken.

    Args:
        rows: The rows.
        form: How.
        columns: The values that a table shows, in order; JSON and CSV have them all.
        spare: Columns that a table does without where the terminal is too narrow; the first goes first.
    """
    some = list(rows)
    with writing():
        if form == "json":
            print(json_text(some, sys.stdout, indent=2), flush=True)
        elif form == "csv":
            _write_csv([_flat(row) for row in some], columns or ())
        else:
            _write_table(some, list(columns or _names(some)), spare)


def show_one(row: Row, form: Form) -> None:
    """Writes one thing: in a table, a line for each of its values."""
    with writing():
        if form == "json":
            print(json_text(row, sys.stdout, indent=2), flush=True)
        elif form == "csv":
            show([row], "csv")
        else:
            _write_block(row, _console())


def show_each(rows: Iterable[Row], form: Form) -> None:
    """Writes things whose values are too long for the columns of a table."""
    if form != "table":
        show(rows, form)
        return
    with writing():
        _write_blocks(rows, _console())


def print_lines(lines: Iterable[str]) -> None:
    """Writes lines of text below a table."""
    with writing():
        for line in lines:
            print(printable(line), flush=True)


def say(text: str) -> None:
    """Writes a line to stderr; where nobody can read it, the command goes on all the same."""
    with suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


@contextmanager
def writing() -> Iterator[None]:
    """Lets a reader that has had enough, such as `head`, change nothing but what it reads.

    Raises:
        CommandFailed: The output cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered goes there as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UnicodeEncodeError as error:
        bad = ascii(error.object[error.start : error.end])
        raise CommandFailed(
            f"{bad} in the result cannot be written as UTF-8; -o json can hold it",
            kind="UnicodeEncodeError",
            exit_code=UNEXPECTED,
        ) from None
    except OSError as error:
        raise CommandFailed(
            f"the result cannot be written: {error.strerror}", kind="OSError", exit_code=UNEXPECTED
        ) from None


def json_text(value: Any, stream: TextIO, *, indent: int | None = None) -> str:
    """Makes JSON that a stream can encode, and that does not steer a terminal."""
    plain = (stream.encoding or "").lower() not in {"utf-8", "utf8"}
    text = json.dumps(value, default=_plain, ensure_ascii=plain, indent=indent)
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


class _Console(Console):
    """A console that leaves it to `writing` that nobody reads any more; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console() -> Console:
    # Into a pipe or a file nothing is cut or wrapped: an id must stay whole.
    return _Console(file=sys.stdout, width=None if sys.stdout.isatty() else 10_000)


def _write_table(rows: Sequence[Row], names: Sequence[str], spare: Sequence[str]) -> None:
    console = _console()
    cells = {name: [_cell(name, row.get(name)) for row in rows] for name in names}
    least = {name: _narrowest(name, column) + 2 for name, column in cells.items()}
    for name in spare:
        if sum(least.values()) - 2 > console.width:
            least.pop(name, None)
    if rows and sum(least.values()) - 2 > console.width:
        some = [{name: row.get(name) for name in names} for row in rows]
        _write_blocks(some, console, by_words=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in least:
        numbers = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(
            Text(printable(name)),
            justify="right" if rows and numbers else "left",
            overflow="fold",
            no_wrap=name in _WHOLE,
        )
    for row in zip(*(cells[name] for name in least), strict=True):
        table.add_row(*row)
    console.print(table)


def _narrowest(name: str, column: Sequence[Text]) -> int:
    """Cells of the longest word, or of what is not to be broken at all."""
    texts = [printable(name), *(cell.plain for cell in column)]
    if name in _WHOLE:
        return max(map(cell_len, texts))
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _write_blocks(rows: Iterable[Row], console: Console, *, by_words: bool = False) -> None:
    for number, row in enumerate(rows):
        if number:
            print()
        _write_block(row, console, by_words=by_words)


def _write_block(row: Row, console: Console, *, by_words: bool = False) -> None:
    width = max((cell_len(printable(name)) for name in row), default=0)
    for name, value in row.items():
        label = printable(name)
        line = Text.assemble(
            (label + " " * (width - cell_len(label)), "bold"), "  ", _cell(name, value)
        )
        # Wrapped by the terminal alone, so that what is copied from it is as it was.
        console.print(line, soft_wrap=not by_words or name in _WHOLE)


def _write_csv(rows: Sequence[Row], columns: Sequence[str]) -> None:
    names = _names(rows) or list(columns)
    on_terminal = sys.stdout.isatty()
    if isinstance(sys.stdout, io.TextIOWrapper) and not on_terminal:
        # It is data: an escape would be taken for text.
        sys.stdout.reconfigure(encoding="utf-8", errors="strict")
    # Lines end as they do everywhere else in a pipe.
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        cells = [_text(row.get(name)) for name in names]
        writer.writerow(map(printable, cells) if on_terminal else cells)


def _flat(row: Row) -> dict[str, Any]:
    """A row whose nested values have columns of their own, as in the API's own CSV."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": one for inner, one in _flat(value).items()})
        else:
            flat[name] = value
    return flat


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
        return Text(text, style=status_style(text))
    return Text(text)


def status_style(status: str | None) -> str:
    """The colour that a job's status is shown in."""
    return {"COMPLETED": "green", "FAILED": "red"}.get(status or "", "yellow")
