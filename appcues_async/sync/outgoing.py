"""The rows that a run is to send, in files beside its state for as long as it lasts.

A source is read once, and whether its rows may be sent is known only at its end. So they wait on disk:
in files that their owner alone may read, and that the run removes, or the next one after a kill.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from attrs import define, field

from appcues_async.sync.state import as_input_errors

__all__ = ["Outgoing", "OutgoingFile", "remove_outgoing"]

_AT_ONCE: Final = 10_000
"""Ids that are written together."""
_encode: Final = msgspec.json.Encoder().encode


@define
class OutgoingFile:
    """Rows of one format.

    Attributes:
        path: Where they are.
        header: The names of their columns, where they are CSV; else None.
        before: How many lines of other files come before the first.
        rows: How many there are.
    """

    path: Path
    header: Sequence[str] | None
    before: int
    rows: int = 0


@define
class Outgoing:
    """The files of one run.

    Attributes:
        state: The state file that they are beside.
        name: What is sent, in a word.
        files: The files so far.
    """

    state: Path
    name: str
    files: list[OutgoingFile] = field(factory=list)
    _open: BinaryIO | None = None

    @property
    def lines(self) -> int:
        """Rows in all files."""
        return sum(one.rows for one in self.files)

    def add(self, rows: Iterable[bytes], count: int, header: Sequence[str] | None) -> None:
        """Adds rows.

        Args:
            rows: Lines of JSON, or of CSV where there is a header.
            count: How many.
            header: The columns of a CSV.
        """
        if not count:
            return
        with as_input_errors(self.state):
            if self._open is None or self.files[-1].header != header:
                self._begin(header)
            assert self._open is not None  # noqa: S101 - just begun
            self._open.writelines(rows)
        self.files[-1].rows += count

    def add_ids(self, ids: Iterator[str]) -> None:
        """Adds ids, any number of them."""
        while some := [_encode(one) + b"\n" for one in islice(ids, _AT_ONCE)]:
            self.add(some, len(some), None)

    def drop(self, dead: Iterable[int]) -> None:
        """Leaves out rows.

        Args:
            dead: Their lines, from 1, in ascending order.
        """
        self.close()
        lines = chain(dead, [0])
        line, skipped, before = 0, next(lines), 0
        for one in self.files:
            shorter = one.path.with_name(f"{one.path.name}-")
            kept = 0
            with as_input_errors(self.state), one.path.open("rb") as old, _made(shorter) as new:
                if one.header is not None:
                    new.write(_csv_of([one.header]))
                for row in _rows_of(old, one.header):
                    line += 1
                    if line == skipped:
                        skipped = next(lines)
                        continue
                    new.write(row)
                    kept += 1
                shorter.replace(one.path)
            one.before, one.rows = before, kept
            before += kept
        self.files = [one for one in self.files if one.rows]

    def close(self) -> None:
        """Ends the writing; the files are whole then."""
        if self._open is not None:
            with as_input_errors(self.state):
                self._open.close()
            self._open = None

    def _begin(self, header: Sequence[str] | None) -> None:
        self.close()
        suffix = "ndjson" if header is None else "csv"
        path = _folder_of(self.state) / f"{self.name}-{len(self.files)}.{suffix}"
        self.files.append(OutgoingFile(path, header, self.lines))
        self._open = _made(path)
        if header is not None:
            self._open.write(_csv_of([header]))


def remove_outgoing(state: Path) -> None:
    """Removes the rows of a run, or those that a run left when it was killed.

    Args:
        state: The state file that they are beside.
    """
    with as_input_errors(state), suppress(FileNotFoundError):
        shutil.rmtree(_folder_of(state))


def _folder_of(state: Path) -> Path:
    return state.with_name(f"{state.name}-outgoing")


def _made(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _csv_of(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _rows_of(file: BinaryIO, header: Sequence[str] | None) -> Iterator[bytes]:
    if header is None:
        yield from file
        return
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        for cells in islice(csv.reader(text), 1, None):
            yield _csv_of([cells])
