"""Rows that would be sent as something else than they are."""

from __future__ import annotations

from typing import Any

import pytest

from appcues_async.bulk.reading.checks import Check
from appcues_async.bulk.reading.csv_checks import CsvChecker
from appcues_async.bulk.reading.marks import CsvMarks, JsonMarks
from appcues_async.bulk.reading.ndjson_checks import NdjsonChecker
from appcues_async.rows.kinds import EVENTS, PROFILES


@pytest.fixture(params=[True, False], ids=["with marks", "without"])
def marked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("check", ["full", "ids"])
@pytest.mark.parametrize("between", [b"", b"\r", b" "])
def test_two_rows_on_one_line_are_rejected(check: Check, between: bytes, marked: bool) -> None:
    block = b'{"user_id":"1"}' + between + b'{"user_id":"2"}\n{"user_id":"3"}\n'
    marks: Any = JsonMarks(block, at_end=True) if marked else None
    found = NdjsonChecker(PROFILES, check).check(block, marks)
    assert (found.rows, [bad.index for bad in found.bad]) == (2, [0])


@pytest.mark.parametrize("check", ["full", "ids"])
def test_a_quote_that_is_never_closed_takes_no_other_rows_along(check: Check, marked: bool) -> None:
    block = b'1,pro\n2,"pro\n3,pro\n4,pro\n'
    marks: Any = CsvMarks(block, at_end=True) if marked else None
    found = CsvChecker(PROFILES, check, ["user_id", "plan"]).check(block, marks)
    assert found.rows == 2
    assert [bad.row for bad in found.bad] == ['2,"pro\n3,pro\n4,pro\n']
    assert found.pieces == [(0, 6)]


def test_quotes_within_cells_take_no_other_rows_along(marked: bool) -> None:
    block = b'1,5" wide\n2,pro\n3,6" wide\n4,pro\n'
    marks: Any = CsvMarks(block, at_end=True) if marked else None
    found = CsvChecker(PROFILES, "full", ["user_id", "size"]).check(block, marks)
    assert [bad.row for bad in found.bad] == ['1,5" wide\n2,pro\n3,6" wide\n']


def test_a_carriage_return_alone_does_not_hide_a_second_row(marked: bool) -> None:
    block = b"1,a,b\r2,c,d\r\n3,e,f\r\n"
    marks: Any = CsvMarks(block, at_end=True) if marked else None
    found = CsvChecker(PROFILES, "full", ["user_id", "x", "y"]).check(block, marks)
    assert [bad.index for bad in found.bad] == [0]
    block = b"1,a,b\r\n3,e\rg,f\r\n"
    marks = CsvMarks(block, at_end=True) if marked else None
    found = CsvChecker(PROFILES, "full", ["user_id", "x", "y"]).check(block, marks)
    assert [bad.index for bad in found.bad] == [1]


def test_a_row_is_judged_the_same_whatever_is_beside_it(marked: bool) -> None:
    time = b'{"user_id":"1","name":"Paid","timestamp":"2026-07-14T12:00:00%s"}\n'
    user = b'{"user_id":"1","userId":null}\n'
    for kind, row, bad in [
        (EVENTS, time % b"Z", 0),
        (EVENTS, time % b"z", 1),
        (PROFILES, user, 1),
    ]:
        checker = NdjsonChecker(kind, "full")
        marks: Any = JsonMarks(row, at_end=True) if marked else None
        assert len(checker.check(row, marks).bad) == len(checker.one_by_one(row).bad) == bad
