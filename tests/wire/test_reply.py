"""A reply as it came, and what it says when it says no."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from appcues_async.wire.reply import Problem, error_of, excerpt
from tests.wire.replies import reply

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
