"""A body that goes to a file as it comes in, and is there under its name only when it is whole."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Callable
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["FileNotWritten", "save"]

T = TypeVar("T")


class FileNotWritten(Exception):  # noqa: N818 - for transport.py alone
    """The file cannot be made or written."""


async def save(blocks: AsyncIterable[bytes], path: Path) -> None:
    """Writes a body to `path.part` and renames that to `path` when all of it is there.

    Raises:
        FileNotWritten: The disk would not have it.
    """
    part = path.with_name(path.name + ".part")
    # Unbuffered, so that what a full disk refuses is known when it is written, not when it is closed.
    opening = asyncio.ensure_future(_on_disk(path, FileIO, part, "w"))
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(partial(_undo, part))
        raise
    try:
        async for block in blocks:
            await _on_disk(path, _write, file, block)
        await _on_disk(path, os.fsync, file.fileno())
        file.close()
        await _on_disk(path, part.replace, path)
    except BaseException:
        file.close()
        part.unlink(missing_ok=True)
        raise


def _write(file: FileIO, block: bytes) -> None:
    left = memoryview(block)
    while left:
        left = left[file.write(left) or 0 :]


def _undo(part: Path, opening: asyncio.Future[FileIO]) -> None:
    """Closes and takes away what was opened too late."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
        part.unlink(missing_ok=True)


async def _on_disk(path: Path, action: Callable[..., T], *arguments: Any) -> T:
    # The loop never waits for the disk; an OSError of the disk is not one of the network.
    try:
        return await asyncio.to_thread(action, *arguments)
    except OSError as error:
        raise FileNotWritten(f"{path} cannot be written: {error.strerror}") from None
