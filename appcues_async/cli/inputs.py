"""Arguments besides options: JSON, KEY=VALUE, and lists of ids."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

from appcues_async.errors import InvalidInput
from appcues_async.rows.id_files import ids_of_text
from appcues_async.rows.ids import IdRule, check_user_ids
from appcues_async.rows.inputs import path_errors
from appcues_async.rows.kinds import USER_ID
from appcues_async.rows.urls import UrlSource, is_url

__all__ = [
    "InputSource",
    "attributes_of",
    "ids_of",
    "interruptible",
    "json_of",
    "object_of",
    "one_way",
    "pairs_of",
    "source_of",
    "split_ids",
]

InputSource: TypeAlias = Path | UrlSource
"""A FILE of a command."""


def source_of(name: str) -> InputSource:
    """Takes a FILE as the path or the URL that it is."""
    return UrlSource(name) if is_url(name) else Path(name)


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets Ctrl-C end a read of stdin; asyncio would only note it, and go on reading."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def bytes_of(name: str) -> bytes:
    """Reads a file; `-` is stdin.

    Raises:
        InvalidInput: It cannot be read.
    """
    if name == "-":
        with interruptible():
            return sys.stdin.buffer.read()
    with path_errors(name):
        return Path(name).read_bytes()


def json_of(name: str) -> Any:
    """Reads a file of JSON; `-` is stdin.

    Raises:
        InvalidInput: It cannot be read, or holds no JSON.
    """
    where = "stdin" if name == "-" else name
    try:
        return _parse(bytes_of(name).decode("utf-8-sig"), where)
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is not UTF-8; save it as UTF-8") from None


def object_of(name: str) -> dict[str, Any]:
    """Reads a file that holds one JSON object; `-` is stdin.

    Raises:
        InvalidInput: It cannot be read, or holds something else.
    """
    found = json_of(name)
    if not isinstance(found, dict):
        where = "stdin" if name == "-" else name
        raise InvalidInput(f"{where} holds a JSON {type(found).__name__}; it must hold an object")
    return found


def pairs_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Reads KEY=VALUE as text, so that ids keep their zeros, and KEY:=VALUE as JSON.

    Raises:
        InvalidInput: One of them is neither, or a key is given twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        raw = key.endswith(":")
        key = key.removesuffix(":")
        if not equals or not key:
            raise InvalidInput(
                f"{pair!r} is no KEY=VALUE; text is given as plan=pro, anything else as seats:=3"
            )
        if key in found:
            raise InvalidInput(f"{key!r} is given twice; give it once")
        found[key] = _parse(value, pair) if raw else value
    return found


def attributes_of(pairs: Sequence[str], file: str | None) -> dict[str, Any]:
    """The attributes of a file of JSON, with those of KEY=VALUE over them.

    Raises:
        InvalidInput: Something cannot be read.
    """
    given: Mapping[str, Any] = {} if file is None else object_of(file)
    return {**given, **pairs_of(pairs)}


T = TypeVar("T")


def one_way(what: str, first: T | None, option: str, second: T | None) -> T:
    """The one of two ways to give something that was taken.

    Raises:
        InvalidInput: Both were taken, or neither.
    """
    if (first is None) == (second is None):
        how = "given twice" if first is not None else "missing"
        raise InvalidInput(f"{what} is {how}; give it once, in its place or as {option}")
    given = second if first is None else first
    assert given is not None  # noqa: S101 - one of them is not
    return given


def split_ids(texts: Sequence[str]) -> list[str]:
    """The ids of lists with commas between them; an id that holds one is given another way."""
    return [one for text in texts for one in text.split(",")]


async def ids_of(ids: Sequence[str], file: str | None, rule: IdRule) -> list[str]:
    """The ids that were given one by one, or those of a file.

    Raises:
        InvalidInput: There are none, both ways were taken, or one of them is refused.
    """
    if file is None:
        if not ids:
            raise InvalidInput("no ID is given; name at least one, or give --file FILE")
        return check_user_ids(ids, rule=rule)
    if ids:
        raise InvalidInput("ids and --file are both given; give one of them")
    data = await asyncio.to_thread(bytes_of, file)
    with io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="") as text:
        try:
            found = list(ids_of_text(text, "stdin" if file == "-" else file, rule, USER_ID))
        except UnicodeDecodeError:
            raise InvalidInput(f"{file} is not UTF-8; save it as UTF-8") from None
    if not found:
        raise InvalidInput(f"{file} is empty; give at least one id")
    return found


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where} holds no JSON: {error}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")
