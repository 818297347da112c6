"""The table, read: which cells an endpoint has under a fault, and all of them written out.

`python -m tests.conformance.table` writes `table.md` anew, where a cell can be read without working out
which groups and exceptions of `table.json` apply.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

__all__ = ["EXPANDED", "FAULTS", "TABLE", "UPLOADS", "cells_of", "expand"]

EXPANDED: Final = Path(__file__).with_name("table.md")
TABLE: Final[dict[str, Any]] = json.loads(
    Path(__file__).with_name("table.json").read_text(encoding="utf-8")
)
FAULTS: Final[dict[str, dict[str, Any]]] = {one["name"]: one for one in TABLE["faults"]}
UPLOADS: Final[dict[str, dict[str, Any]]] = {one["name"]: one for one in TABLE["uploads"]["faults"]}

_INTRODUCTION: Final = """\
# What becomes of each call under each fault

Written from `table.json` by `python -m tests.conformance.table`; a test keeps the two alike.

A cell says how a call with 3 attempts ends, then how many requests the server sees and how many of
them it applies: `success 2/1`. A dash stands for any number, an empty cell for what is not tried.
Under `once` the first request meets the fault, under `always` every request does. `raise`, `resend`
and `reconcile` are values of `on_unknown`; where none is named, the cell holds for all of them.
"""


def cells_of(row: dict[str, Any], fault: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the cells of an endpoint under a fault: by on_unknown, then by how often."""
    cells = TABLE["groups"][fault["group"]][row["repeat"]]
    for exception in TABLE["exceptions"]:
        # What is named narrows it down, and what is not named does not.
        if (
            row["python"] in exception.get("python", [row["python"]])
            and row["repeat"] == exception.get("repeat", row["repeat"])
            and row["answer"] in exception.get("answers", [row["answer"]])
            and fault["name"] in exception.get("faults", [fault["name"]])
            and fault["group"] in exception.get("groups", [fault["group"]])
        ):
            cells = exception["cells"]
    return {
        on_unknown: {
            often: [fault.get("error") if part == "ERROR" else part for part in cell]
            for often, cell in column.items()
        }
        for on_unknown, column in cells.items()
    }


def expand() -> str:
    """Writes all cells out; endpoints whose cells are alike share a section."""
    sections: dict[str, list[str]] = {}
    for row in TABLE["endpoints"]:
        cells = {name: cells_of(row, fault) for name, fault in FAULTS.items()}
        sections.setdefault("\n".join(_grid(cells)), []).append(_title(row))
    for row in TABLE["endpoints"]:
        if row["python"] in TABLE["uploads"]["python"]:
            cells = {name: fault[row["repeat"]] for name, fault in UPLOADS.items()}
            title = f"{_title(row)}, 3 MB that are still on their way"
            sections.setdefault("\n".join(_grid(cells)), []).append(title)
    parts = ["\n".join(f"## {one}" for one in titles) for titles in sections.values()]
    tables = zip(parts, sections, strict=True)
    return "\n".join([_INTRODUCTION, *(f"{titles}\n\n{grid}\n" for titles, grid in tables)])


def _title(row: dict[str, Any]) -> str:
    given = f" with {row['with']}" if row.get("with") else ""
    return f"{row['endpoint']} (`{row['python']}`{given}, {row['repeat']})"


def _grid(rows: dict[str, dict[str, dict[str, Any]]]) -> Iterator[str]:
    columns: dict[tuple[str, str], None] = {}
    for cells in rows.values():
        for on_unknown, column in cells.items():
            columns.update(dict.fromkeys((on_unknown, often) for often in column))
    heads = [often if name == "any" else f"{name}, {often}" for name, often in columns]
    lines = [
        [fault, *(_in_words(cells.get(name, {}).get(often)) for name, often in columns)]
        for fault, cells in rows.items()
    ]
    widths = [max(map(len, column)) for column in zip(["fault", *heads], *lines, strict=True)]
    rule = ["-" * width for width in widths]
    for line in (["fault", *heads], rule, *lines):
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        yield f"| {' | '.join(padded)} |"


def _in_words(cell: list[Any] | None) -> str:
    if cell is None:
        return ""
    choices = cell if isinstance(cell[0], list) else [cell]
    return " or ".join(_one(choice) for choice in choices)


def _one(cell: list[Any]) -> str:
    end, requests, applied = ("-" if part is None else part for part in cell)
    return f"{end} {requests}/{applied}"


if __name__ == "__main__":
    EXPANDED.write_text(expand(), encoding="utf-8")
