"""An answer as it came, what it says when it says no, and how long it asks to wait."""

from __future__ import annotations

import contextlib
import json
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async.errors import (
    BadRequest,
    Delivery,
    Forbidden,
    NotFound,
    ReplyError,
    ServerError,
    Throttled,
    Unauthorized,
    UnexpectedReply,
    UnsupportedMediaType,
)
from appcues_async.wire.reply import Problem, Reply, error_of, excerpt, retry_after_of

DATE = "Tue, 14 Jul 2026 12:00:00 GMT"


def reply(
    body: bytes | object = b"", status: int = 200, headers: dict[str, str] | None = None
) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, CIMultiDictProxy(CIMultiDict(headers or {})), content)


# --- replies -------------------------------------------------------------------------------------


def test_headers_are_read_in_any_case() -> None:
    assert reply(headers={"X-Request-ID": "7"}).headers["x-request-id"] == "7"


def test_text_that_is_not_utf_8_is_replaced_and_never_raised() -> None:
    assert reply(b"caf\xe9").text() == "caf\ufffd"


@pytest.mark.parametrize(
    "value", [None, [], {"a": [1, 2.5, "é", None, True]}, 12345678901234567890]
)
def test_json_is_read(value: Any) -> None:
    assert reply(value).json() == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"{",
        b"{} {}",
        b"NaN",
        b"1e999",
        b'"\xff"',
        b'"\\ud800"',
        b"<html>no</html>",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_not_json_is_an_unexpected_reply_that_carries_it(body: bytes) -> None:
    answer = reply(body)
    with pytest.raises(UnexpectedReply, match="200 with a body that is not JSON") as caught:
        answer.json()
    assert caught.value.reply is answer
    assert caught.value.delivery is Delivery.UNKNOWN
    assert len(str(caught.value)) < 300


def test_a_reply_shows_no_header_and_no_body() -> None:
    shown = repr(reply(b"harriet", headers={"Set-Cookie": "harriet"}))
    assert shown == "Reply(status=200)"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_reply_comes_out_of_a_pickle_as_it_went_in(protocol: int) -> None:
    before = reply(b"\x00\xff", 418, {"A": "1", "a": "2", "B": "3"})
    after = pickle.loads(pickle.dumps(before, protocol))
    assert after == before
    assert after.headers.getall("A") == ["1", "2"]


# --- rows of CSV answers -------------------------------------------------------------------------


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


# --- problems ------------------------------------------------------------------------------------

V1 = {
    "error": True,
    "message": {"title": "no route", "description": "no route found", "type": "error"},
    "status_code": 404,
}


@pytest.mark.parametrize(
    ("body", "title", "detail"),
    [
        (
            {"error": True, "status": 400, "title": "Bad Request", "detail": "`id` is required"},
            "Bad Request",
            "`id` is required",
        ),
        ({"title": "Only a title"}, "Only a title", None),
        ({"detail": "Only a detail"}, None, "Only a detail"),
        ({"title": None, "detail": ""}, None, None),
        ({"title": 5, "detail": ["a"]}, "5", "['a']"),
        (V1, "no route", "no route found"),
        ({"message": {}}, None, None),
        ({"meta": {"errors": ["one", "two"]}}, None, "one; two"),
        ({"meta": {"errors": []}}, None, None),
        ({"message": "Forbidden"}, None, '{"message": "Forbidden"}'),
        ({"errors": ["a"]}, None, '{"errors": ["a"]}'),
        ([], None, "[]"),
        ("slow down", None, '"slow down"'),
        (b"slow down", None, "slow down"),
        (b"", None, None),
        (b" \r\n ", None, None),
        (b"\xff\xfe", None, "\ufffd\ufffd"),
        (b"a\x1b[31m\x00\r\nb\tc", None, "a [31m b c"),
        (b"x" * 1000, None, "x" * 199 + "…"),
        (b"see https://example.com/file?key=s3cret now", None, "see https://… now"),
        (
            b"<!DOCTYPE html><html><head><title>502</title><style>p {}</style></head>"
            b"<body>\n<script>a < b</script><h1>Bad\n Gateway</h1></body></html>",
            None,
            "502 Bad Gateway",
        ),
    ],
)
def test_a_problem_is_read_in_every_form_that_is_known_and_any_other_is_quoted(
    body: bytes | object, title: str | None, detail: str | None
) -> None:
    assert Problem.of(reply(body, 400)) == Problem(title, detail)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"title":' * 100_000])
