"""The rows of replies in CSV."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.errors import (
    UnexpectedReply,
)
from tests.wire.replies import reply


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"id,name\r\n7,A\r\n8,B\r\n", [{"id": "7", "name": "A"}, {"id": "8", "name": "B"}]),
        (b'id,name\n7,"a ""b"",\nc"\n', [{"id": "7", "name": 'a "b",\nc'}]),
        (b"\xef\xbb\xbfid\n007\n", [{"id": "007"}]),
        ("id\né\n".encode(), [{"id": "é"}]),
        (b"id,name\n7,\n", [{"id": "7", "name": ""}]),
        (b"id,name\n", []),
        (b"", []),
    ],
)
def test_the_rows_of_a_csv_answer_are_text_by_column(
    body: bytes, rows: list[dict[str, str]]
) -> None:
    assert reply(body, headers={"Content-Type": "text/csv"}).rows() == rows


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"id,name\n7\n", "row 1 has 1 cells under 2 columns"),
        (b"id\n7\n8,9\n", "row 2 has 2 cells under 1 columns"),
        (b'id\n"7\n', "not CSV"),
        (b"id\n\xff\n", "not CSV"),
    ],
)
def test_what_is_no_csv_is_an_unexpected_reply(body: bytes, rule: str) -> None:
    with pytest.raises(UnexpectedReply, match=rule):
        reply(body).rows()


def test_json_is_not_taken_for_csv() -> None:
    answer = reply([], headers={"Content-Type": "application/json; charset=utf-8"})
    with pytest.raises(UnexpectedReply, match=r"ask with accept='text/csv'"):
        answer.rows()


CSV_PARTS = st.sampled_from([b",", b'"', b"\n", b"\r", b"a", b"\xff", b"\x00"])


@given(st.binary() | st.lists(CSV_PARTS).map(b"".join))
def test_any_bytes_are_rows_or_an_unexpected_reply(body: bytes) -> None:
    with contextlib.suppress(UnexpectedReply):
        reply(body).rows()
