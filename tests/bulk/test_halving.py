"""The search for the rows of a failed chunk that are at fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.bulk.halving import MOST_JOBS, Halving, Part


def places(part: Part) -> list[int]:
    return [place for some in part for place in some]


def search(halving: Halving, bad: set[int]) -> set[int]:
    """Runs a search against a server that fails each job with a bad row; returns the rows it took."""
    taken: set[int] = set()
    while (part := halving.next()) is not None:
        sent = places(part)
        assert sent == sorted(set(sent))
        fine = bad.isdisjoint(sent)
        halving.note(taken=fine)
        taken |= set(sent) if fine else set()
    return taken


@given(rows=st.integers(1, 300), data=st.data())
def test_each_row_is_taken_refused_or_left(rows: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, rows - 1)))
    halving = Halving(rows, data.draw(st.integers(1, 40)))
    taken = search(halving, bad)
    assert len(taken) + len(halving.refused) + halving.left == rows
    assert taken.isdisjoint(halving.refused)
    assert bad.issuperset(halving.refused)


@given(rows=st.integers(1, 300), data=st.data())
def test_all_that_is_good_is_taken_in_the_end(rows: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, rows - 1), max_size=5))
    halving = Halving(rows, 10_000)
    assert search(halving, bad) == set(range(rows)) - bad
    assert sorted(halving.refused) == sorted(bad)


@pytest.mark.parametrize("bad", [0, 1, 49_999, 50_000, 77_777, 99_999])
def test_one_row_of_100_000_is_found(bad: int) -> None:
    halving = Halving(100_000)
    taken = search(halving, {bad})
    assert (halving.refused, len(taken), halving.left) == ([bad], 99_999, 0)
    assert halving.jobs <= MOST_JOBS


def test_rows_that_fail_only_once_cost_two_jobs() -> None:
    halving = Halving(100_000)
    assert len(search(halving, set())) == 100_000
    assert halving.jobs == 2


def test_a_single_row_is_sent_once_more() -> None:
    halving = Halving(1)
    assert halving.next() == (range(1),)
    halving.note(taken=False)
    assert (halving.next(), halving.refused, halving.left) == (None, [0], 0)


def test_the_last_job_goes_to_what_is_likely_to_be_good() -> None:
    halving = Halving(1_000, 3)
    taken = search(halving, {0})
    assert (halving.jobs, taken, halving.left) == (3, set(range(250, 1_000)), 250)


def test_what_is_under_way_counts_as_left() -> None:
    halving = Halving(10)
    assert halving.next() is not None
    assert halving.left == 10
