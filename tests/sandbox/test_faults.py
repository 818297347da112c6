"""Faults: what the client sees, and whether the request took effect."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import time

import aiohttp
import pytest

from appcues_async.sandbox import (
    Amend,
    Answer,
    Close,
    Fault,
    Faults,
    Hold,
    Misstate,
    Raw,
    Reset,
    Sandbox,
    Stall,
    Truncate,
)
from tests.sandbox.caller import Caller, Got, until

ROW = b'{"user_id": "a"}\n'
BIG = ROW * 200_000


async def upload(api: Caller, body: bytes = ROW) -> Got:
    return await api(
        "POST",
        "import/profiles",
        io.BytesIO(body),
        kind="application/ndjson",
        allow_redirects=False,
    )


async def test_an_answer_takes_the_place_of_the_real_one(api: Caller) -> None:
    api.sandbox.faults.add(Answer(503))
    got = await upload(api)
    assert (got.status, got.json["title"]) == (503, "Service Unavailable")
    assert api.sandbox.jobs == {}
    assert (await upload(api)).status == 202


async def test_an_answer_can_come_after_the_request_took_effect(api: Caller) -> None:
    api.sandbox.faults.add(Answer(500, applied=True))
    assert (await upload(api)).status == 500
    assert set(api.sandbox.profiles) == {"a"}


async def test_an_answer_has_the_headers_and_body_it_was_given(api: Caller) -> None:
    headers = {"Retry-After": "7", "Content-Type": "text/plain"}
    api.sandbox.faults.add(Answer(429, body="slow down", headers=headers))
    got = await upload(api)
    assert (got.status, got.text, got.headers["Retry-After"]) == (429, "slow down", "7")
    assert got.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("body", ["", "{not json", "<html>", b"\xff"])
async def test_a_success_can_be_unreadable(api: Caller, body: str | bytes) -> None:
    api.sandbox.faults.add(Answer(202, body=body, applied=True))
    got = await upload(api)
    assert (got.status, got.body) == (202, body.encode() if isinstance(body, str) else body)
    assert set(api.sandbox.profiles) == {"a"}


async def test_an_answer_can_be_a_web_page(api: Caller) -> None:
    api.sandbox.faults.add(Answer.html(502))
    got = await upload(api)
    assert (got.status, got.headers["Content-Type"]) == (502, "text/html")


async def test_an_answer_can_redirect(api: Caller) -> None:
    api.sandbox.faults.add(Answer.redirect("https://elsewhere.example/", status=302))
    got = await upload(api)
    assert (got.status, got.headers["Location"]) == (302, "https://elsewhere.example/")


@pytest.mark.parametrize("close", [False, True])
async def test_an_answer_can_come_before_the_body_is_read(api: Caller, close: bool) -> None:
    api.sandbox.faults.add(Answer(429, after="headers", close=close))
    try:
        assert (await upload(api, BIG)).status == 429
    except aiohttp.ClientOSError:
        assert close, "a connection that stays open loses no answer"
    assert api.sandbox.requests[0].body_bytes == 0
    assert api.sandbox.jobs == {}
    assert (await upload(api)).status == 202


async def test_an_answer_can_come_in_the_middle_of_the_body(api: Caller) -> None:
    api.sandbox.faults.add(Answer(413, after=100_000))
    assert (await upload(api, BIG)).status == 413
    assert 100_000 <= api.sandbox.requests[0].body_bytes < len(BIG)


@pytest.mark.parametrize("fault", [Reset(), Reset(after="headers"), Reset(after=100_000)])
async def test_a_reset_before_the_request_takes_effect(api: Caller, fault: Fault) -> None:
    api.sandbox.faults.add(fault)
    with pytest.raises(aiohttp.ClientOSError):
        await upload(api, BIG)
    assert api.sandbox.jobs == {}
    assert api.sandbox.requests[0].status is None
    assert api.sandbox.requests[0].aborted is False


async def test_a_reset_after_the_request_took_effect(api: Caller) -> None:
    api.sandbox.faults.add(Reset(applied=True))
    with pytest.raises(aiohttp.ClientOSError) as raised:
        await upload(api)
    assert raised.value.errno == 104
    assert set(api.sandbox.profiles) == {"a"}


async def test_a_close_without_an_answer(api: Caller) -> None:
    api.sandbox.faults.add(Close())
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await upload(api)
    assert api.sandbox.jobs == {}


async def test_a_close_after_the_request_took_effect(api: Caller) -> None:
    api.sandbox.faults.add(Close(applied=True))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await upload(api)
    assert set(api.sandbox.profiles) == {"a"}


@pytest.mark.parametrize("fault", [Truncate(), Truncate(0), Truncate(5, reset=True)])
async def test_an_answer_that_is_cut_off(api: Caller, fault: Fault) -> None:
    api.sandbox.faults.add(fault)
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
        await upload(api)
    assert set(api.sandbox.profiles) == {"a"}
    assert api.sandbox.requests[0].status == 202


async def test_bytes_that_are_not_http(api: Caller) -> None:
    api.sandbox.faults.add(Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"))
    with pytest.raises(aiohttp.ClientResponseError):
        await upload(api)
    api.sandbox.faults.add(Raw(b"HTTP/1.1 202 Accepted\r\n\r\n{", applied=True))
    assert (await upload(api)).body == b"{"
    assert set(api.sandbox.profiles) == {"a"}


async def test_an_amended_answer_differs_in_the_fields_that_are_named(api: Caller) -> None:
    api.sandbox.faults.add(Amend({"job_url": "https://evil.example/", "title": None}))
    got = await upload(api)
    assert got.json["job_url"] == "https://evil.example/"
    assert set(got.json) == {"status", "job_id", "job_url"}


async def test_a_stall_holds_the_answer_until_it_is_released(api: Caller) -> None:
    hold = Hold()
    api.sandbox.faults.add(Stall("headers", hold=hold))
    waiting = asyncio.create_task(upload(api))
    await hold.reached()
    assert set(api.sandbox.profiles) == {"a"}
    assert not waiting.done()
    hold.release()
    assert (await waiting).status == 202


async def test_a_stall_at_the_request_holds_what_it_does(api: Caller) -> None:
    hold = Hold()
    api.sandbox.faults.add(Stall("request", hold=hold))
    waiting = asyncio.create_task(upload(api))
    await hold.reached()
    assert api.sandbox.jobs == {}
    hold.release()
    assert (await waiting).status == 202


async def test_a_stall_at_the_body_holds_its_second_half(api: Caller) -> None:
    hold = Hold()
    api.sandbox.faults.add(Stall("body", hold=hold))
    async with api.session.get(
        f"{api.account}/flows", headers={"Authorization": api.authorization}
    ) as response:
        assert response.status == 200
        first = await response.content.readany()
        assert len(first) < (response.content_length or 0)
        hold.release()
        assert len(first + await response.read()) == response.content_length


async def test_a_stall_ends_after_its_seconds(api: Caller) -> None:
    api.sandbox.faults.add(Stall(seconds=0.01))
    before = time.perf_counter()
    assert (await upload(api)).status == 202
    assert time.perf_counter() - before >= 0.01


async def test_a_client_that_gives_up_in_a_stall_is_seen_to_go(api: Caller) -> None:
    hold = Hold()
    api.sandbox.faults.add(Stall(hold=hold))
    waiting = asyncio.create_task(upload(api))
    await hold.reached()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: api.sandbox.requests[0].aborted)
    assert api.sandbox.requests[0].status is None


async def test_clearing_releases_what_is_held(api: Caller) -> None:
    stall = Stall()
    api.sandbox.faults.add(stall)
    waiting = asyncio.create_task(upload(api))
    await stall.hold.reached()
    api.sandbox.faults.clear()
    assert (await waiting).status == 202


async def test_a_released_hold_lets_everything_pass(api: Caller) -> None:
    hold = Hold()
    hold.release()
    api.sandbox.faults.add(Stall(hold=hold))
    assert (await upload(api)).status == 202
    assert hold.released


async def test_a_fault_happens_once_unless_told_otherwise(api: Caller) -> None:
    fault = api.sandbox.faults.add(Answer(503))
    assert [(await upload(api)).status for _ in range(3)] == [503, 202, 202]
    assert fault.hits == 1


async def test_a_fault_happens_to_the_nth_request_and_so_many_after_it(api: Caller) -> None:
    api.sandbox.faults.add(Answer(503), skip=1, times=2)
    assert [(await upload(api)).status for _ in range(4)] == [202, 503, 503, 202]


async def test_a_fault_happens_for_ever(api: Caller) -> None:
    fault = api.sandbox.faults.add(Answer(503), times=None)
    assert {(await upload(api)).status for _ in range(5)} == {503}
    assert fault.hits == 5


async def test_a_fault_happens_to_a_method_and_a_path(api: Caller) -> None:
    api.sandbox.faults.add(Answer(500), method="POST", path=r"/import/profiles$", times=None)
    assert (await api.get("flows")).status == 200
    assert (await api.ndjson("import/events", "{}")).status == 202
    assert (await upload(api)).status == 500


async def test_the_oldest_matching_fault_counts(api: Caller) -> None:
    api.sandbox.faults.add(Answer(500))
    api.sandbox.faults.add(Answer(503))
    assert [(await upload(api)).status for _ in range(3)] == [500, 503, 202]


async def test_a_fault_comes_before_credentials_and_limits(api: Caller) -> None:
    api.sandbox.faults.add(Answer(502))
    assert (await api.get("flows", headers={"Authorization": "none"})).status == 502


async def test_chance_can_be_repeated() -> None:
    def draw() -> list[bool]:
        faults = Faults(seed=7)
        faults.add(Answer(500), times=None, probability=0.5)
        return [faults.take("GET", "/") is not None for _ in range(50)]

    assert draw() == draw()
    assert 10 < sum(draw()) < 40


def test_what_was_not_read_cannot_be_applied() -> None:
    with pytest.raises(ValueError, match="read to its end"):
        Reset(after=100, applied=True)
    with pytest.raises(ValueError, match="read to its end"):
        Answer(500, after="headers", applied=True)


def test_a_path_that_is_not_a_pattern_is_refused() -> None:
    with pytest.raises(re.error):
        Faults().add(Reset(), path="(")


def test_a_hold_works_between_threads() -> None:
    hold = Hold()
    with Sandbox() as sandbox:
        sandbox.faults.add(Stall(hold=hold))

        async def call() -> int:
            async with aiohttp.ClientSession() as session:
                waiting = asyncio.create_task(Caller(sandbox, session).get("flows"))
                assert await asyncio.to_thread(hold.reached_in_thread)
                await hold.reached()
                hold.release()
                return (await waiting).status

        assert asyncio.run(call()) == 200


async def test_a_body_can_end_before_its_last_chunk(api: Caller) -> None:
    api.sandbox.faults.add(Truncate(1, chunked=True))
    with pytest.raises(aiohttp.ClientPayloadError):
        await upload(api)
    assert set(api.sandbox.profiles) == {"a"}


async def test_a_body_can_be_shorter_than_it_is_said_to_be(api: Caller) -> None:
    api.sandbox.faults.add(Misstate(5))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await upload(api)
    assert set(api.sandbox.profiles) == {"a"}


async def test_a_body_can_be_longer_than_it_is_said_to_be(api: Caller) -> None:
    api.sandbox.faults.add(Misstate(-1))
    with pytest.raises(aiohttp.ClientError):
        await upload(api)
    assert set(api.sandbox.profiles) == {"a"}


async def test_headers_of_the_real_answer_can_be_changed(api: Caller) -> None:
    api.sandbox.faults.add(Amend(headers={"Content-Type": "text/odd", "X-More": "1"}))
    got = await upload(api)
    assert (got.headers["Content-Type"], got.headers["X-More"]) == ("text/odd", "1")
    assert got.json["job_id"] in api.sandbox.jobs


@pytest.mark.parametrize(
    ("fault", "applied"),
    [
        (None, True),
        (Answer(503), False),
        (Answer(503, applied=True), True),
        (Reset(), False),
        (Reset(applied=True), True),
        (Raw(b"x", applied=True), True),
        (Truncate(), True),
        (Misstate(-1), True),
        (Amend({"job_id": None}), True),
    ],
)
async def test_the_log_says_what_took_effect_whatever_was_answered(
    api: Caller, fault: Fault | None, applied: bool
) -> None:
    if fault is not None:
        api.sandbox.faults.add(fault)
    with contextlib.suppress(aiohttp.ClientError):
        await upload(api)
    (entry,) = api.sandbox.requests
    assert entry.applied is applied
    assert bool(api.sandbox.jobs) is applied


async def test_what_is_refused_takes_no_effect(api: Caller) -> None:
    assert (await api.get("segments/unknown")).status == 404
    assert api.sandbox.requests[0].applied is False
