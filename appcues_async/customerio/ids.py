"""From what a user has to requests of at most 1000 ids, read no faster than they are sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Collection,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import aclosing, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.id_files import ids_of_text
from appcues_async.rows.ids import NEW_ID, IdRule, UserId
from appcues_async.rows.inputs import (
    batches_of,
    cancellation_as_error,
    check_source,
    path_errors,
    text_of_path,
)
from appcues_async.text import type_in_words

__all__ = ["Chunk", "IdType", "Ids", "check_all", "chunks_of"]

IdType = Literal["id", "email", "cio_id"]
"""The type of the ids; Customer.io ignores those that are of another."""

Ids: TypeAlias = str | os.PathLike[str] | Iterable[UserId] | AsyncIterable[UserId]
"""A path (text is one too) to a file of ids, or the ids one by one."""

MOST: Final = 1000
"""Ids in one request (Track API, "Add people to a manual segment")."""

_HEADERS: Final = ("id", "email", "cio_id")
_NDJSON: Final = frozenset({".ndjson", ".jsonl", ".ldjson"})


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
    if hasattr(source, "columns"):
        # Iterating over a frame gives the names of its columns, which would pass for ids.
        raise InvalidInput(f"ids are {type_in_words(source)}; give its column of ids as a list")
    check_source(source, "ids are", urls=False)


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
    else:
        position = 0
        async with aclosing(batches_of(source, MOST)) as batches:
            with cancellation_as_error("the source of ids"):
                async for some in batches:
                    ids = some if isinstance(some, list) else [some]
                    yield [rule.check(one, f"ids[{at}]") for at, one in enumerate(ids, position)]
                    position += len(ids)


def _take(ids: Iterator[str]) -> list[str]:
    return list(islice(ids, MOST))


def _read_file(path: Path, id_type: IdType, rule: IdRule) -> Generator[str]:
    name = text_of_path(path)
    with path_errors(path, "ids themselves go in a list"):
        if path.exists() and not path.is_file():
            raise InvalidInput(
                f"{name} is a folder, a pipe or a device; write the ids to a file, or give an iterable"
            )
        suffix = path.suffix.lower()
        with path.open(encoding="utf-8-sig", newline="") as file:
            try:
                yield from ids_of_text(
                    file,
                    name,
                    rule,
                    _HEADERS,
                    ndjson=suffix in _NDJSON if suffix in {*_NDJSON, ".csv"} else None,
                    on_header=lambda header: _check_header(header, id_type, name),
                )
            except UnicodeDecodeError:
                raise InvalidInput(f"{name} is not UTF-8; save it as UTF-8") from None


def _check_header(name: str, id_type: IdType, file: str) -> None:
    if name != id_type:
        # Customer.io would answer 200 and ignore every one of them.
        raise InvalidInput(
            f"{file} has the header {name!r} and id_type is {id_type!r}; give id_type={name!r}"
        )
