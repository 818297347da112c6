"""What is taken from a user's source, and how long the loop waits for it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from appcues_async.errors import InvalidInput
from appcues_async.rows.id_files import ids_of_text
from appcues_async.rows.ids import NEW_ID, id_rule
from appcues_async.rows.inputs import SLICE, batches_of, path_errors, text_of_path


async def all_of(source: Any, size: int = 3, **options: Any) -> list[Any]:
    return [batch async for batch in batches_of(source, size, **options)]


def refilled(count: int) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {"attributes": {}}
    for number in range(count):
        row["user_id"] = row["attributes"]["n"] = number
        yield row


async def later(rows: Any) -> AsyncIterator[Any]:
    for row in rows:
        yield row


@pytest.mark.parametrize("make", [refilled, lambda count: later(refilled(count))])
async def test_rows_of_one_object_that_is_filled_anew_stay_apart(make: Any) -> None:
    rows = [row for batch in await all_of(make(5)) for row in batch]
    assert [(row["user_id"], row["attributes"]["n"]) for row in rows] == [
        (number, number) for number in range(5)
    ]


async def test_rows_of_a_list_are_not_copied() -> None:
    row = {"user_id": "7"}
    (batch,) = await all_of([row] * 3)
    assert all(one is row for one in batch)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
@pytest.mark.parametrize("wrap", [list, tuple, iter, later])
async def test_every_row_is_in_one_batch_in_order(count: int, wrap: Any) -> None:
    found = await all_of(wrap(list(map(str, range(count)))))
    assert [row for batch in found for row in batch] == list(map(str, range(count)))
    assert all(0 < len(batch) <= 3 for batch in found)


@pytest.mark.parametrize("wrap", [list, iter, later])
async def test_frames_among_rows_are_handed_on_as_they_are(wrap: Any) -> None:
    frame = pl.DataFrame({"user_id": ["2"]})
    found = await all_of(wrap([{"user_id": "1"}, frame, frame, {"user_id": "3"}]))
    assert [one if isinstance(one, list) else "frame" for one in found] == [
        [{"user_id": "1"}],
        "frame",
        "frame",
        [{"user_id": "3"}],
    ]


class SlowRows:
    """Rows of which each takes a while by the clock that they move on."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.taken = 0

    def clock(self) -> float:
        return self.now

    def __iter__(self) -> Iterator[str]:
        for number in range(100):
            self.now += self.seconds
            self.taken = number + 1
            yield str(number)

    async def __aiter__(self) -> AsyncIterator[str]:
        for row in iter(self):
            yield row


@pytest.mark.parametrize(("seconds", "most"), [(1.0, 1), (SLICE / 4, 5), (0.0, 101)])
async def test_others_have_a_turn_while_a_source_is_slow(seconds: float, most: int) -> None:
    source = SlowRows(seconds)
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(source.taken)
            await asyncio.sleep(0)

    watching = asyncio.create_task(look())
    await all_of(iter(source), 1_000, clock=source.clock)
    await asyncio.sleep(0)
    watching.cancel()
    steps = [after - before for before, after in pairwise([0, *seen])]
    assert max(steps) <= most


@pytest.mark.parametrize("way", [iter, aiter])
async def test_others_have_a_turn_before_and_after_rows_are_sent_on(way: Any) -> None:
    source = SlowRows(SLICE / 4)
    seen: list[float] = []

    async def look() -> None:
        while True:
            seen.append(source.now)
            await asyncio.sleep(0)

    watching = asyncio.create_task(look())
    async for _ in batches_of(way(source), 5, clock=source.clock):
        source.now += 2 * SLICE
    watching.cancel()
    assert max(after - before for before, after in pairwise(seen)) <= 2 * SLICE + 1e-9


async def test_an_asynchronous_source_that_waits_for_nothing_is_no_different() -> None:
    source = SlowRows(SLICE)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await all_of(aiter(source), 1_000, clock=source.clock)
    counting.cancel()
    assert turns >= 99


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "\ud800", "not/there"])
def test_a_name_that_no_file_has_is_said_in_words(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(InvalidInput, match="there is no file") as caught, path_errors(path):
        path.read_bytes()
    assert len(str(caught.value)) < 300


def test_a_name_that_is_no_utf_8_can_be_written_down() -> None:
    assert text_of_path("caf\udce9.csv") == "caf\\xe9.csv"
    assert text_of_path("café.csv") == "café.csv"


# --- ids -----------------------------------------------------------------------------------------

LISTS = [
    "USER_ID\n1\n",
    "User ID\n1\n",
    "Email\n1\n",
    "id\n1\n",
    '"User-Id"\n1\n',
    "user_id;plan\n1;pro\n",
    "user_id\tplan\n1\tpro\n",
    "user_id|plan\n1|pro\n",
    "sep=;\n1\n",
    "sep=,\n1\n",
    "user_id;\n1;\n",
    "<!DOCTYPE html>\n<html>\n",
    "<html><body>no</body></html>\n",
    '<?xml version="1.0"?>\n',
    " user_id \n---------\n 1\n(1 row)\n",
    "+---------+\n| user_id |\n+---------+\n",
    "1,pro\n",
    "nan\n",
]


@pytest.mark.parametrize("text", LISTS)
def test_what_is_no_list_of_ids_makes_no_members(text: str) -> None:
    with pytest.raises(InvalidInput):
        list(ids_of_text(io.StringIO(text), "ids.csv", NEW_ID, ("user_id", "userId")))


@pytest.mark.parametrize(
    "text",
    [
        "user_id\n007\n\n8\n",
        "007\n8\n",
        '"007"\n"8"\n',
        '"user_id"\n"007"\n"8"\n',
        "userId\r\n007\r\n8\r\n",
    ],
)
def test_a_list_of_ids_is_read_with_or_without_its_header(text: str) -> None:
    ids = list(ids_of_text(io.StringIO(text, newline=""), "ids.csv", NEW_ID, ("user_id", "userId")))
    assert ids == ["007", "8"]


def test_a_first_id_that_reads_as_a_header_is_let_through_by_name() -> None:
    rule = id_rule({"ID"})
    assert list(ids_of_text(io.StringIO("ID\n7\n"), "ids.csv", rule, ("user_id",))) == ["ID", "7"]
