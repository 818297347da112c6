"""A user's input, opened and read: paths, iterables of rows, files of ids."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from appcues_async.errors import InvalidInput
from appcues_async.rows.frames import Frame, is_frame
from appcues_async.rows.records import own_copy
from appcues_async.rows.urls import UrlSource, is_url, public_name
from appcues_async.rows.values import shown
from appcues_async.text import type_in_words

__all__ = [
    "batches_of",
    "cancellation_as_error",
    "check_source",
    "file_option",
    "path_errors",
    "text_of_path",
]

SLICE: Final = 0.01
"""Seconds for which rows are taken from a source before others get a turn."""
_NAME: Final = 200
"""Characters of a name in a message; what is longer is rather somebody's data."""


# --- paths ---------------------------------------------------------------------------------------


def text_of_path(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written down; what is no UTF-8 in it as backslashes and digits."""
    text = os.fspath(path)
    try:
        return text if text.isascii() else os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # No file can be called that.
        return text.encode("utf-8", "backslashreplace").decode()


def file_option(value: object, name: str) -> Path:
    """Takes an option that names a file.

    Args:
        value: The option.
        name: What the option is called.

    Raises:
        InvalidInput: It cannot be the name of a file.
    """
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise InvalidInput(f"{name} is {shown(value)}; it must be the path of a file")
    text = os.fspath(value)
    try:
        fit = bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        fit = False
    if not fit:
        raise InvalidInput(f"{name} is {text!r}, which no file can be called; name another file")
    return Path(text)


@contextmanager
def path_errors(path: str | os.PathLike[str], hint: str = "") -> Iterator[None]:
    """Says in words why a path cannot be read.

    Args:
        path: The path.
        hint: What else may have been meant where there is no such file.

    Raises:
        InvalidInput: It cannot be read.
    """
    try:
        yield
    except InvalidInput:
        raise
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        # Text that no file can be called is a ValueError.
        raise _no_file(path, hint) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _no_file(path, hint) from None
        raise InvalidInput(f"{text_of_path(path)} cannot be read: {error.strerror}") from None


def _no_file(path: str | os.PathLike[str], hint: str) -> InvalidInput:
    name = os.fspath(path)
    if not hint and ("\n" in name or "\0" in name or len(name) > 255):
        hint = "text is a path, and data itself goes in as bytes"
    return InvalidInput(f"there is no file {shown(name, _NAME)}{hint and '; '}{hint}")


# --- rows ----------------------------------------------------------------------------------------


def check_source(source: object, what: str = "source is", *, urls: bool = True) -> None:
    """Refuses at once what is no source of rows.

    Args:
        source: A path, a URL, bytes, a frame, an iterable or an async iterable.
        what: What it is, for the message.
        urls: Whether it may be a URL.

    Raises:
        InvalidInput: It is none.
    """
    kind = type(source).__name__
    if is_frame(source) or isinstance(
        source, os.PathLike | UrlSource | bytes | bytearray | memoryview
    ):
        return
    if isinstance(source, str):
        if is_url(source) and not urls:
            raise InvalidInput(
                f"{what} {shown(public_name(source), _NAME)}, an address; download it, and give the "
                "path of the file"
            )
        return
    if _is_lazy(source) or (isinstance(source, list) and source and _is_lazy(source[0])):
        raise InvalidInput(
            f"{what} a Dask collection, a {kind}; give client.bulk workers=DaskWorkers(dask_client) of "
            "appcues_async.cluster, or what compute() returns"
        )
    if isinstance(source, Mapping):
        raise InvalidInput(f"{what} one mapping; give a list of rows, even of one")
    if callable(getattr(source, "read", None)):
        name = getattr(source, "name", None)
        path = f", {name!r}" if isinstance(name, str) else ""
        raise InvalidInput(
            f"{what} an open file, a {kind}; give its path{path}, or what read() returns as bytes"
        )
    if hasattr(source, "__dataframe__") and hasattr(source, "columns"):
        # Iterating over one gives the names of its columns, which would pass for ids.
        raise InvalidInput(
            f"{what} {type_in_words(source)}; give its rows as mappings, or the column of ids as a list"
        )
    if not isinstance(source, Iterable | AsyncIterable):
        raise InvalidInput(
            f"{what} {type_in_words(source)}; give a path, bytes, or an iterable of rows"
        )


def _is_lazy(source: object) -> bool:
    """Whether it is what Dask computes later."""
    return callable(getattr(type(source), "__dask_graph__", None))


@contextmanager
def cancellation_as_error(name: str = "the rows") -> Iterator[None]:
    """Takes a cancellation that nobody asked for as an error of the source that it comes from.

    As itself it would pass for one of the task, which a TaskGroup ends without a word.

    Args:
        name: What is read.

    Raises:
        InvalidInput: The source raised CancelledError, and the task was not cancelled.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise InvalidInput(
            f"{name} raised CancelledError, and nobody cancelled the call: what it waits for was "
            "cancelled; see that its connection stays open until the end"
        ) from error


async def batches_of(
    source: Iterable[Any] | AsyncIterable[Any],
    size: int,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[list[Any] | Frame]:
    """Reads rows, and lets others have a turn at least every 10 ms, or with each row of a slow source.

    A list is left as it is; of rows that come one by one, a copy is taken, since some sources fill one
    object again and again.

    Args:
        source: An iterable or async iterable of rows, or of frames.
        size: The most rows of a batch.
        clock: Tells the time, in seconds.

    Yields:
        Lists of rows, and frames as they come.
    """
    if isinstance(source, list | tuple):
        for start in range(0, len(source), size):
            for some in _apart(list(source[start : start + size])):
                yield some
            await asyncio.sleep(0)
        return
    taking = _take_async if isinstance(source, AsyncIterable) else _take
    batches = taking(source, size, clock)  # type: ignore[arg-type]
    try:
        async for batch in batches:
            for some in _apart(batch):
                yield some
    finally:
        await batches.aclose()
        # One that is not read to its end lets go of its cursor now, not when it is collected.
        if isinstance(source, AsyncGenerator):
            await source.aclose()
        elif isinstance(source, Generator):
            source.close()


async def _take(
    source: Iterable[Any], size: int, clock: Callable[[], float]
) -> AsyncGenerator[list[Any]]:
    rows = iter(source)
    batch: list[Any] = []
    while True:
        deadline, before = clock() + SLICE, len(batch)
        for row in islice(rows, size - len(batch)):
            batch.append(row if type(row) is str else own_copy(row))
            if clock() >= deadline or (type(row) is not dict and _is_frame(row)):
                break
        ended = len(batch) == before
        await asyncio.sleep(0)
        if batch and (ended or len(batch) == size or _is_frame(batch[-1])):
            yield batch
            batch = []
            # What is made of it holds the loop as well.
            await asyncio.sleep(0)
        if ended:
            return


async def _take_async(
    source: AsyncIterable[Any], size: int, clock: Callable[[], float]
) -> AsyncGenerator[list[Any]]:
    batch: list[Any] = []
    deadline = clock() + SLICE
    async for row in source:
        batch.append(row if type(row) is str else own_copy(row))
        whole = len(batch) == size or _is_frame(row)
        if whole or clock() >= deadline:
            # What waits for nothing must not hold the loop.
            await asyncio.sleep(0)
            if whole:
                yield batch
                batch = []
                await asyncio.sleep(0)
            deadline = clock() + SLICE
    if batch:
        yield batch


def _is_frame(row: object) -> bool:
    return type(row) is not dict and type(row) is not str and is_frame(row)


def _apart(batch: list[Any]) -> Iterator[list[Any] | Frame]:
    """Rows, and frames among them, each by themselves."""
    if not any(map(_is_frame, batch)):
        yield batch
        return
    for are_frames, some in groupby(batch, _is_frame):
        if are_frames:
            yield from some
        else:
            yield list(some)
