"""How many rows chunks have: numbers that say which chunk a job belongs to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appcues_async.bulk.chunks import ChunkSizer
from appcues_async.bulk.reading.sources import Reading, chunks
from appcues_async.bulk.rejects import RowCounter
from appcues_async.rows.kinds import PROFILES

LINE = b'{"user_id":"u%04d","name":"Paid","timestamp":"2026-07-14T12:00:00Z"}\n'
ROWS = 5_000
NDJSON = b"".join(LINE % number for number in range(ROWS))
CSV = b"user_id,name,timestamp,note\n" + b"".join(
    b"u%04d,Paid,2026-07-14T12:00:00Z,%s\n" % (number, b"x" * 30) for number in range(ROWS)
)
SOURCES: dict[str, Any] = {
    "csv": CSV,
    "ndjson": NDJSON,
    "rows": [json.loads(line) for line in NDJSON.splitlines()],
}


async def counts_of(source: Any, sizes: ChunkSizer) -> list[int]:
    reading = Reading(PROFILES, "full", None, None, sizes, RowCounter())
    return [chunk.rows async for chunk in chunks(source, reading)]


def beginning_of(source: Any, rows: int) -> Any:
    if isinstance(source, list):
        return source[:rows]
    return b"".join(source.splitlines(keepends=True)[: rows + source.startswith(b"user_id")])


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
async def test_where_there_are_fewer_numbers_than_runs_they_differ_within_the_run(
    source: Any,
) -> None:
    counts = await counts_of(source, ChunkSizer(20_000, seed=3, modulus=640, residue=7))
    assert sum(counts) == ROWS
    assert len(set(counts)) == len(counts) > 15


@pytest.mark.parametrize(
    ("source", "limit"),
    [
        (CSV, 20_000),
        (NDJSON, 20_000),
        # Rows are encoded so many at a time that smaller chunks are cut in the midst of them.
        ([json.loads(LINE % number) for number in range(20_000)], 1_200_000),
    ],
    ids=SOURCES,
)
async def test_where_too_few_rows_are_left_a_chunk_leaves_some_to_the_last(
    source: Any, limit: int
) -> None:
    async def counts(rows: int, taken: set[int]) -> list[int]:
        return await counts_of(beginning_of(source, rows), ChunkSizer(limit, seed=3, taken=taken))

    first, *_ = await counts_of(source, ChunkSizer(limit, seed=3))
    left = 0
    while len(await counts(first + left, set())) == 1:
        left += limit // 20_000
    taken = set(range(first, first + left + 1))
    assert await counts(first + left, taken) == [first - 1, left + 1]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
async def test_where_there_are_enough_they_differ_from_those_of_other_runs(source: Any) -> None:
    *counts, _ = await counts_of(source, ChunkSizer(60_000, seed=3, modulus=4, residue=3))
    assert {count % 4 for count in counts} == {3}
    assert len(set(counts)) == len(counts)


def test_a_number_is_better_that_no_other_chunk_can_have() -> None:
    sizes = ChunkSizer(9_000, modulus=4, residue=3, taken={7})
    assert [sizes.rank_of(rows) for rows in (3, 4, 7)] == [0, 1, 2]


@pytest.mark.parametrize("modulus", [1, 64])
async def test_chunks_of_one_row_have_one_row(modulus: int) -> None:
    rows = [{"user_id": f"u{number:04}"} for number in range(20)]
    assert await counts_of(rows, ChunkSizer(30, modulus=modulus, residue=0)) == [1] * 20
