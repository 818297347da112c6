"""How many rows chunks have: numbers that say which chunk a job belongs to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.bulk.chunks import ChunkBuilder, draw
from appcues_async.bulk.memory import BulkMemory, memory_of
from appcues_async.bulk.planner import ChunkPlanner, RowCounts
from appcues_async.bulk.reading.blocks import GoodRows
from appcues_async.bulk.reading.prepared import PreparedSource
from appcues_async.recovery.evidence import Claim
from appcues_async.recovery.ownership import LocalOwners
from tests.virtual_clock import VirtualClock

LINE = b'{"user_id":"u%04d"}\n'


@given(most=st.integers(1, 300), taken=st.sets(st.integers(1, 300)))
def test_a_count_is_from_the_top_tenth_while_one_is_free(most: int, taken: set[int]) -> None:
    rows, top = draw(most, taken), range(most - most // 10, most + 1)
    if set(top) - taken:
        assert rows in top
    assert rows not in taken


@given(most=st.integers(1, 40), taken=st.sets(st.integers(1, 40)))
def test_a_count_is_the_largest_below_where_the_tenth_is_used_up(
    most: int, taken: set[int]
) -> None:
    top = range(most - most // 10, most + 1)
    taken |= set(top)
    assert draw(most, taken) == max(set(range(1, top.start)) - taken, default=None)


@given(rest=st.integers(1, 60), taken=st.sets(st.integers(1, 60)))
def test_a_remainder_is_one_chunk_or_two_with_counts_of_their_own(
    rest: int, taken: set[int]
) -> None:
    rows = draw(rest, taken, remainder=True)
    if rest not in taken:
        assert rows == rest
        return
    free = set(range(1, rest)) - taken
    if any(rest - one in free - {one} for one in free):
        assert rows in free
        assert rest - rows in free - {rows}
    else:
        assert rows in free or (rows is None and not free)


def blocks(sizes: Sequence[int]) -> list[GoodRows]:
    found, first = [], 1
    for size in sizes:
        numbers = range(first, first + size)
        found.append(GoodRows(numbers, b"".join(LINE % number for number in numbers)))
        first += size
    return found


async def given_one_by_one(some: Sequence[GoodRows]) -> AsyncGenerator[GoodRows]:
    for one in some:
        yield one


def planner_of(rows: int, limit: int, counts: RowCounts, *, at_once: int = 100) -> ChunkPlanner:
    whole, rest = divmod(rows, at_once)
    some = blocks([*[at_once] * whole, *([rest] if rest else [])])
    builder = ChunkBuilder(PreparedSource(source=None, name="the rows"), limit)
    return ChunkPlanner(given_one_by_one(some), builder, counts, None, 0)


@pytest.fixture
def owners() -> LocalOwners:
    return LocalOwners()


@pytest.fixture
def counts(owners: LocalOwners, clock: VirtualClock) -> RowCounts:
    return RowCounts(owners, None, clock, unsafe=True)


async def all_of(planner: ChunkPlanner) -> list[int]:
    found: list[int] = []
    while (planned := await planner.next(len(found))) is not None:
        found.append(planned.chunk.rows)
    return found


@pytest.mark.parametrize("at_once", [1, 7, 100, 5_000])
async def test_chunks_that_are_unsettled_at_the_same_time_have_other_counts(
    counts: RowCounts, at_once: int
) -> None:
    found = await all_of(planner_of(5_000, 2_000, counts, at_once=at_once))
    assert sum(found) == 5_000
    assert len(set(found)) == len(found) > 50


async def test_a_count_can_be_had_again_once_its_chunk_is_settled(counts: RowCounts) -> None:
    planner = planner_of(1_000, len(LINE % 1), counts)
    for number in range(1_000):
        planned = await planner.next(number)
        assert planned is not None
        assert planned.chunk.rows == 1
        counts.release(1)
    assert await planner.next(1_000) is None


async def test_chunks_avoid_the_counts_of_lost_requests(
    counts: RowCounts, owners: LocalOwners
) -> None:
    taken = {*range(90, 100)}
    for rows in taken:
        claim = Claim(kind="import/events", began=0, rows=rows)
        owners.abandon(claim, 0)
    planner = planner_of(1_000, 100 * len(LINE % 1), counts)
    first = await planner.next(0)
    assert first is not None
    assert first.chunk.rows == 100
    second = await planner.next(1)
    assert second is not None
    assert second.chunk.rows == 89


async def test_a_chunk_waits_while_every_count_is_taken(
    counts: RowCounts, clock: VirtualClock
) -> None:
    assert await counts.take(1, remainder=False) == (1, False)
    began = clock.time()
    clock.call_later(3, lambda: counts.release(1))
    assert await clock.run(counts.take(1, remainder=True)) == (1, False)
    assert 3 <= clock.time() - began < 3.1


async def test_no_chunk_waits_for_ever(counts: RowCounts, clock: VirtualClock) -> None:
    await counts.take(1, remainder=False)
    began = clock.time()
    assert await clock.run(counts.take(1, remainder=False)) == (1, True)
    assert 60 <= clock.time() - began < 61


async def test_counts_that_nobody_settles_are_shared_where_there_is_no_other(
    counts: RowCounts, owners: LocalOwners, clock: VirtualClock
) -> None:
    owners.abandon(Claim(kind="import/events", began=0, rows=1), 0)
    planner = planner_of(1, len(LINE % 1), counts)
    began = clock.time()
    assert await planner.next(0) is not None
    assert clock.time() == began


async def test_a_chunk_waits_for_another_rather_than_share_what_nobody_settles(
    counts: RowCounts, owners: LocalOwners, clock: VirtualClock
) -> None:
    owners.abandon(Claim(kind="import/events", began=0, rows=1), 0)
    assert await counts.take(2, remainder=False) == (2, False)
    began = clock.time()
    clock.call_later(3, lambda: counts.release(2))
    assert await clock.run(counts.take(2, remainder=False)) == (2, False)
    assert 3 <= clock.time() - began < 3.1


def test_runs_of_an_account_share_what_is_taken(owners: LocalOwners) -> None:
    assert memory_of(owners).hold(7, unsafe=True)
    assert not memory_of(owners).hold(7, unsafe=True)
    assert memory_of(LocalOwners()).hold(7, unsafe=True)


def test_safe_uploads_share_counts_with_each_other_but_not_with_unsafe_ones() -> None:
    memory = BulkMemory()
    assert memory.hold(7, unsafe=False)
    assert memory.hold(7, unsafe=False)
    assert not memory.hold(7, unsafe=True)
    assert memory.row_counts(unsafe=False) == frozenset()
    assert memory.hold(8, unsafe=True)
    assert not memory.hold(8, unsafe=False)
    assert memory.row_counts(unsafe=False) == {8}
    memory.release(7, unsafe=False)
    assert memory.row_counts(unsafe=True) == {7, 8}
    memory.release(7, unsafe=False)
    assert memory.hold(7, unsafe=True)
