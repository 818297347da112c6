"""A body that goes to a file as it comes in, and is there under its name only when it is whole."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import select
import stat
import tempfile
import threading
import time
import zlib
from collections.abc import AsyncIterable, Callable
from gzip import GzipFile
from io import FileIO
from pathlib import Path
from typing import Any, Final, TypeVar
from zipfile import is_zipfile

import msgspec
from attrs import define

from appcues_async.errors import InvalidInput
from appcues_async.wire.decompress import BadBody
from appcues_async.wire.request import BLOCK

__all__ = ["FileNotWritten", "check_target", "save"]

T = TypeVar("T")

READER: Final = 3600.0
"""Seconds that whoever reads a pipe may take nothing of it; it may be a person."""
_ATOMIC: Final = 4096
"""Bytes that a pipe which is ready takes at once, as POSIX has it."""
_LARGEST_JSON: Final = 1 << 28
_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/(self|\d+))/fd/(\d+)")


class FileNotWritten(Exception):  # noqa: N818 - for transport.py alone
    """The file cannot be made or written."""


def check_target(path: Path) -> None:
    """Makes sure that a file can be written there, before anything is asked for.

    Raises:
        InvalidInput: It cannot.
    """
    try:
        _is_special(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(_refusal(path, error)) from None


async def save(blocks: AsyncIterable[bytes], path: Path, *, idle: float, ends: bool) -> None:
    """Writes a body to a new file beside `path`, and renames that to it when all of it is there.

    The file is the owner's alone to read. Where `path` is a device, a pipe or a descriptor of this
    process, the body is copied to that when all of it is there, and nothing is renamed.

    Args:
        blocks: The body as it comes in.
        path: Where it goes.
        idle: Seconds to wait for somebody to open the other end of a pipe.
        ends: Whether the body's own end is known; if not, its format must show that it is whole.

    Raises:
        FileNotWritten: The disk refused it.
        BadBody: It is damaged or not whole.
    """
    opening = asyncio.ensure_future(_on_disk(path, _Part.open, path))
    try:
        part = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_discard_late)
        raise
    try:
        async for block in blocks:
            await _on_disk(path, part.write, block)
        if not ends:
            await _on_disk(path, _check_end, part.file)
    except BaseException:
        part.discard()
        raise
    left = threading.Event()
    try:
        await _on_disk(path, part.finish, idle, left)
    except asyncio.CancelledError:
        left.set()
        raise


@define(eq=False)
class _Part:
    """A file that is not whole yet.

    Attributes:
        file: What is written to.
        name: Its name; None for one without, whose bytes are copied when they are whole.
        path: Where it goes.
    """

    file: FileIO
    name: Path | None
    path: Path

    @classmethod
    def open(cls, path: Path) -> _Part:
        # Unbuffered, so that what a full disk refuses is known when it is written, not when closed.
        if _is_special(path):
            return cls(tempfile.TemporaryFile(buffering=0), None, path)
        descriptor, name = tempfile.mkstemp(".part", f".{path.name[:40]}.", path.parent)
        return cls(FileIO(descriptor, "r+"), Path(name), path)

    def write(self, block: bytes) -> None:
        left = memoryview(block)
        while left:
            left = left[self.file.write(left) or 0 :]

    def finish(self, idle: float, left: threading.Event) -> None:
        """Puts it where it goes, or takes it away.

        Args:
            idle: Seconds to wait for a pipe to be opened for reading.
            left: Set when nobody waits for that any more.
        """
        try:
            if self.name is None:
                _copy(self.file, self.path, idle, left)
                return
            os.fsync(self.file.fileno())
            if not left.is_set():
                self.name.replace(self.path)
                _sync_folder(self.path.parent)
        finally:
            self.discard()

    def discard(self) -> None:
        self.file.close()
        if self.name is not None:
            self.name.unlink(missing_ok=True)


def _discard_late(opening: asyncio.Future[_Part]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().discard()


def _is_special(path: Path) -> bool:
    """Whether it is written to as it is, being no file that could be replaced.

    Raises:
        OSError: Nothing can be written there.
        ValueError: It is no path.
    """
    descriptor = _own_descriptor(path)
    if descriptor is not None:
        os.fstat(descriptor)
        return True
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        path.parent.stat()
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(mode)


def _own_descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path such as /dev/stdout stands for."""
    here = path.absolute()
    for _ in range(40):
        # By its text: the last part is a link of the system's to what it stands for.
        here = Path(os.path.normpath(here))
        if match := _DESCRIPTOR.fullmatch(str(here)):
            return int(match[2]) if match[1] in {None, "self", str(os.getpid())} else None
        if not here.is_symlink():
            break
        here = here.parent / here.readlink()
    return None


