"""One run, one process: a lock of the operating system that ends with the process that holds it.

All locks of a journal are bytes of one file beside it, a byte for each run. These locks belong to a
process and know nothing of what happens inside of it, so what this process holds is written down here
as well; and since closing a file gives up all of a process's locks on it, each is opened once only.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    import msvcrt

    def _lock(file: int, offset: int) -> None:
        os.lseek(file, offset, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]

    def _unlock(file: int, offset: int) -> None:
        os.lseek(file, offset, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

    def _wait_for(file: int, offset: int) -> None:
        while True:
            try:
                _lock(file, offset)
            except OSError:
                time.sleep(0.001)
            else:
                return

else:

    def _lock(file: int, offset: int) -> None:
        # Not a lock of the open file: a child that was forked would keep that one alive.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)

    def _unlock(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)

    def _wait_for(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, offset)


__all__ = ["Locks"]


@define(eq=False)
class _Opened:
    """A file of locks, as long as somebody in this process needs it."""

    file: int
    users: int = 0
    held: set[int] = field(factory=set)
    turn: threading.Lock = field(factory=threading.Lock)


_TURN: Final = (1 << 30) + 1
"""The byte of the turn to write, beyond those of all runs."""
_opened: Final[dict[tuple[int, int], _Opened]] = {}
_mutex = threading.Lock()


def _forget() -> None:
    """A forked child holds none of its parent's locks, and must not take them for its own."""
    global _mutex  # noqa: PLW0603 - another thread of the parent may have had it
    _mutex = threading.Lock()
    _inherited.append(dict(_opened))
    _opened.clear()


_inherited: Final[list[object]] = []
"""Files that a forked child has of its parent, kept so that none is closed."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Locks:
    """The locks of one journal."""

    def __init__(self, path: Path) -> None:
        """Opens them.

        Args:
            path: The file whose bytes they are; made where there is none.

        Raises:
            OSError: It cannot be opened.
        """
        self._mine: set[int] = set()
        with _mutex:
            self._key, self._locks = _open(path)
            self._locks.users += 1

    def acquire(self, number: int) -> bool:
        """Takes a lock for this process; says whether it could."""
        with _mutex:
            if number in self._locks.held:
                return False
            try:
                _lock(self._locks.file, number)
            except OSError:
                return False
            self._locks.held.add(number)
            self._mine.add(number)
            return True

    def is_held(self, number: int) -> bool:
        """Whether anybody holds a lock; whoever tries to take it at this very moment may not get it."""
        with _mutex:
            if number in self._locks.held:
                return True
            try:
                _lock(self._locks.file, number)
            except OSError:
                return True
            _unlock(self._locks.file, number)
            return False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for the one turn to write that all processes and threads share, and holds it.

        SQLite itself looks for its lock again after ever longer pauses; here the kernel wakes up
        whoever is next.
        """
        with self._locks.turn:
            _wait_for(self._locks.file, _TURN)
            try:
                yield
            finally:
                _unlock(self._locks.file, _TURN)

    def close(self) -> None:
        """Releases every lock that was taken here."""
        with _mutex:
            for number in self._mine:
                _unlock(self._locks.file, number)
                self._locks.held.discard(number)
            self._mine.clear()
            self._locks.users -= 1
            if not self._locks.users:
                del _opened[self._key]
                os.close(self._locks.file)


def _open(path: Path) -> tuple[tuple[int, int], _Opened]:
    try:
        seen = path.lstat()
    except FileNotFoundError:
        pass
    else:
        key = (seen.st_dev, seen.st_ino)
        if key in _opened:
            return key, _opened[key]
    # What lies beside a journal is its own: a link there leads to somebody else's file.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    file = os.open(path, flags, 0o600)
    seen = os.fstat(file)
    key = (seen.st_dev, seen.st_ino)
    _opened[key] = _Opened(file)
    return key, _opened[key]
