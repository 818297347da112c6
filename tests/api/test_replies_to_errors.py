"""Which answer becomes which error, for every form of error body that is known."""

from __future__ import annotations

import pytest
from aioresponses import aioresponses

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    BadRequest,
    Delivery,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ReplyError,
    RetryPolicy,
    ServerError,
    Throttled,
    Unauthorized,
    UnsupportedMediaType,
)

SEGMENTS = "https://api.appcues.com/v2/accounts/123/segments"
ONCE = RetryPolicy(attempts=1)

V2 = {"error": True, "status": 400, "title": "Bad Request", "detail": "`name` is required"}
V1 = {
    "error": True,
    "message": {"title": "no route", "description": "no route found", "type": "error"},
    "status_code": 404,
}
CUSTOMER_IO = {"meta": {"errors": ["bad segment", "worse ids"]}}


def client() -> AppcuesClient:
    return AppcuesClient("123", "key", "secret", throttle=None, retry=ONCE)


async def error_of(replies: aioresponses, **answer: object) -> AppcuesError:
    replies.get(SEGMENTS, **answer)
    async with client() as opened:
        with pytest.raises(AppcuesError) as caught:
            await opened.segments.list()
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (415, UnsupportedMediaType),
        (429, Throttled),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (409, ReplyError),
        (413, ReplyError),
        (422, ReplyError),
    ],
)
async def test_each_status_has_its_error(
    replies: aioresponses, status: int, kind: type[AppcuesError]
) -> None:
    error = await error_of(replies, status=status, payload=V2)
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    ("answer", "title", "detail"),
    [
        ({"payload": V2}, "Bad Request", "`name` is required"),
        ({"payload": V1}, "no route", "no route found"),
        ({"payload": CUSTOMER_IO}, None, "bad segment; worse ids"),
        ({"payload": {"title": "Only a title"}}, "Only a title", None),
        ({"body": "slow down"}, None, "slow down"),
        ({"body": "<html><body><h1>Sorry</h1></body></html>"}, None, "Sorry"),
        ({"body": ""}, None, None),
        ({"body": b"\xff\xfe"}, None, "��"),
        ({"payload": ["not", "an", "object"]}, None, '["not", "an", "object"]'),
    ],
)
async def test_each_form_of_error_body_is_read(
    replies: aioresponses, answer: dict[str, object], title: str | None, detail: str | None
) -> None:
    error = await error_of(replies, status=400, **answer)
    assert error.problem is not None
    assert (error.problem.title, error.problem.detail) == (title, detail)


async def test_the_text_holds_request_status_title_and_detail(replies: aioresponses) -> None:
    error = await error_of(replies, status=400, payload=V2)
    assert str(error) == "GET segments: 400 Bad Request: `name` is required"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        (
            {
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
                "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
            },
            30,
        ),
    ],
)
async def test_retry_after_is_on_the_error_in_seconds(
    replies: aioresponses, headers: dict[str, str], seconds: float | None
) -> None:
    error = await error_of(replies, status=429, headers=headers)
    assert error.retry_after == seconds


async def test_the_whole_reply_is_on_the_error(replies: aioresponses) -> None:
    error = await error_of(replies, status=400, payload=V2, headers={"X-Request-Id": "abc"})
    assert error.reply is not None
    assert error.reply.headers["x-request-id"] == "abc"
    assert error.reply.json() == V2


async def test_a_5xx_to_what_may_not_be_repeated_is_an_unknown_outcome(
    replies: aioresponses,
) -> None:
    replies.post(SEGMENTS, status=500, payload=V2)
    async with client() as opened:
        with pytest.raises(OutcomeUnknown) as caught:
            await opened.with_options(on_unknown="raise").segments.create("one")
    assert caught.value.status == 500
    assert caught.value.delivery is Delivery.UNKNOWN


async def test_unknown_fields_of_a_reply_are_kept(replies: aioresponses) -> None:
    replies.get(SEGMENTS, payload=[{"id": "s1", "name": "One", "colour": "red"}])
    async with client() as opened:
        (segment,) = await opened.segments.list()
    assert segment.extra == {"colour": "red"}


async def test_a_list_wrapped_in_an_object_is_read(replies: aioresponses) -> None:
    replies.get(SEGMENTS, payload={"segments": [{"id": "s1"}], "total": 1})
    async with client() as opened:
        (segment,) = await opened.segments.list()
    assert segment.id == "s1"


async def test_the_region_chooses_the_server(replies: aioresponses) -> None:
    replies.get("https://api.eu.appcues.com/v2/accounts/123/segments", payload=[])
    async with AppcuesClient("123", "key", "secret", region="eu", throttle=None) as opened:
        assert await opened.segments.list() == []
