"""Which answer of Customer.io becomes which error."""

from __future__ import annotations

from typing import Any

import pytest
from aioresponses import aioresponses

from appcues_async import (
    AppcuesError,
    BadRequest,
    Forbidden,
    NotFound,
    RetryPolicy,
    ServerError,
    Throttled,
    Unauthorized,
    UnexpectedReply,
)
from appcues_async.customerio import CustomerIOClient

ADD = "https://track.customer.io/api/v1/segments/7/add_customers?id_type=id"
ONCE = RetryPolicy(attempts=1)


async def error_of(replies: aioresponses, **answer: Any) -> AppcuesError:
    replies.post(ADD, **answer)
    async with CustomerIOClient("site", "key", throttle=None, retry=ONCE) as cio:
        try:
            (failed,) = (await cio.segments.add_customers(7, ["a"])).failed
        except AppcuesError as error:
            return error
    return failed.error


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (307, UnexpectedReply),
        (400, BadRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (429, Throttled),
        (500, ServerError),
        (503, ServerError),
    ],
)
async def test_each_status_has_its_error(
    replies: aioresponses, status: int, kind: type[AppcuesError]
) -> None:
    assert type(await error_of(replies, status=status)) is kind


async def test_the_text_holds_what_customer_io_lists(replies: aioresponses) -> None:
    error = await error_of(
        replies, status=400, payload={"meta": {"errors": ["bad segment", "worse ids"]}}
    )
    assert str(error) == (
        "POST /api/v1/segments/{segment_id}/add_customers: 400 bad segment; worse ids"
    )


@pytest.mark.parametrize("body", ["", "{}", "<html><body>Sorry</body></html>", "unauthorized"])
async def test_any_other_body_is_an_error_all_the_same(replies: aioresponses, body: str) -> None:
    assert isinstance(await error_of(replies, status=401, body=body), Unauthorized)


@pytest.mark.parametrize("body", ["{}", "", "null", "ok"])
async def test_any_body_of_a_200_is_a_success(replies: aioresponses, body: str) -> None:
    replies.post(ADD, status=200, body=body)
    async with CustomerIOClient("site", "key", throttle=None, retry=ONCE) as cio:
        assert (await cio.segments.add_customers(7, ["a"])).failed == ()


async def test_the_eu_server_is_asked_where_the_site_lives_there(replies: aioresponses) -> None:
    replies.post(ADD.replace("track", "track-eu", 1), payload={})
    async with CustomerIOClient("site", "key", "eu", throttle=None, retry=ONCE) as cio:
        assert (await cio.segments.add_customers(7, ["a"])).requests == 1