def test_a_body_nested_without_end_is_quoted(body: bytes) -> None:
    assert len(Problem.of(reply(body, 400)).detail or "") == 200


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["title", "detail", "message", "meta", "errors", "description"]), inner
        )
    ),
)


@given(JSON_VALUES)
@settings(max_examples=50)
def test_no_json_makes_reading_a_problem_fail(body: Any) -> None:
    problem = Problem.of(reply(body, 400))
    assert problem.title is None or problem.title
    assert problem.detail is None or problem.detail


@given(st.binary())
def test_no_bytes_make_reading_a_problem_fail(body: bytes) -> None:
    Problem.of(reply(body, 400))


@given(st.binary() | st.text().map(str.encode))
def test_an_excerpt_is_one_printable_line(body: bytes) -> None:
    text = excerpt(reply(body))
    assert len(text) <= 200
    assert text.isprintable()


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_success_is_no_error(status: int) -> None:
    assert error_of(reply(status=status), "GET x") is None


@pytest.mark.parametrize(
    ("status", "cls", "delivery"),
    [
        (400, BadRequest, Delivery.REFUSED),
        (401, Unauthorized, Delivery.REFUSED),
        (402, ReplyError, Delivery.REFUSED),
        (403, Forbidden, Delivery.REFUSED),
        (404, NotFound, Delivery.REFUSED),
        (408, ReplyError, Delivery.UNKNOWN),
        (415, UnsupportedMediaType, Delivery.REFUSED),
        (418, ReplyError, Delivery.REFUSED),
        (429, Throttled, Delivery.REFUSED),
        (500, ServerError, Delivery.UNKNOWN),
        (503, ServerError, Delivery.UNKNOWN),
        (599, ServerError, Delivery.UNKNOWN),
        (301, UnexpectedReply, Delivery.REFUSED),
        (304, UnexpectedReply, Delivery.REFUSED),
        (307, UnexpectedReply, Delivery.REFUSED),
    ],
)
def test_each_status_has_its_error_and_says_how_far_the_request_got(
    status: int, cls: type[Exception], delivery: Delivery
) -> None:
    error = error_of(reply(status=status), "GET x")
    assert type(error) is cls
    assert error.status == status
    assert error.delivery is delivery


def test_an_error_holds_request_status_title_and_detail() -> None:
    body = {"title": "Bad Request", "detail": "`widget_id` is required but missing"}
    error = error_of(reply(body, 400), "POST widgets")
    assert str(error) == "POST widgets: 400 Bad Request: `widget_id` is required but missing"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "GET x: 500"),
        (b"slow down", "GET x: 500 slow down"),
        ({"title": "Oops"}, "GET x: 500 Oops"),
        ({"detail": "Oops"}, "GET x: 500 Oops"),
    ],
)
def test_what_is_not_said_leaves_no_gap(body: bytes | object, message: str) -> None:
    assert str(error_of(reply(body, 500), "GET x")) == message


def test_an_error_carries_the_reply_and_its_problem() -> None:
    answer = reply(V1, 404, {"Retry-After": "7"})
    error = error_of(answer, "GET x")
    assert error is not None
    assert error.reply is answer
    assert error.problem == Problem("no route", "no route found")
    assert error.retry_after == 7


def test_a_redirect_is_refused_with_what_to_check() -> None:
    error = error_of(reply(status=302, headers={"Location": "https://example.com/?key=7"}), "GET x")
    assert str(error) == (
        "GET x: 302, a redirect, which is not followed; check region and base_url"
    )


