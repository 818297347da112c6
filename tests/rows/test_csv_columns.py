"""Columns of CSV as the csv module reads them, where pyarrow is not installed."""

from __future__ import annotations

import csv

from appcues_async.rows.csv_columns import read_with_csv


def test_only_the_columns_that_are_wanted_are_taken() -> None:
    columns = read_with_csv(b"1,Ada,x\n2,Joe,y\n", 3, [0, 2])
    assert columns is not None
    assert columns.rows == 2
    assert [list(columns.texts(column)) for column in (0, 2)] == [["1", "2"], ["x", "y"]]


def test_a_cell_may_be_longer_than_the_library_takes() -> None:
    long = b"x" * (csv.field_size_limit() + 1)
    columns = read_with_csv(b"1,%s\n" % long, 2, [1])
    assert columns is not None
    assert list(columns.texts(1)) == [long.decode()]


def test_what_is_no_utf_8_or_has_wrong_quotes_is_read_row_by_row() -> None:
    assert read_with_csv(b"1,\xff\n", 2, [0]) is None
    assert read_with_csv(b'1,"a"b\n', 2, [0]) is None


def test_a_row_with_more_cells_than_columns_is_read_row_by_row() -> None:
    assert read_with_csv(b"1,a,b\n", 2, [0]) is None


def test_cells_without_a_column_may_be_empty_and_missing_ones_are() -> None:
    columns = read_with_csv(b"1,a,\n2\n\n", 2, [0, 1])
    assert columns is not None
    assert [list(columns.texts(column)) for column in (0, 1)] == [["1", "2"], ["a", ""]]
