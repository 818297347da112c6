"""What a run has read so far, and the rows that it has put aside."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from attrs import field, frozen

from appcues_async.errors import InvalidInput

__all__ = [
    "HEAD",
    "REJECT_FIELDS",
    "Reject",
    "RowCounter",
    "Stopped",
    "are_rejects",
    "check_rejects_file",
]


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run was cancelled while its source was being read."""


HEAD: Final = 1 << 20
"""Bytes at the beginning of a file that show how it is written."""
REJECTS_KEPT: Final = 1_000
"""Rejected rows that stay in memory; all of them are counted, and written to a file if one is named."""

REJECT_FIELDS: Final = ("source", "number", "line", "reason", "row")
"""What a line of a rejects file holds."""


@frozen(kw_only=True)
class Reject:
    """A row that was not sent.

    Attributes:
        source: Where it is from.
        number: Its number among the rows of its source, from 1.
        line: The line of the file that it begins on, from 1, if it is from a file.
        reason: What is wrong with it, and what to do.
        row: The row itself; text where it could not be read as one.
    """

    source: str
    number: int
    line: int | None
    reason: str
    row: Any = field(repr=False)

    @property
    def where(self) -> str:
        """Its place, for people."""
        line = "" if self.line is None else f" (line {self.line:,})"
        return f"{self.source}: row {self.number:,}{line}"


def check_rejects_file(path: Path, sources: Iterable[str | os.PathLike[str]]) -> None:
    """Makes sure that a file can take rejected rows, and that nothing else is lost by it.

    Raises:
        InvalidInput: It is in no folder, is one of the sources, or holds something else.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInput(f"rejects is {str(path)!r}; give a file in a folder that is there")
    if not path.is_file():
        return
    for source in sources:
        with suppress(OSError):
            if path.samefile(source):
                raise InvalidInput(
                    f"rejects is {str(path)!r}, which is one of the sources; name another file"
                )
    with path.open("rb") as file:
        head = file.readline(HEAD)
    if head and not are_rejects(head):
        raise InvalidInput(
            f"rejects is {str(path)!r}, which holds something else than rejected rows; name another file"
        )


def are_rejects(head: bytes) -> bool:
    """Whether a file that begins like this holds rejected rows."""
    try:
        row = msgspec.json.decode(head.lstrip().split(b"\n", 1)[0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(row, dict) and tuple(row) == REJECT_FIELDS


class RowCounter:
    """Counts what is read; of one run, written by the one thread that reads at a time."""

    def __init__(self, rejects: Path | None = None, *, raise_on_reject: bool = False) -> None:
        """Begins at nothing.

        Args:
            rejects: The file that every rejected row is written to; it is made when there is one.
            raise_on_reject: Whether the first rejected row ends the run.
        """
        self.stop: threading.Event = threading.Event()
        self.rows: int = 0
        self.bytes: int = 0
        self.rejected: int = 0
        self.rejects: list[Reject] = []
        self._path = rejects
        self._raise = raise_on_reject
        self._file: BinaryIO | None = None

    def go_on(self) -> None:
        """Is called now and then by whatever reads.

        Raises:
            Stopped: The run was cancelled.
        """
        if self.stop.is_set():
            raise Stopped

    def passed(self, rows: int, size: int) -> None:
        """Counts rows that have been read, the rejected ones among them, and their bytes."""
        self.rows += rows
        self.bytes += size

    def reject(self, reject: Reject) -> None:
        """Puts a row aside.

        Raises:
            InvalidInput: One is enough to end the run, or it cannot be written down.
        """
        self.rejected += 1
        if len(self.rejects) < REJECTS_KEPT:
            self.rejects.append(reject)
        if self._path is not None:
            self._write(reject)
        if self._raise:
            raise InvalidInput(f"{reject.where}: {reject.reason}")

    def close(self) -> None:
        """Closes the file of rejected rows."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, reject: Reject) -> None:
        fields: dict[str, Any] = {name: getattr(reject, name) for name in REJECT_FIELDS}
        try:
            text = msgspec.json.encode(fields, enc_hook=repr)
        except (TypeError, ValueError, RecursionError):
            # What makes a row a rejected one may be that JSON cannot hold it.
            fields["row"] = repr(reject.row)
            text = msgspec.json.encode(fields)
        try:
            if self._file is None and self._path is not None:
                self._file = self._path.open("wb")
            if self._file is not None:
                self._file.write(text + b"\n")
        except OSError as error:
            raise InvalidInput(
                f"rejects= is {str(self._path)!r}, which cannot be written: {error.strerror}"
            ) from None
