"""How many requests the account may send."""

from __future__ import annotations

import aiohttp
import pytest

from appcues_async.sandbox import Sandbox
from tests.sandbox.caller import Caller, FakeClock


async def statuses(api: Caller, count: int) -> list[int]:
    return [(await api.get("flows")).status for _ in range(count)]


async def test_one_second_s_worth_passes_at_once_and_no_more(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox(rate_limit=5, clock=FakeClock()) as sandbox:
        assert await statuses(Caller(sandbox, session), 7) == [200] * 5 + [429] * 2


async def test_the_bucket_fills_with_time(session: aiohttp.ClientSession) -> None:
    clock = FakeClock()
    async with Sandbox(rate_limit=5, clock=clock) as sandbox:
        api = Caller(sandbox, session)
        await statuses(api, 5)
        clock.seconds += 0.4
        assert await statuses(api, 3) == [200, 200, 429]


async def test_the_bucket_never_holds_more_than_a_second_s_worth(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox(rate_limit=3, clock=FakeClock()) as sandbox:
        sandbox.advance(3600)
        assert await statuses(Caller(sandbox, session), 4) == [200, 200, 200, 429]


async def test_advancing_the_sandbox_refills_the_bucket(session: aiohttp.ClientSession) -> None:
    async with Sandbox(rate_limit=1, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await statuses(api, 1)
        sandbox.advance(1)
        assert await statuses(api, 1) == [200]


async def test_a_429_has_problem_details_and_no_retry_after(session: aiohttp.ClientSession) -> None:
    async with Sandbox(rate_limit=1, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await api.get("flows")
        got = await api.get("flows")
        assert got.json["title"] == "Too Many Requests"
        assert "Retry-After" not in got.headers


@pytest.mark.parametrize(
    ("given", "sent"),
    [(2, "2"), (0.5, "0.5"), ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT")],
)
async def test_retry_after_is_sent_as_it_was_given(
    session: aiohttp.ClientSession, given: float | str, sent: str
) -> None:
    async with Sandbox(rate_limit=1, retry_after=given, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await api.get("flows")
        assert (await api.get("flows")).headers["Retry-After"] == sent


async def test_a_throttled_upload_is_answered_early_and_never_applied(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox(rate_limit=1, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await api.get("flows")
        got = await api.ndjson("import/profiles", b'{"user_id": "a"}\n' * 40_000)
        assert got.status == 429
        assert sandbox.requests[-1].body_bytes == 0
        assert sandbox.jobs == {}


async def test_without_a_limit_everything_passes(api: Caller) -> None:
    assert set(await statuses(api, 100)) == {200}


async def test_requests_without_credentials_are_not_counted(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox(rate_limit=1, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        for _ in range(3):
            await api.get("flows", headers={"Authorization": "Basic eDp5"})
        assert (await api.get("flows")).status == 200


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Sandbox(rate_limit=0.5)


async def test_a_limit_that_is_set_later_begins_with_a_full_bucket(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox(rate_limit=None, clock=FakeClock()) as sandbox:
        api = Caller(sandbox, session)
        await statuses(api, 3)
        sandbox.rate_limit = 2
        assert await statuses(api, 3) == [200, 200, 429]
