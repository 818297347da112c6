"""Files read and checked in a process of their own.

Checking a gigabyte of rows takes a core for seconds. Only one thread of a process runs Python at a time,
so in a thread that would hold up the loop that sends; in another process it takes another core. What
passes between the two is small: where each block of good rows begins and ends, and the rejected rows.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from attrs import frozen

from appcues_async.bulk.reading.blocks import ByteLayout, GoodRows
from appcues_async.bulk.rejects import Reject
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import Kind

__all__ = ["Passed", "ReaderProcess", "Task", "serve"]

PAYS: Final = 64_000_000
"""Bytes of a file from which a process pays: to begin takes it a fifth of a second."""
_OFTEN: Final = 4_000_000
"""Bytes after which it tells how far it is."""

_READY: Final = b"appcues"
"""The first that it says, so that nothing else is taken for it."""
_PASSED_ON: Final = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|TEMP|TMP|TMPDIR|SYSTEMROOT|(DY)?LD_LIBRARY_PATH|MALLOC_\w+|OMP_\w+",
    re.IGNORECASE,
)
"""The variables of the environment that reading a file may depend on."""

# The package itself is left out: what it imports, aiohttp above all, would take three times as long.
_BEGIN: Final = """
import sys, types
sys.path[:] = {path!r}
package = sys.modules["appcues_async"] = types.ModuleType("appcues_async")
package.__path__ = {package!r}
from appcues_async.bulk.reading.reader import read_file
from appcues_async.bulk.reading.worker import serve
serve(read_file)
"""


@frozen
class Task:
    """A file to read.

    Attributes:
        path: Where it is.
        kind: What its rows are.
        check: How much of them is checked.
        layout: How it is laid out.
        limit: The most bytes of a row.
    """

    path: str
    kind: Kind
    check: Any
    layout: ByteLayout
    limit: int


@frozen
class Passed:
    """Rows that have been read, and their bytes."""

    rows: int
    size: int


class ReaderProcess:
    """A process that reads files, one after the other; it begins with the first that is worth it."""

    def __init__(self) -> None:
        """Begins nothing yet."""
        self._process: subprocess.Popen[bytes] | None = None

    def is_worth(self, size: int, check: str) -> bool:
        """Whether a file of so many bytes is better read there than here."""
        if check == "none":
            # To find where rows end takes little time.
            return False
        several = len(os.sched_getaffinity(0)) > 1 if hasattr(os, "sched_getaffinity") else True
        return size >= PAYS and several and bool(sys.executable) and not hasattr(sys, "frozen")

    def begin(self) -> bool:
        """Begins the process, if it has not begun; says whether there is one.

        Where Python is embedded, as under uWSGI, `sys.executable` is another program.
        """
        if self._process is not None:
            return True
        if not Path(sys.executable).name.lower().startswith(("python", "pypy")):
            return False
        try:
            self._process = _begin()
        except OSError:
            return False
        told = self._process.stdout
        assert told is not None  # noqa: S101 - it was asked for
        if told.read(len(_READY)) == _READY:
            return True
        self.close()
        return False

    def read(self, task: Task, counter: RowCounter) -> Iterator[GoodRows]:
        """Reads a file there; it has begun.

        Args:
            task: Which, and how.
            counter: Counts the rows, and takes those that are rejected.

        Raises:
            InvalidInput: It cannot be read, or a rejected row ends the run.
        """
        process = self._process
        if process is None:
            raise _gone()
        try:
            _put(process.stdin, task)
            while (told := _next_from(process)) is not None:
                counter.go_on()
                match told:
                    case GoodRows():
                        yield told
                    case Passed():
                        counter.passed(told.rows, told.size)
                    case Reject():
                        counter.reject(told)
                    case _:
                        raise told  # noqa: TRY301 - it was caught over there
        except BrokenPipeError:
            self.close()
            raise _gone() from None
        except BaseException:
            # What it would still tell belongs to a file that nobody reads any more.
            self.close()
            raise

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    # What was not written yet is for nobody.
                    with suppress(BrokenPipeError):
                        pipe.close()


def _begin() -> subprocess.Popen[bytes]:
    here = Path(__file__).parents[2]
    code = _BEGIN.format(path=sys.path, package=[str(here)])
    # It gets no secret, whatever that is called, and is not to be interrupted by the keyboard before us.
    environment = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    return subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-I", "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def _next_from(process: subprocess.Popen[bytes]) -> Any:
    try:
        return pickle.load(process.stdout)  # type: ignore[arg-type] # noqa: S301 - our own process
    except (EOFError, OSError, pickle.UnpicklingError):
        raise _gone() from None


def _gone() -> InvalidInput:
    return InvalidInput(
        "the process that reads the file has ended before the file did; "
        "there may be too little memory, or something has killed it"
    )


def _put(pipe: IO[bytes] | None, value: object) -> None:
    assert pipe is not None  # noqa: S101 - both ends were asked for
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


class _Telling(RowCounter):
    """Tells the other process what there is to count."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__()
        self._pipe = pipe
        self._told = (0, 0)

    def passed(self, rows: int, size: int) -> None:
        super().passed(rows, size)
        if self.bytes - self._told[1] > _OFTEN:
            self.tell()

    def reject(self, reject: Reject) -> None:
        self.tell()
        _put(self._pipe, reject)

    def tell(self) -> None:
        rows, size = self._told
        if self.rows > rows or self.bytes > size:
            _put(self._pipe, Passed(self.rows - rows, self.bytes - size))
            self._told = (self.rows, self.bytes)


def serve(read_file: Callable[[Task, RowCounter], Iterator[GoodRows]]) -> None:
    """Reads what is asked for, until nobody asks any more: the other process's part.

    Args:
        read_file: Reads one file.
    """
    tasks, told = sys.stdin.buffer, sys.stdout.buffer
    # Whatever else might print must not get between.
    sys.stdout = sys.stderr
    told.write(_READY)
    told.flush()
    while True:
        try:
            task = pickle.load(tasks)  # noqa: S301 - our own process
        except EOFError:
            return
        counter = _Telling(told)
        try:
            for rows in read_file(task, counter):
                counter.tell()
                _put(told, rows)
            counter.tell()
            _put(told, None)
        except BrokenPipeError:
            # Nobody listens any more, and there is nothing to be said about that.
            os._exit(1)
        except Exception as error:  # noqa: BLE001 - it is told over there
            _put(told, error)
