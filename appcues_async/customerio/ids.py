"""From what a user has to requests of at most 1000 ids, read no faster than they are sent."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TextIO, TypeAlias

import msgspec
from attrs import frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.ids import NEW_ID, IdRule, UserId
from appcues_async.rows.values import shown

__all__ = ["Chunk", "IdType", "Ids", "check_all", "chunks_of"]

IdType = Literal["id", "email", "cio_id"]
"""What the ids are; Customer.io ignores those that are of another type."""

Ids: TypeAlias = str | os.PathLike[str] | Iterable[UserId] | AsyncIterable[UserId]
"""A path (text is one too) to a file of ids, or the ids one by one."""

MOST: Final = 1000
"""Ids in one request (Track API, "Add people to a manual segment")."""

_HEADERS: Final = ("id", "email", "cio_id")
_NDJSON: Final = frozenset({".ndjson", ".jsonl", ".ldjson"})
_decode: Final = msgspec.json.Decoder().decode
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@frozen
class Chunk:
    """The ids of one request.

    Attributes:
        first: The position of the first one in the source, from 0.
        last: The position of the last one.
        ids: The ids, each once.
    """

    first: int
    last: int
    ids: list[str]


async def check_all(source: Ids, id_type: IdType, rule: IdRule = NEW_ID) -> None:
    """Goes through a source that can be read again, so that nothing is sent of one with a bad id.

    A source that cannot be read again is only looked at from outside.

    Raises:
        InvalidInput: There is something in it that is no id, or it is no source of ids.
    """
    _check_kind(source)
    if isinstance(source, str | os.PathLike | Collection):
        async for _ in _batches(source, id_type, rule):
            # A long list must not hold the loop.
            await asyncio.sleep(0)


async def chunks_of(source: Ids, id_type: IdType, rule: IdRule = NEW_ID) -> AsyncGenerator[Chunk]:
    """Reads a source request by request; an id that comes again within one is left out of it.

    Raises:
        InvalidInput: What comes next is no id.
    """
    ids: dict[str, None] = {}
    first = position = 0
    async for batch in _batches(source, id_type, rule):
        for one in batch:
            ids[one] = None
            position += 1
            if len(ids) == MOST:
                yield Chunk(first, position - 1, list(ids))
                ids, first = {}, position
    if ids:
        yield Chunk(first, position - 1, list(ids))


def _check_kind(source: Any) -> None:
    if isinstance(source, bytes | bytearray | memoryview):
        raise InvalidInput("ids are bytes; write them to a file and give its path, or give a list")
    if isinstance(source, Mapping):
        raise InvalidInput("ids are a mapping; give a list of ids, such as list(mapping)")
    tabular = hasattr(source, "__dataframe__") or hasattr(source, "__arrow_c_stream__")
    if tabular and hasattr(source, "columns"):
        # Iterating over one gives the names of its columns, which would pass for ids.
        raise InvalidInput(f"ids are a {type(source).__name__}; give its column of ids as a list")
    if not isinstance(source, str | os.PathLike | Iterable | AsyncIterable):
        raise InvalidInput(f"ids are {shown(source)}; give a path, or an iterable of ids")


async def _batches(source: Ids, id_type: IdType, rule: IdRule) -> AsyncGenerator[list[str]]:
    """The checked ids, up to 1000 at a time."""
    if isinstance(source, str | os.PathLike):
        reading = _read_file(Path(source), id_type, rule)
        try:
            # The loop never waits for the disk.
            while batch := await asyncio.to_thread(_take, reading):
                yield batch
        finally:
            # After a cancellation a thread may still be in it; it is closed when that has ended.
            with suppress(ValueError):
                reading.close()
    elif isinstance(source, AsyncIterable):
        batch, position = [], 0
        async for one in source:
            batch.append(rule.check(one, f"ids[{position}]"))
            position += 1
            if len(batch) == MOST:
                yield batch
                batch = []
        if batch:
            yield batch
    else:
        numbered = (rule.check(one, f"ids[{position}]") for position, one in enumerate(source))
        while batch := _take(numbered):
            yield batch


def _take(ids: Iterator[str]) -> list[str]:
    return list(islice(ids, MOST))


def _read_file(path: Path, id_type: IdType, rule: IdRule) -> Generator[str]:
    try:
        _refuse_special(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            read = _json_lines if _is_ndjson(path, file) else _csv_lines
            yield from read(path, file, id_type, rule)
    except InvalidInput:
        raise
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8; save it as UTF-8") from None
    except (FileNotFoundError, ValueError):
        # Text that no file can be called is a ValueError.
        name = shown(str(path))
        raise InvalidInput(f"there is no file {name}; ids themselves go in a list") from None
    except OSError as error:
        raise InvalidInput(f"{shown(str(path))} cannot be read: {error.strerror}") from None


def _refuse_special(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise InvalidInput(
            f"{path} is a folder, a pipe or a device; write the ids to a file, or give an iterable"
        )


def _is_ndjson(path: Path, file: TextIO) -> bool:
    suffix = path.suffix.lower()
    if suffix in _NDJSON or suffix == ".csv":
        return suffix in _NDJSON
    first = next((line for line in file if line.strip()), "")
    file.seek(0)
    try:
        value = _decode(first)
    except _NOT_JSON:
        return False
    # CSV may quote its cells as well, and its header is nobody's id.
    return isinstance(value, str) and value not in _HEADERS


def _json_lines(path: Path, file: TextIO, _: IdType, rule: IdRule) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            value = _decode(line)
        except _NOT_JSON:
            raise InvalidInput(
                f"{path}, line {number:,}, is not JSON; in NDJSON each id is in double quotes"
            ) from None
        yield rule.check(value, f"{path}, line {number:,},")


def _csv_lines(path: Path, file: TextIO, id_type: IdType, rule: IdRule) -> Iterator[str]:
    reader = csv.reader(file, strict=True)
    is_first = True
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}, line {reader.line_num:,},"
            if len(cells) > 1:
                raise InvalidInput(f"{where} has {len(cells)} columns; a CSV of ids has one")
            value = cells[0].strip()
            if is_first and value in _HEADERS:
                _check_header(value, id_type, path)
            else:
                yield rule.check(value, where)
            is_first = False
    except csv.Error as error:
        raise InvalidInput(
            f"{path}, line {reader.line_num:,}, is not CSV ({error}); check its quotes"
        ) from None


def _check_header(name: str, id_type: IdType, path: Path) -> None:
    if name != id_type:
        # Customer.io would answer 200 and ignore every one of them.
        raise InvalidInput(
            f"{path} has the header {name!r} and id_type is {id_type!r}; give id_type={name!r}"
        )