def _copy(file: FileIO, path: Path, idle: float, left: threading.Event) -> None:
    """Copies a whole file to what cannot be replaced.

    Raises:
        OSError: It cannot be opened or written, or nobody reads it.
    """
    file.seek(0)
    with _open_special(path, idle, left) as target:
        regular = stat.S_ISREG(os.fstat(target.fileno()).st_mode)
        while block := file.read(BLOCK):
            for start in range(0, len(block), BLOCK if regular else _ATOMIC):
                _wait_for_room(target, left)
                rest = memoryview(block)[start : start + (BLOCK if regular else _ATOMIC)]
                while rest:
                    rest = rest[target.write(rest) or 0 :]


def _open_special(path: Path, idle: float, left: threading.Event) -> FileIO:
    descriptor = _own_descriptor(path)
    if descriptor is not None:
        # Opened by its name, a file would be written from its start.
        return FileIO(os.dup(descriptor), "w")
    flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    until = time.monotonic() + idle
    while True:
        try:
            opened = os.open(path, flags)
        except OSError as error:
            # So it is said that nobody has opened a pipe to read from it.
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(path.stat().st_mode):
                raise
            if time.monotonic() > until:
                raise OSError(errno.ENXIO, f"nobody reads it within {idle:g} s") from None
        else:
            if hasattr(os, "set_blocking"):
                os.set_blocking(opened, True)
            return FileIO(opened, "w")
        if left.wait(0.05):
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))


def _wait_for_room(target: FileIO, left: threading.Event) -> None:
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(target, select.POLLOUT)
    until = time.monotonic() + READER
    while not poll.poll(200):
        if left.is_set():
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        if time.monotonic() > until:
            raise OSError(errno.ETIMEDOUT, f"whoever reads it took nothing for {READER:g} s")


def _check_end(file: FileIO) -> None:
    """Makes sure that the bytes themselves show that none is missing.

    Raises:
        BadBody: They do not.
    """
    if not _shows_its_end(file):
        raise BadBody(
            "the answer says neither how long it is nor where it ends, so that nothing shows whether "
            "the file is whole",
            final=True,
        )


def _shows_its_end(file: FileIO) -> bool:
    """Whether it is a whole ZIP, gzip or list of JSON."""
    file.seek(0)
    head = file.read(2)
    file.seek(0)
    try:
        if head == b"PK":
            return is_zipfile(file)
        if head == b"\x1f\x8b":
            with GzipFile(fileobj=file) as unpacked:
                while unpacked.read(BLOCK):
                    pass
            return True
        if head[:1] == b"[" and os.fstat(file.fileno()).st_size <= _LARGEST_JSON:
            msgspec.json.decode(file.read(), type=msgspec.Raw)
            return True
    except (EOFError, OSError, RecursionError, zlib.error, msgspec.DecodeError):
        pass
    return False


def _sync_folder(folder: Path) -> None:
    """Has the disk keep a name as well; where a system cannot, the file is there all the same."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(opened)
    except OSError:
        pass
    finally:
        os.close(opened)


async def _on_disk(path: Path, action: Callable[..., T], *arguments: Any) -> T:
    # The loop never waits for the disk; an OSError of the disk is not one of the network.
    try:
        return await asyncio.to_thread(action, *arguments)
    except (OSError, ValueError) as error:
        raise FileNotWritten(_refusal(path, error)) from None


def _refusal(path: Path, error: OSError | ValueError) -> str:
    why = error.strerror if isinstance(error, OSError) else error
    return f"{str(path)!r} cannot be written: {why}"
