"""Ids of any number, on their way into a segment and out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from appcues_async import (
    BadRequest,
    Delivery,
    Forbidden,
    InvalidInput,
    NotFound,
    ServerError,
    Unauthorized,
)
from appcues_async.customerio import CustomerIOClient, SegmentReport
from appcues_async.sandbox import Answer, Reset, Sandbox, Stall
from tests.conftest import arrived
from tests.customerio.conftest import numbers, sent


async def test_people_are_added_and_removed(sandbox: Sandbox, cio: CustomerIOClient) -> None:
    await cio.segments.add_customers(1, ["007", "008", "009"])
    await cio.segments.remove_customers(1, ["008"])
    assert sandbox.customerio_segments[1] == {"007", "009"}


async def test_a_request_holds_a_thousand_ids_at_most(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    report = await cio.segments.add_customers(1, numbers(2_500))
    assert sorted(len(ids) for ids in sent(sandbox)) == [500, 1_000, 1_000]
    assert report == SegmentReport(requests=3, ids=2_500)
    assert sandbox.customerio_segments[1] == set(numbers(2_500))


async def test_a_request_is_as_documented(sandbox: Sandbox, cio: CustomerIOClient) -> None:
    await cio.segments.remove_customers(1, ["a@example.com"], id_type="email")
    (request,) = sandbox.requests
    assert (request.method, request.path) == ("POST", "/api/v1/segments/1/remove_customers")
    assert (request.query, request.body) == ("id_type=email", b'{"ids":["a@example.com"]}')
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("source", [[], (), iter([]), set()])
async def test_nothing_is_sent_of_nothing(
    sandbox: Sandbox, cio: CustomerIOClient, source: Any
) -> None:
    assert await cio.segments.add_customers(1, source) == SegmentReport(0, 0)
    assert not sandbox.requests


async def test_an_id_that_comes_again_is_sent_once_a_request(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    report = await cio.segments.add_customers(1, ["a", "b", "a", *numbers(999)])
    assert sorted(map(len, sent(sandbox))) == [1, 1_000]
    assert report.ids == 1_002


@pytest.mark.parametrize("kind", ["iterator", "async", "set", "dict keys", "range of text"])
async def test_ids_come_from_whatever_gives_them(
    sandbox: Sandbox, cio: CustomerIOClient, kind: str
) -> None:
    async def one_by_one() -> AsyncIterator[str]:
        for one in numbers(1_500):
            yield one

    source: Any = {
        "iterator": iter(numbers(1_500)),
        "async": one_by_one(),
        "set": set(numbers(1_500)),
        "dict keys": dict.fromkeys(numbers(1_500)).keys(),
        "range of text": (f"{number:06}" for number in range(1_500)),
    }[kind]
    assert (await cio.segments.add_customers(1, source)).ids == 1_500
    assert sandbox.customerio_segments[1] == set(numbers(1_500))


async def test_several_requests_are_under_way_at_a_time(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    stall = Stall("headers")
    sandbox.faults.add(stall, times=None)
    adding = asyncio.create_task(cio.segments.add_customers(1, numbers(20_000)))
    await arrived(sandbox, 8)
    stall.hold.release()
    assert (await adding).requests == 20


async def test_a_source_is_read_only_as_fast_as_it_is_sent(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    stall = Stall("headers")
    sandbox.faults.add(stall, times=None)
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield str(read)

    adding = asyncio.create_task(cio.segments.add_customers(1, endless()))
    await arrived(sandbox, 8)
    for _ in range(100):
        await asyncio.sleep(0)
    assert (read, len(sandbox.requests)) == (8_000, 8)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding


async def test_one_failure_does_not_stop_the_others(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    sandbox.faults.add(Answer(400), skip=1)
    report = await cio.segments.add_customers(1, numbers(9_500))
    assert (report.requests, report.ids) == (10, 9_500)
    (failed,) = report.failed
    assert isinstance(failed.error, BadRequest)
    missing = set(numbers(9_500)) - sandbox.customerio_segments[1]
    assert missing == set(numbers(9_500)[failed.first : failed.last + 1])


async def test_failures_are_in_the_order_of_the_source(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    sandbox.faults.add(Answer(400), times=None)
    report = await cio.segments.add_customers(1, numbers(12_000))
    assert [chunk.first for chunk in report.failed] == list(range(0, 12_000, 1_000))
    assert [chunk.last for chunk in report.failed] == list(range(999, 12_000, 1_000))


@pytest.mark.parametrize("fault", [Answer(503), Answer(429), Reset(applied=True)])
async def test_what_failed_for_now_is_sent_again(
    sandbox: Sandbox, cio: CustomerIOClient, fault: Any
) -> None:
    sandbox.faults.add(fault)
    report = await cio.segments.add_customers(1, ["a"])
    assert report == SegmentReport(requests=1, ids=1)
    assert sent(sandbox) == [["a"], ["a"]]


async def test_a_failure_says_whether_it_may_have_been_applied(
    sandbox: Sandbox, cio: CustomerIOClient
) -> None:
    sandbox.faults.add(Answer(500), times=None)
    (failed,) = (await cio.segments.add_customers(1, ["a"])).failed
    assert isinstance(failed.error, ServerError)
    assert failed.error.delivery is Delivery.UNKNOWN
    assert len(failed.error.attempts) == 5


async def test_an_unknown_segment_is_a_failure(cio: CustomerIOClient) -> None:
    (failed,) = (await cio.segments.add_customers(2, ["a"])).failed
    assert isinstance(failed.error, NotFound)
    assert "segment 2 does not exist" in str(failed.error)


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Forbidden)])
async def test_a_refused_key_ends_the_run_at_once(
    sandbox: Sandbox, cio: CustomerIOClient, status: int, kind: type[Exception]
) -> None:
    sandbox.faults.add(Answer(status), times=None)
    with pytest.raises(kind):
        await cio.segments.add_customers(1, numbers(100_000))
    assert len(sandbox.requests) <= 16


async def test_a_key_that_is_refused_midway_says_what_had_succeeded(sandbox: Sandbox) -> None:
    answered = asyncio.Event()

    async def two_with_a_pause() -> AsyncIterator[str]:
        for one in numbers(1_000):
            yield one
        await answered.wait()
        sandbox.faults.add(Answer(401), times=None)
        yield "last"

    async with CustomerIOClient(
        **sandbox.customerio_credentials, throttle=None, on_notice=lambda _: answered.set()
    ) as cio:
        with pytest.raises(Unauthorized) as caught:
            await cio.segments.add_customers(1, two_with_a_pause())
    assert caught.value.__notes__ == ["Before it, 1 of 2 requests had succeeded"]


async def test_a_client_that_is_not_open_sends_nothing(sandbox: Sandbox) -> None:
    async with CustomerIOClient(**sandbox.customerio_credentials) as cio:
        segments = cio.segments
    with pytest.raises(RuntimeError, match="not open"):
        await segments.add_customers(1, ["a"])


@pytest.mark.parametrize("segment_id", [0, -1, 1.0, True, None, "x", 2**31])
async def test_a_segment_id_is_a_whole_number(
    sandbox: Sandbox, cio: CustomerIOClient, segment_id: Any
) -> None:
    with pytest.raises(InvalidInput, match=r"segment_id is .* must be a whole number"):
        await cio.segments.add_customers(segment_id, ["a"])
    assert not sandbox.requests


async def test_a_segment_id_in_text_is_refused_with_the_fix(cio: CustomerIOClient) -> None:
    with pytest.raises(InvalidInput, match=r"segment_id is '7'.*: give 7"):
        await cio.segments.add_customers("7", ["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize("id_type", ["ID", "phone", "", None])
async def test_an_id_type_is_one_of_three(
    sandbox: Sandbox, cio: CustomerIOClient, id_type: Any
) -> None:
    with pytest.raises(InvalidInput, match=r"id_type is .* 'id', 'email' or 'cio_id'"):
        await cio.segments.add_customers(1, ["a"], id_type)
    assert not sandbox.requests
