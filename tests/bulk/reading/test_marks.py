"""Marks prove what a closer look finds as well, and never more."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appcues_async.bulk.reading import csv_checks, ndjson_checks
from appcues_async.bulk.reading.checks import Check, Checked
from appcues_async.bulk.reading.csv_checks import CsvChecker
from appcues_async.bulk.reading.marks import CsvMarks, JsonMarks, mark
from appcues_async.bulk.reading.ndjson_checks import NdjsonChecker
from appcues_async.bulk.reading.row_edges import last_edge, marking
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind

CHECKS: list[Check] = ["full", "ids", "none"]
KINDS = {"profiles": PROFILES, "events": EVENTS, "user ids": USER_IDS}

PIECE = st.sampled_from(
    [
        b'"',
        b'""',
        b",",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b"a",
        b"7",
        b"id",
        b"\x7f",
        b"\x00",
        b"\xc3\xa9",
        b"\xff",
        b"appcues:x",
        b"2026-07-14T12:34:56Z",
        b"2026-02-30T12:34:56+01:00",
        b"x" * 70,
    ]
)
"""What blocks of CSV are made of, well or badly."""

JSON_PIECE = st.sampled_from(
    [
        b'{"user_id":"',
        b'"',
        b"\\",
        b'"}',
        b'",',
        b'"userId":"a"',
        b'"n":',
        b"1",
        b"e9",
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b" ",
        b"\n",
        b"\r\n",
        b'""',
        b"\\u0041",
        b"\\u0000",
        b"\\\\",
        b"\xff",
        b"\xc3\xa9",
        b"1" * 200,
        b"true",
        b"null",
        b'"name":"n"',
        b'"timestamp":"2026-07-14T12:34:56Z"',
        b",",
    ]
)

VALUE: Any = st.recursive(
    st.text(max_size=8)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.sampled_from(["", "[", "{", '"', "\\", 'a"b', "\\\\", "7e5", "e"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)
OBJECT = st.dictionaries(
    st.sampled_from(["user_id", "userId", "name", "timestamp", "plan", "", "attributes"]),
    VALUE | st.sampled_from(["u-1", " ", "2026-07-14T12:34:56Z", "appcues:no"]),
    max_size=5,
)
LINE = OBJECT.map(lambda one: json.dumps(one).encode()) | OBJECT.map(
    lambda one: json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()
)


def judged(found: Checked) -> Any:
    return found.rows, [(bad.index, bad.line, bad.reason) for bad in found.bad], found.pieces


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("check", ["full", "ids"])
@settings(max_examples=200, deadline=None)
@example(pieces=[b' "\n"\n""'])
@example(pieces=[b'a"\n"x\ny\nz"\nb"\n'])
@given(pieces=st.lists(PIECE, min_size=1, max_size=40))
def test_a_block_of_csv_is_judged_as_its_rows_are_one_by_one(
    kind: Kind, check: Check, pieces: list[bytes]
) -> None:
    header = ["user_id"] if kind is USER_IDS else ["user_id", "name", "timestamp"]
    block = b"".join(pieces)
    if check == "ids":
        # That takes any encoding.
        block = block.replace(b"\xff", b"a")
    checker = CsvChecker(kind, check, header)
    found = checker.check(block, CsvMarks(block, at_end=True))
    assert judged(found) == judged(checker.one_by_one(block))


@settings(max_examples=200, deadline=None)
@given(
    table=st.lists(
        st.lists(st.text(st.sampled_from('ab,"\n é'), max_size=9), min_size=2, max_size=2),
        min_size=1,
    ),
    blank=st.sampled_from(["", "\n", "\r\n"]),
)
def test_rows_of_csv_are_counted_without_blank_lines(table: list[list[str]], blank: str) -> None:
    file = io.StringIO(newline="")
    for row in table:
        csv.writer(file, lineterminator="\n").writerow(row)
        file.write(blank)
    marks = CsvMarks(file.getvalue().encode(), at_end=False)
    assert marks.rows == len(table)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.lists(JSON_PIECE, max_size=12).map(b"".join) | LINE, min_size=1, max_size=8)
)
def test_a_block_of_ndjson_is_judged_as_its_rows_are_one_by_one(
    kind: Kind, rows: list[bytes]
) -> None:
    block = b"\n".join(rows) or b"\n"
    checker = NdjsonChecker(kind, "full")
    found = checker.check(block, JsonMarks(block, at_end=True))
    assert judged(found) == judged(checker.one_by_one(block))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(max_examples=200, deadline=None)
@given(rows=st.lists(LINE, min_size=1, max_size=8))
def test_ids_of_json_objects_are_judged_as_they_are_one_by_one(
    kind: Kind, rows: list[bytes]
) -> None:
    block = b"\n".join(rows)
    checker = NdjsonChecker(kind, "ids")
    # What it learns from one block it uses for the next.
    checker.check(b'{"user_id":"u"}\n')
    found = checker.check(block, JsonMarks(block, at_end=True))
    assert judged(found) == judged(checker.one_by_one(block))


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(PIECE, min_size=1, max_size=60), is_csv=st.booleans())
def test_the_last_edge_is_the_same_with_marks_and_without(
    pieces: list[bytes], is_csv: bool
) -> None:
    block = b"".join(pieces)
    marks = mark(block, csv=is_csv, at_end=False)
    assert marks.edge == last_edge(block, is_csv)
    assert marks.breaks == block[: marks.edge].count(b"\n")


@settings(max_examples=200, deadline=None)
@given(
    table=st.lists(
        st.lists(st.text(st.sampled_from('ab,"\n é'), max_size=70), min_size=3, max_size=3),
        min_size=1,
    ),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_cells_are_found_where_the_csv_module_finds_them(
    table: list[list[str]], ending: str
) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(table)
    block = file.getvalue().encode()
    cells = CsvMarks(block, at_end=True).cells(3)
    assert cells is not None
    begins, ends = cells
    found = [
        [block[begin:end] for begin, end in zip(some, others, strict=True)]
        for some, others in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
    assert found == [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"'.encode() for cell in row] for row in table
    ]


BLOCKS = {
    "quoted line breaks": (PROFILES, ["user_id", "note"], b'u-1,"one\nor ""two"""\nu-2,three\n'),
    "empty cells": (PROFILES, ["user_id", "a", "b"], b"u-1,,\r\nu-2,x,\r\n"),
    "the id in the middle": (PROFILES, ["plan", "user_id", "b"], "pro,u-1,\nfree,u-2,é\n".encode()),
    "ids in quotes": (PROFILES, ["user_id", "plan"], b'"u-1","pro"\n"u-2","free"\n'),
    "events": (
        EVENTS,
        ["user_id", "name", "timestamp"],
        b"u-1,Clicked,2026-07-14T12:34:56Z\nu-2,Left,2026-07-14T12:34:56.789+02:00\n",
    ),
    "only ids": (USER_IDS, ["user_id"], b"u-1\nu-2\nu-3\n"),
}


