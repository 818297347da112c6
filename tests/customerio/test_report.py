"""What a report says."""

from __future__ import annotations

import pytest

from appcues_async import AppcuesError, BadRequest
from appcues_async.customerio import FailedChunk, SegmentReport


def failed(number: int) -> FailedChunk:
    return FailedChunk(number * 1_000, number * 1_000 + 999, BadRequest(f"chunk {number}"))


def test_a_report_without_failures_raises_nothing() -> None:
    SegmentReport(requests=3, ids=2_500).raise_for_failures()


def test_all_failures_are_raised_in_one_group() -> None:
    chunks = (failed(0), failed(3))
    with pytest.raises(ExceptionGroup) as caught:
        SegmentReport(requests=9, ids=9_000, failed=chunks).raise_for_failures()
    assert list(caught.value.exceptions) == [chunk.error for chunk in chunks]
    assert caught.value.message == (
        "2 of 9 requests failed; they held the ids at 0 to 999, 3,000 to 3,999, counted from 0"
    )


def test_a_group_of_many_names_the_first_few() -> None:
    chunks = tuple(map(failed, range(20)))
    with pytest.raises(ExceptionGroup, match="4,000 to 4,999 and more, counted from 0"):
        SegmentReport(requests=20, ids=20_000, failed=chunks).raise_for_failures()


def test_failures_can_be_told_apart_by_kind() -> None:
    caught: list[BaseException] = []
    try:
        SegmentReport(requests=1, ids=1, failed=(failed(0),)).raise_for_failures()
    except* AppcuesError as errors:
        caught.extend(errors.exceptions)
    assert len(caught) == 1
