"""Sources: what is read as ids, what is refused, and when."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from appcues_async import InvalidInput
from appcues_async.customerio import CustomerIOClient
from appcues_async.sandbox import Answer, Sandbox
from tests.customerio.conftest import numbers, sent


def written(tmp_path: Path, content: str | bytes, name: str = "ids.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.txt", "007\n008\n"),
        ("ids.csv", "id\n007\n008\n"),
        ("ids.csv", '"id"\r\n"007"\r\n"008"\r\n'),
        ("ids.txt", '"id"\n"007"\n"008"\n'),
        ("ids.csv", "\n 007 \n\n008\n"),
        ("ids.csv", "\ufeffid\n007\n008\n"),
        ("ids.ndjson", '"007"\n"008"\n'),
        ("ids.jsonl", '"007"\n\n"\\u0030\\u00308"'),
        ("ids.txt", '"007"\n"008"\n'),
        ("ids.txt", '\ufeff"007"\n"008"\n'),
    ],
)
async def test_a_file_is_csv_or_ndjson_with_or_without_a_header(
    sandbox: Sandbox, cio: CustomerIOClient, tmp_path: Path, name: str, content: str
) -> None:
    await cio.segments.add_customers(1, written(tmp_path, content, name))
    assert sent(sandbox) == [["007", "008"]]


async def test_a_path_may_be_text(sandbox: Sandbox, cio: CustomerIOClient, tmp_path: Path) -> None:
    await cio.segments.add_customers(1, str(written(tmp_path, "007\n")))
    assert sent(sandbox) == [["007"]]


@pytest.mark.parametrize("id_type", ["id", "email", "cio_id"])
async def test_a_header_names_the_type(
    sandbox: Sandbox, cio: CustomerIOClient, tmp_path: Path, id_type: Any
) -> None:
    path = written(tmp_path, f"{id_type}\nx\n")
    await cio.segments.add_customers(1, path, id_type)
    assert sent(sandbox) == [["x"]]


async def test_a_header_of_another_type_is_refused(
    sandbox: Sandbox, cio: CustomerIOClient, tmp_path: Path
) -> None:
    path = written(tmp_path, "email\na@example.com\n")
    with pytest.raises(InvalidInput, match="give id_type='email'"):
        await cio.segments.add_customers(1, path)
    assert not sandbox.requests


async def test_a_large_file_is_many_requests(
    sandbox: Sandbox, cio: CustomerIOClient, tmp_path: Path
) -> None:
    path = written(tmp_path, "\n".join(numbers(12_345)))
    report = await cio.segments.add_customers(1, path)
    assert (report.requests, report.ids) == (13, 12_345)
    assert sandbox.customerio_segments[1] == set(numbers(12_345))


@pytest.mark.parametrize("content", ["", "\n\n", "id\n", "\ufeff"])
async def test_nothing_is_sent_of_an_empty_file(
    sandbox: Sandbox, cio: CustomerIOClient, tmp_path: Path, content: str
) -> None:
    assert (await cio.segments.add_customers(1, written(tmp_path, content))).requests == 0
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("ids.csv", "a\nb,c\n", "line 2, has 2 columns"),
        ("ids.csv", 'a\n"b\n', "is not CSV"),
        ("ids.csv", b"a\n\xff\n", "not UTF-8"),
        ("ids.csv", b"a\n\x00\n", "no control characters"),
        ("ids.ndjson", '"a"\nb\n', "line 2, is not JSON"),
        ("ids.ndjson", '"a"\n7.0\n', "line 2, is 7.0, a float; ids are text"),
        ("ids.ndjson", '"a"\n""\n', "line 2, is empty"),
    ],
)
async def test_a_file_with_something_else_in_it_is_refused_before_anything_is_sent(
    sandbox: Sandbox,
    cio: CustomerIOClient,
    tmp_path: Path,
    name: str,
    content: str | bytes,
    said: str,
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await cio.segments.add_customers(1, written(tmp_path, content, name))
    assert not sandbox.requests


@pytest.mark.parametrize("path", ["no such file", "a\0b", "x" * 5_000, "a\nb"])
async def test_text_that_is_no_path_is_refused_with_the_fix(
    cio: CustomerIOClient, path: str
) -> None:
    with pytest.raises(InvalidInput, match=r"no file|cannot be read"):
        await cio.segments.add_customers(1, path)


async def test_a_folder_or_a_pipe_is_refused(cio: CustomerIOClient, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(InvalidInput, match="a folder, a pipe or a device"):
            await cio.segments.add_customers(1, path)


class Frame:
    """Looks like a dataframe."""

    columns = ("id", "plan")

    def __dataframe__(self) -> None: ...

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)


@pytest.mark.parametrize("source", [b"a", {"a": 1}, Frame(), 7, None])
async def test_what_gives_no_ids_is_refused(
    sandbox: Sandbox, cio: CustomerIOClient, source: Any
) -> None:
    with pytest.raises(InvalidInput, match=r"^ids are "):
        await cio.segments.add_customers(1, source)
    assert not sandbox.requests


@pytest.mark.parametrize("bad", [7.0, None, "", "  ", "a\n", "\ud800"])
async def test_a_list_is_checked_to_its_end_before_anything_is_sent(
    sandbox: Sandbox, cio: CustomerIOClient, bad: Any
) -> None:
    with pytest.raises(InvalidInput, match=r"^ids\[3000\] is ") as caught:
        await cio.segments.add_customers(1, [*numbers(3_000), bad])
    assert not sandbox.requests
    assert "sent before" not in str(caught.value)


async def test_of_an_iterator_the_error_says_what_was_sent(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    sandbox.faults.add(Answer(400))
    source: list[Any] = [*numbers(3_500), 7.0]
    said = r"^ids\[3500\] is 7.0.*; the first 3,000 ids had been sent, in 3 requests, of which 1"
    with pytest.raises(InvalidInput, match=said):
        await cio.segments.add_customers(1, iter(source))
    assert sorted(map(len, sent(sandbox))) == [1_000] * 3


async def test_of_an_iterator_that_is_wrong_at_once_nothing_is_said_of_sending(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    source: list[Any] = [7.0]
    with pytest.raises(InvalidInput, match=r"read the column as text$"):
        await cio.segments.add_customers(1, iter(source))
    assert not sandbox.requests


async def test_a_source_s_own_error_comes_out_with_what_was_sent(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    async def broken() -> AsyncIterator[str]:
        for one in numbers(2_000):
            yield one
        raise ConnectionError("the database went away")

    with pytest.raises(ConnectionError, match="went away") as caught:
        await cio.segments.add_customers(1, broken())
    (note,) = caught.value.__notes__
    assert note == "From this source, the first 2,000 ids had been sent, in 2 requests"
    assert len(sandbox.customerio_segments[1]) == 2_000


async def test_a_source_that_is_cancelled_is_an_error_with_what_was_sent(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    async def cut_off() -> AsyncIterator[str]:
        for number in numbers(1_500):
            yield number
        raise asyncio.CancelledError

    said = "the source of ids raised CancelledError.*; the first 1,000 ids had been sent"
    with pytest.raises(InvalidInput, match=said):
        await cio.segments.add_customers(7, cut_off())


async def test_a_source_that_waits_can_be_given_up(cio: CustomerIOClient) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def waits() -> AsyncIterator[str]:
        try:
            yield "a"
            reached.set()
            await asyncio.Event().wait()
        finally:
            left.set()

    adding = asyncio.create_task(cio.segments.add_customers(1, waits()))
    await reached.wait()
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    await asyncio.wait_for(left.wait(), 1)
