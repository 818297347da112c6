"""Rows that were rejected, and the file that they are written to."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.file_head import HEAD
from appcues_async.rows.lines import encode_lines, json_form
from appcues_async.rows.verdict import without_subject

try:
    import fcntl
except (
    ImportError
):  # pragma: no cover - Windows, where an open file is not opened for writing again

    def _lock(file: int) -> bool:
        return file >= 0

else:

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # Not every file system has locks.
            return True
        return True


__all__ = [
    "REJECT_FIELDS",
    "Reject",
    "RejectsFile",
    "are_rejects",
    "check_rejects_file",
]


_BUFFER: Final = 1 << 16
"""Bytes that are written to the file at a time."""

REJECT_FIELDS: Final = ("source", "number", "line", "reason", "row")
"""The fields of a line of a rejects file."""


@frozen(kw_only=True)
class Reject:
    """A row that was not sent, or that the server did not take.

    Attributes:
        source: Where it is from.
        number: Its number among the rows of its source, from 1.
        line: The line of the file that it begins on, from 1, if it is from a file and was not sent.
        reason: What is wrong with it, and what to do.
        row: The row itself; text where it could not be read as one.
    """

    source: str
    number: int
    line: int | None
    reason: str = field(converter=without_subject)
    row: Any = field(repr=False)

    @property
    def where(self) -> str:
        """Its place, for people."""
        line = "" if self.line is None else f" (line {self.line:,})"
        return f"{self.source}: row {self.number:,}{line}"


def check_rejects_file(
    path: Path, sources: Iterable[str | os.PathLike[str]], journal: Path | None = None
) -> None:
    """Makes sure that a file can take rejected rows, and that nothing else is lost by it.

    Args:
        path: The file.
        sources: The files that are read.
        journal: The journal, if there is one.

    Raises:
        InvalidInput: It is in no folder, is one of the sources or the journal, or holds something else.
    """
    try:
        if path.is_dir() or not path.parent.is_dir():
            raise _refused(path, "is not in a folder that is there", "give a file in one")
        if path.is_symlink() and not path.exists():
            raise _refused(path, "is a link to a file that is not there", "name the file itself")
        for source in sources:
            if _is_same(path, Path(source)):
                raise _refused(path, "is one of the sources")
        if journal is not None and any(_is_same(path, one) for one in _files_of(journal)):
            raise _refused(path, "belongs to the journal")
        if not path.is_file():
            return
        with path.open("rb") as file:
            head = file.readline(HEAD)
    except OSError as error:
        raise _refused(path, f"cannot be opened: {error.strerror}") from None
    if head and not are_rejects(head):
        raise _refused(path, "holds something else than rejected rows")


def _refused(path: Path, why: str, fix: str = "name another file") -> InvalidInput:
    return InvalidInput(f"rejects is {str(path)!r}, which {why}; {fix}")


def _files_of(journal: Path) -> list[Path]:
    return [journal.with_name(f"{journal.name}{end}") for end in ("", "-locks", "-wal", "-shm")]


def _is_same(path: Path, other: Path) -> bool:
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    with suppress(OSError):
        return path.samefile(other)
    return False


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def are_rejects(head: bytes) -> bool:
    """Whether a file that begins like this holds rejected rows."""
    try:
        row = msgspec.json.decode(head.lstrip().split(b"\n", 1)[0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(row, dict) and tuple(row) == REJECT_FIELDS


class RejectsFile:
    """A file of rejected rows, NDJSON that can be uploaded itself; of one run at a time."""

    def __init__(self, path: Path) -> None:
        """Opens the file for this run alone; what an earlier run has left would pass for its own.

        Args:
            path: The file, as `check_rejects_file` has passed it.

        Raises:
            InvalidInput: It cannot be opened, or another run writes to it.
        """
        self._path = path
        self._buffer = bytearray()
        self._is_empty = True
        self._is_open = True
        # Whoever reads may not have heard yet that the run is over.
        self._mutex = threading.Lock()
        try:
            self._file = os.open(
                path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600
            )
        except ValueError:
            raise _refused(path, "is no name of a file") from None
        except OSError as error:
            raise self._cannot_be_written(error) from None
        self._is_plain = stat.S_ISREG(os.fstat(self._file).st_mode)
        try:
            if self._is_plain:
                self._take_over()
        except BaseException:
            os.close(self._file)
            raise

    def _take_over(self) -> None:
        # One that was given up in this very moment may be gone by now.
        if not _lock(self._file) or not _is_at(self._path, self._file):
            raise _refused(self._path, "another run is writing to")
        # Who may read the file of an earlier run need not be who may read these rows.
        with suppress(OSError, AttributeError):
            os.fchmod(self._file, 0o600)
        try:
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def write(self, reject: Reject) -> None:
        """Writes a row down.

        Raises:
            InvalidInput: It cannot be written.
        """
        fields: dict[str, Any] = {name: getattr(reject, name) for name in REJECT_FIELDS}
        # What makes a row a rejected one may be that JSON cannot hold it.
        text = encode_lines([{**fields, "row": json_form(reject.row)}])
        with self._mutex:
            self._is_empty = False
            self._buffer += text
            if self._is_open and len(self._buffer) > _BUFFER:
                self._flush()

    def close(self) -> None:
        """Closes the file; where no row was rejected, there is none.

        Raises:
            InvalidInput: It cannot be written.
        """
        with self._mutex:
            self._is_open = False
            try:
                self._flush()
                if self._is_empty and self._is_plain:
                    with suppress(OSError):
                        self._path.unlink()
            finally:
                os.close(self._file)

    def _flush(self) -> None:
        try:
            while self._buffer:
                del self._buffer[: os.write(self._file, self._buffer)]
        except OSError as error:
            self._buffer.clear()
            raise self._cannot_be_written(error) from None

    def _cannot_be_written(self, error: OSError) -> InvalidInput:
        return InvalidInput(
            f"rejects is {str(self._path)!r}, which cannot be written: {error.strerror}; "
            "name a file with room for it"
        )