@pytest.mark.parametrize(("kind", "header", "block"), BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("check", CHECKS)
def test_good_csv_needs_no_closer_look(
    kind: Kind, header: list[str], block: bytes, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_checks, "cells_of", None)
    found = CsvChecker(kind, check, header).check(block, CsvMarks(block, at_end=False))
    assert (found.rows, found.pieces) == (2 + (kind is USER_IDS), None)


LINES = {
    "plain": b'{"user_id":"u-1","seats":3,"ok":true,"none":null,"share":0.5}\n',
    "text that looks like more": b'{"user_id":"u-1","note":"[1e5, {\\"a\\": \\"\\"}]"}\n',
    "letters of others": '{"userId":"ü-1","note":"naïve é 7e"}\n'.encode(),
    "escapes": b'{"user_id":"u-1","note":"caf\\u00e9 \\ud83d\\ude00\\n"}\n',
    "empty text": b'{"user_id":"u-1","note":"","last":""}\n',
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("check", CHECKS)
def test_good_ndjson_needs_no_closer_look(
    line: bytes, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndjson_checks, "row_spans", None)
    block = line * 3
    found = NdjsonChecker(PROFILES, check).check(block, JsonMarks(block, at_end=False))
    assert (found.rows, found.pieces) == (3, None)


TIMES = [
    *("2026-07-14T12:34:56Z", "2026-07-14T12:34:56.7+02:00", "2026-07-14T12:34:56.789012-05:30"),
]
NO_TIMES = [
    *(
        "2026-13-14T12:34:56Z",
        "2026-07-32T12:34:56Z",
        "2026-02-30T12:34:56Z",
        "2026-07-14T24:34:56Z",
    ),
    *(
        "2026-07-14T12:60:56Z",
        "2026-07-14T12:34:60Z",
        "2026-07-14 12:34:56Z",
        "2026-07-14T12:34:56",
    ),
    *("2026-07-14T12:34:56+24:00", "0000-07-14T12:34:56Z"),
    *("2026-07-1xT12:34:56Z", "2026-07-14T12:34:56.78x+02:00", "now"),
]


@pytest.mark.parametrize("time", TIMES + NO_TIMES)
def test_a_time_of_a_csv_is_judged_as_a_single_one_is(time: str) -> None:
    block = f"u-1,Clicked,{time}\nu-2,Clicked,{time}\n".encode()
    checker = CsvChecker(EVENTS, "full", ["user_id", "name", "timestamp"])
    found = checker.check(block, CsvMarks(block, at_end=False))
    assert len(found.bad) == (0 if time in TIMES else 2)


def test_without_numpy_there_are_no_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert marking() is not None
    for name in ("appcues_async.bulk.reading.marks", "appcues_async.bulk.reading.bits", "numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    assert marking() is None


def test_a_prefix_is_found_in_every_row_or_not_at_all() -> None:
    good = b'{"user_id":"a"}\n{"user_id":"b"}\n'
    assert JsonMarks(good, at_end=True).begin_with(b'{"user_id":"')
    for bad in (b'{"user_id":""}\n', b'{"user_id":" "}\n', b'{"user_iD":"a"}\n', b"\n", b"{"):
        assert not JsonMarks(good + bad, at_end=True).begin_with(b'{"user_id":"')
