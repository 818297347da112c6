"""Rows of CSV files: which are taken, which are rejected, and with what reason."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appcues_async.errors import InvalidInput
from appcues_async.rows import csv_judge
from appcues_async.rows.csv_columns import Reader, arrow_reader, read_with_csv
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.csv_text import row_spans, stretches
from appcues_async.rows.ids import id_rule
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.verdict import BadRow

ARROW = arrow_reader()
assert ARROW is not None
READERS: dict[str, Reader] = {"pyarrow": ARROW, "the csv module": read_with_csv}
KINDS = {"profiles": PROFILES, "events": EVENTS, "user ids": USER_IDS}
HEADERS = {
    "profiles": ["user_id", "plan"],
    "events": ["user_id", "name", "timestamp", "attributes"],
    "user ids": ["user_id"],
}
PLAN = HEADERS["profiles"]


@pytest.fixture(params=list(READERS))
def reader(request: pytest.FixtureRequest) -> Reader:
    return READERS[request.param]


def rejected(block: bytes, header: Sequence[str] = PLAN, kind: Kind = PROFILES) -> list[BadRow]:
    verdict = CsvJudge(kind, "full", header).judge(block, at_end=True)
    assert verdict.size == len(block)
    assert verdict.lines == block.count(b"\n")
    good = 0
    for start, stop in [(0, len(block))] if verdict.spans is None else verdict.spans:
        text = block[start:stop]
        good += sum(not text[one:two].isspace() for one, two in row_spans(text))
    assert good + len(verdict.bad) == verdict.rows
    return list(verdict.bad)


# --- quotes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "bad"),
    {
        "in the middle of a cell": (b'1,5" pipe\n2,x\n3,6" pipe\n4,x\n', {0: 0, 2: 2}),
        "escaped by backslashes": (b'1,"He said \\"hi\\""\n2,x\n', {0: 0}),
        "within a quoted cell": (b'1,"Joe "Fish" Smith"\n2,x\n', {0: 0}),
        "followed by a blank": (b'1,"abc" \n2,x\n', {0: 0}),
        "after a blank": (b'1, "abc"\n2,x\n', {0: 0}),
        "behind a line break in quotes": (b'1,"a\nb",5"\n2,x\n', {0: 0}),
        "opened and never closed": (b'1,x\n2,"pro\n3,pro\n4,pro', {1: 1}),
        "closed two rows on": (b'1,"abc\n2,plain\n3,y"z\n4,x\n', {0: 0, 1: 1, 2: 2}),
        "of the very last cell": (b'1,x\n2,"', {1: 1}),
    }.values(),
)
def test_only_rows_whose_quotes_are_wrong_are_rejected(block: bytes, bad: dict[int, int]) -> None:
    found = rejected(block)
    assert {one.index: one.line for one in found} == bad
    assert all("quote" in one.reason for one in found)


def test_after_a_quote_that_is_never_closed_rows_need_all_their_cells() -> None:
    found = rejected(b'1,"abc\n2,x\nhello there\n3,x\n')
    assert [one.index for one in found] == [0, 2]
    assert "after a quote that is never closed" in found[1].reason


@pytest.mark.parametrize(
    "cell", [b'"a,b"', b'"two\nlines"', b'"a ""quote"""', b'""', b'"\r"', b'"\r\n"', b'""""']
)
def test_quotes_as_rfc_4180_has_them_are_taken(cell: bytes, reader: Reader) -> None:
    block = (b"1," + cell + b"\n") * 3
    judge = CsvJudge(PROFILES, "full", PLAN, [reader])
    verdict = judge.judge(block, at_end=True)
    assert (verdict.rows, list(verdict.bad)) == (3, [])


def test_a_row_that_may_go_on_is_not_judged_yet() -> None:
    for block in (b'1,"abc', b'1,"abc"', b"1,abc", b'1,"a\nb', b'1,"a"x', b'1,5"'):
        assert CsvJudge(PROFILES, "full", PLAN).judge(block, at_end=False).size == 0
    verdict = CsvJudge(PROFILES, "full", PLAN).judge(b'1,x\n2,"a\nb', at_end=False)
    assert (verdict.size, verdict.rows) == (4, 1)


# --- what single rows are rejected for -----------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    {
        "the header": (b"user_id,plan\n", "the header once more"),
        "the header in another order": (b"plan,user_id\n", "the header once more"),
        "the header of a file put behind": (b"\xef\xbb\xbfuser_id,plan\n", "byte order mark"),
        "a byte order mark": (b"\xef\xbb\xbf7,pro\n", "byte order mark"),
        "a null of a database": (b"7,\\N\n", "plan is \\N"),
        "a placeholder": (b"null,pro\n", "'null', which programs write"),
        "a number of a spreadsheet": (b"1.5E+17,pro\n", "which a spreadsheet made"),
        "a padded id": (b"7 ,pro\n", "blanks around it"),
        "an invisible character": ("7\u200b,pro\n".encode(), "zero width space"),
        "no id": (b",pro\n", "no user_id"),
        "nothing": (b",\n", "the row is empty"),
        "too many cells": (b"7,pro,x\n", "has 3 cells, and the header 2"),
        "a carriage return alone": (b"7,a\r8,b\n", "carriage return alone"),
        "another encoding": (b"7,\xfc\n", "not UTF-8 at byte"),
    }.values(),
)
def test_a_row_is_rejected_for(row: bytes, reason: str) -> None:
    (found,) = rejected(b"1,x\n\n" + row + b"2,y\n")
    assert (found.index, found.line) == (1, 2)
    assert reason in found.reason


def test_ids_that_are_allowed_by_name_are_taken(reader: Reader) -> None:
    kind = PROFILES.with_ids(id_rule({"null"}))
    verdict = CsvJudge(kind, "full", PLAN, [reader]).judge(b"null,x\nnan,x\n", at_end=True)
    assert [one.index for one in verdict.bad] == [1]


def test_an_empty_column_without_a_name_does_no_harm(reader: Reader) -> None:
    judge = CsvJudge(PROFILES, "full", ["user_id", "plan", "", ""], [reader])
    assert not judge.judge(b"1,x,,\n2,y,,\n", at_end=True).bad
    (found,) = judge.judge(b"1,x,,\n2,y,,z\n", at_end=True).bad
    assert found.reason == (
        "the row has 'z' in column 4, which has no name; name it in the header, or leave it empty"
    )
    assert found.row == ["2", "y", "", "z"]


@pytest.mark.parametrize(
    ("time", "good"),
    [
        ("0000-12-31T23:30:00-02:00", False),
        ("0001-01-01T00:30:00+00:00", True),
        ("0001-01-09T00:30:00.123456789+02:00", True),
        ("9999-12-31T23:30:00-02:00", True),
    ],
)
def test_years_begin_with_1_as_they_do_in_single_rows(
    reader: Reader, time: str, good: bool
) -> None:
    judge = CsvJudge(EVENTS, "full", HEADERS["events"], [reader])
    assert (not judge.judge(f"1,Paid,{time},\n".encode(), at_end=True).bad) == good


@pytest.mark.parametrize(
    "row", [b"plan,user_id\n", b"user_id,plan\n", b"null,x\n", b"[object Object],\n"]
)
def test_one_row_among_thousands_is_found(reader: Reader, row: bytes) -> None:
    judge = CsvJudge(PROFILES, "full", PLAN, [reader])
    verdict = judge.judge(b"u-1,x\n" * 2_000 + row + b"u-2,y\n" * 2_000, at_end=True)
    assert [one.index for one in verdict.bad] == [2_000]


def test_attributes_of_an_event_are_no_text_in_a_cell(reader: Reader) -> None:
    block = b'1,Paid,2026-01-01T00:00:00Z,"{""amount"": 5}"\n2,Paid,2026-01-01T00:00:00Z,\n'
    judge = CsvJudge(EVENTS, "full", HEADERS["events"], [reader])
    (found,) = judge.judge(block, at_end=True).bad
    assert "attributes is '{\"amount\": 5}'; it must be a mapping" in found.reason


def test_a_row_may_lack_cells_at_its_end_or_have_empty_ones_more(reader: Reader) -> None:
    judge = CsvJudge(PROFILES, "full", ["user_id", "plan", "seats"], [reader])
    verdict = judge.judge(b"1,x,3\n2\n3,,,,\n", at_end=True)
    assert (verdict.rows, list(verdict.bad)) == (3, [])


def test_nothing_is_looked_at_without_a_check() -> None:
    block = b'1,5" pipe\n\nnull,x\n2,"two\nlines"\n3,"abc'
    verdict = CsvJudge(PROFILES, "none", PLAN).judge(block, at_end=True)
    assert (verdict.size, verdict.rows, verdict.spans) == (len(block), 4, None)
    assert not verdict.bad


# --- by columns as one by one --------------------------------------------------------------------

PIECE = st.sampled_from(
    [
        *(b'"', b'""', b",", b"\n", b"\r\n", b"\r", b" ", b"\t", b"a", b"7", b"id", b".0", b"E"),
        *(b"\x7f", b"\x00", b"\xc3\xa9", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\x8b", b"\\N", b"\\"),
        *(b"user_id", b"plan", b"null", b"12345", b"1.5E+17", b"appcues:x", b"n" * 128),
        *(b"2026-07-14T12:34:56Z", b"2026-02-30T12:34:56+01:00"),
    ]
)
TIME = st.sampled_from(
    [
        *("2026-07-14T12:34:56Z", "2026-07-14T12:34:56.789+02:00", "2026-07-14T12:34:56.1234567Z"),
        *(
            "2026-07-14T12:34Z",
            "2026-07-14T12Z",
            "2026-07-14T12:34:56-23:59",
            "9999-12-31T23:59:59Z",
        ),
        *(
            "2026-07-14 12:34:56Z",
            "2026-07-14T12:34:56",
            "2026-07-14T24:00:00Z",
            "20260714T123456Z",
        ),
        *(
            "2026-07-14T12:34:56+0200",
            "2026-07-14T12:34:56+02",
            "2026-07-14T12:34:56.Z",
            "0001-01-01",
        ),
        *("2026-07-14t12:34:56Z", "2026-07-14T12:34:56z", " 2026-07-14T12:34:56Z", "", "now"),
        *("0000-07-14T12:34:56Z", "2026-07-14T12:34:60Z", "2026-W29-2T12:34:56Z", "2026-07-14TZ"),
    ]
)
ID = st.sampled_from(
    [
        "u-1",
        "ü 2",
        "007",
        "7.0",
        "1.5E+17",
        "CAFE",
        "null",
        "nan",
        "",
        " ",
        "7 ",
        "7\u200b",
        "user_id",
    ]
)
NAME = st.sampled_from(["Paid", "", " ", "appcues:x", "n" * 127, "n" * 128, "é", "timestamp"])
TEXT = st.text(st.sampled_from('ab,"\n\r ;é€𝄞\ufeff\\N'), max_size=6)
CELLS: dict[str, Sequence[st.SearchStrategy[str]]] = {
    "profiles": [ID, TEXT],
    "events": [ID, NAME, TIME, st.sampled_from(["", "", "{}"])],
    "user ids": [ID],
}


def one_by_one(block: bytes, kind: Kind, header: Sequence[str]) -> list[tuple[int, str]]:
    """What a look at each row by itself finds."""
    judge, bad, rows = CsvJudge(kind, "full", header), list[tuple[int, str]](), 0
    for stretch in stretches(block, at_end=True):
        text = block[stretch.start : stretch.stop]
        if stretch.reason is None:
            verdict = judge.one_by_one(text)
            bad += [(rows + one.index, one.reason) for one in verdict.bad]
            rows += verdict.rows
        else:
            bad.append((rows, f"the row is no CSV: {stretch.reason}"))
            judge._may_be_text = judge._may_be_text or stretch.never_closed
            rows += 1
    return bad


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("reads", READERS)
@example(pieces=[b'a"\n"x\ny\nz"\nb"\n'])
@example(pieces=[b"u1,Signed up,0000-01-01T00:00:00Z,\n"])
@given(pieces=st.lists(PIECE, min_size=1, max_size=40))
def test_any_bytes_are_judged_by_columns_as_one_by_one(
    name: str, reads: str, pieces: list[bytes]
) -> None:
    block, kind, header = b"".join(pieces), KINDS[name], HEADERS[name]
    verdict = CsvJudge(kind, "full", header, [READERS[reads]]).judge(block, at_end=True)
    assert [(one.index, one.reason) for one in verdict.bad] == one_by_one(block, kind, header)
    assert verdict.size == len(block)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("reads", READERS)
@given(data=st.data(), ending=st.sampled_from(["\n", "\r\n"]), all_quoted=st.booleans())
def test_rows_that_are_written_well_are_judged_by_columns_as_one_by_one(
    name: str, reads: str, data: st.DataObject, ending: str, all_quoted: bool
) -> None:
    kind, header = KINDS[name], HEADERS[name]
    rows = data.draw(st.lists(st.tuples(*CELLS[name]), min_size=1, max_size=6))
    block = written(rows, ending, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL)
    verdict = CsvJudge(kind, "full", header, [READERS[reads]]).judge(block, at_end=True)
    assert [(one.index, one.reason) for one in verdict.bad] == one_by_one(block, kind, header)


def written(rows: Sequence[Sequence[str]], ending: str = "\n", quoting: Any = 0) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=ending, quoting=quoting).writerows(rows)
    return file.getvalue().encode()


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_a_row_has_the_verdict_that_it_has_in_memory(name: str, data: st.DataObject) -> None:
    kind, header = KINDS[name], HEADERS[name]
    cells = data.draw(st.tuples(*CELLS[name]))
    if "\\N" in cells or cells[0].startswith("\ufeff") or sorted(cells) == sorted(header):
        return
    block = written([cells], quoting=csv.QUOTE_ALL)
    row: Any = {one: cell for one, cell in zip(header, cells, strict=True) if cell}
    try:
        kind.check(cells[0] if kind.is_list else row, "the row")
        expected = None
    except InvalidInput as error:
        expected = str(error) if row or kind.is_list else "the row is empty"
    reasons = [one.reason for one in CsvJudge(kind, "full", header).judge(block, at_end=True).bad]
    assert reasons == [] if expected is None else reasons[0].startswith(expected)


BLOCKS: dict[str, tuple[Kind, Sequence[str], bytes]] = {
    "quoted line breaks": (PROFILES, PLAN, b'u-1,"one\nor ""two"""\nu-2,three\n'),
    "empty cells": (PROFILES, ["user_id", "a", "b"], b"u-1,,\r\nu-2,x,\r\n"),
    "the id in the middle": (PROFILES, ["plan", "user_id"], "pro,u-1\nfré,ü 2\n".encode()),
    "everything in quotes": (PROFILES, PLAN, b'"u-1","pro"\n"u-2","free"\n'),
    "blank lines": (PROFILES, PLAN, b"\nu-1,pro\n\r\nu-2,free\n\n"),
    "backslashes": (PROFILES, PLAN, b"u-1,a\\b\nu-2,free\n"),
    "numbers": (PROFILES, PLAN, b"1,free\n2,free\n"),
    "events": (
        EVENTS,
        HEADERS["events"],
        b"u-1,Clicked,2026-07-14T12:34:56Z,\nu-2,Left,2026-07-14T12:34:56.789+02:00,\n",
    ),
    "nanoseconds": (EVENTS, HEADERS["events"], b"u,Left,2026-07-14T12:34:56.123456789Z,\n" * 2),
    "ids": (USER_IDS, ["user_id"], b"u-1\nu-2"),
    "a nameless column": (PROFILES, ["user_id", ""], b"u-1,\nu-2,\n"),
}


@pytest.mark.parametrize(("kind", "header", "block"), BLOCKS.values(), ids=BLOCKS)
def test_good_rows_need_no_closer_look(
    kind: Kind,
    header: Sequence[str],
    block: bytes,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look(*_: Any) -> None:
        raise AssertionError("looked at row by row")

    monkeypatch.setattr(CsvJudge, "one_by_one", look)
    verdict = CsvJudge(kind, "full", header, [reader]).judge(block, at_end=True)
    assert (verdict.rows, list(verdict.bad)) == (2, [])


def test_without_pyarrow_the_csv_module_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_judge, "arrow_reader", lambda: None)
    assert CsvJudge(PROFILES, "full", PLAN)._readers == [read_with_csv]


def test_it_is_known_that_pyarrow_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert arrow_reader() is None