# --- Retry-After ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("120", 120.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("99999999999", 99999999999.0),
        ("", None),
        ("-1", None),
        ("-100", None),
        ("+5", None),
        (".5", None),
        ("5.", None),
        ("1e3", None),
        ("0x10", None),
        ("1,5", None),
        ("1_000", None),
        ("٣", None),
        ("nan", None),
        ("inf", None),
        ("Infinity", None),
        ("9" * 400, None),
        ("invalid", None),
        ("5 seconds", None),
        ("soon; 5", None),
    ],
)
def test_seconds_are_read_and_nonsense_is_as_if_nothing_had_been_said(
    value: str, seconds: float | None
) -> None:
    assert retry_after_of(reply(status=429, headers={"Retry-After": value})) == seconds


def test_without_the_header_nothing_is_asked_for() -> None:
    assert retry_after_of(reply(status=429)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Tue, 14 Jul 2026 12:00:30 GMT", 30),
        ("Tue, 14 Jul 2026 12:00:00 GMT", 0),
        ("Tue, 14 Jul 2026 11:00:00 GMT", 0),
        ("Tuesday, 14-Jul-26 12:00:30 GMT", 30),
        ("Tue Jul 14 12:00:30 2026", 30),
        ("Tue, 14 Jul 2026 14:00:30 +0200", 30),
        ("Tue, 14 Jul 2026 12:00:30 -0000", 30),
        ("Tue, 14 Jul 2026 12:00:30", 30),
        ("Wed, 15 Jul 2026 12:00:00 GMT", 86_400),
        ("Tue, 99 Jul 2026 12:00:30 GMT", None),
        ("Tue, 14 Jul 2026 25:00:30 GMT", None),
        ("Tue, 14 Jul 99999999999999 12:00:30 GMT", None),
        ("Tue", None),
    ],
)
def test_a_date_is_measured_against_the_answers_own(value: str, seconds: float | None) -> None:
    headers = {"Retry-After": value, "Date": DATE}
    assert retry_after_of(reply(status=429, headers=headers)) == seconds


@pytest.mark.parametrize("date", [None, "", "junk"])
def test_without_the_answers_own_date_the_clock_of_this_machine_serves(date: str | None) -> None:
    due = format_datetime(datetime.now(UTC) + timedelta(seconds=1000), usegmt=True)
    headers = {"Retry-After": due} | ({} if date is None else {"Date": date})
    assert retry_after_of(reply(status=429, headers=headers)) == pytest.approx(1000, abs=30)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"X-RateLimit-Reset": "1784030430"}, 30),
        (429, {"X-RateLimit-Reset": "1784030000"}, 0),
        (429, {"X-RateLimit-Reset": "1784030430", "Retry-After": "7"}, 7),
        (429, {"X-RateLimit-Reset": "1784030430", "Retry-After": "junk"}, None),
        (503, {"X-RateLimit-Reset": "1784030430"}, None),
        (429, {"X-RateLimit-Reset": "30"}, None),
        (429, {"X-RateLimit-Reset": "1784030430000"}, None),
        (429, {"X-RateLimit-Reset": "-784030430"}, None),
        (429, {"X-RateLimit-Reset": "junk"}, None),
    ],
)
def test_a_429_may_say_it_as_the_moment_of_the_next_window(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_of(reply(status=status, headers={"Date": DATE, **headers})) == seconds


WORDS = st.sampled_from(
    [
        *("Tue,", "14", "Jul", "2026", "12:00:30", "GMT", "+0200", "-0000", "-9999", "99", "0"),
        *(":", ",", "(", "\\", '"', "", "12.00.30", "9999999999", "-", "Jul-26", "AM", "0000"),
    ]
)
DATES = st.lists(WORDS, max_size=8).map(" ".join)


@given(st.text() | DATES, st.text() | DATES | st.just(DATE))
@settings(max_examples=500)
def test_no_header_makes_it_fail_or_ask_for_less_than_nothing(value: str, date: str) -> None:
    seconds = retry_after_of(reply(status=429, headers={"Retry-After": value, "Date": date}))
    assert seconds is None or 0 <= seconds < float("inf")
