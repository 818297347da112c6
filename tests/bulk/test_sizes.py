"""How many rows chunks have: numbers that say which chunk a job belongs to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appcues_async.bulk.chunks import Sizes
from appcues_async.bulk.sources import Reading, chunks
from appcues_async.bulk.tally import Tally
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


async def counts_of(source: Any, sizes: Sizes) -> list[int]:
    reading = Reading(PROFILES, "full", None, None, sizes, Tally())
    return [chunk.rows async for chunk in chunks(source, reading)]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
async def test_where_there_are_fewer_numbers_than_runs_they_differ_within_the_run(
    source: Any,
) -> None:
    counts = await counts_of(source, Sizes(20_000, seed=3, modulus=640, residue=7))
    assert sum(counts) == ROWS
    assert len(set(counts)) == len(counts) > 15


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
async def test_where_there_are_enough_they_differ_from_those_of_other_runs(source: Any) -> None:
    *counts, _ = await counts_of(source, Sizes(60_000, seed=3, modulus=4, residue=3))
    assert {count % 4 for count in counts} == {3}
    assert len(set(counts)) == len(counts)


def test_a_number_is_better_that_no_other_chunk_can_have() -> None:
    sizes = Sizes(9_000, modulus=4, residue=3, taken={7})
    assert [sizes.rank_of(rows) for rows in (3, 4, 7)] == [0, 1, 2]
