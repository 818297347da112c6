"""The client itself: its ways in, its options, and how it is left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from appcues_async import (
    AppcuesClient,
    ConnectionFailed,
    InvalidInput,
    NotFound,
    Pace,
    PollPolicy,
    RetryPolicy,
    ServerError,
    Throttled,
    Timeouts,
)
from appcues_async.sandbox import Answer, Sandbox
from appcues_async.wire import stack
from appcues_async.wire.throttle import LocalThrottle
from appcues_async.wire.turn import PATIENT
from tests.conftest import SOON, arrived
from tests.virtual_clock import VirtualClock


def test_a_plain_with_says_to_use_async_with(credentials: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="use `async with`"), AppcuesClient(**credentials):
        pass


@pytest.fixture
def credentials() -> dict[str, Any]:
    return {"account_id": "123", "api_key": "the-key", "api_secret": "the-secret"}


def test_a_client_shows_its_account_and_never_its_key(credentials: dict[str, Any]) -> None:
    shown = repr(AppcuesClient(**credentials))
    assert shown == "<AppcuesClient account 123 at https://api.appcues.com, not open>"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"account_id": "a/b"}, "account_id is 'a/b'"),
        ({"account_id": ""}, "account_id is ''"),
        ({"api_key": ""}, "api_key is empty"),
        ({"api_secret": "two words"}, "api_secret holds a space"),
        ({"api_key": "key:secret"}, "api_key holds ':'"),
        ({"region": "mars"}, "region is 'mars'"),
        ({"base_url": "http://api.appcues.com"}, "use https"),
        ({"base_url": "https://user:pass@api.appcues.com"}, "holds credentials"),
        ({"base_url": "ftp://api.appcues.com"}, "no http"),
        ({"base_url": "https://api.appcues.com/v2"}, "beyond the host"),
        ({"base_url": "https://a..b.example"}, "is no address"),
        ({"on_unknown": "hope"}, "on_unknown is 'hope'"),
    ],
)
def test_malformed_arguments_are_refused_at_once(
    credentials: dict[str, Any], changes: dict[str, str], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule) as caught:
        AppcuesClient(**{**credentials, **changes})
    assert "the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/"]
)
def test_http_is_for_loopback(credentials: dict[str, Any], base_url: str) -> None:
    AppcuesClient(**credentials, base_url=base_url)


async def test_from_env_reads_the_vendors_variables(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    async with AppcuesClient.from_env() as client:
        assert await client.segments.list() == []


async def test_from_profile_reads_the_vendors_file(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    lines = [f'{name} = "{value}"' for name, value in sandbox.credentials.items()]
    path.write_text("\n".join(["[profiles.eu]", *lines]))
    async with AppcuesClient.from_profile("eu", path=path) as client:
        assert await client.segments.list() == []


def test_without_credentials_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ACCOUNT_ID", "API_KEY", "API_SECRET", "PROFILE"):
        monkeypatch.delenv(f"APPCUES_{name}", raising=False)
    with pytest.raises(InvalidInput, match="set APPCUES_ACCOUNT_ID, APPCUES_API_KEY"):
        AppcuesClient.from_env()


async def test_opening_twice_at_once_is_refused(sandbox: Sandbox) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        with pytest.raises(RuntimeError, match="open already"):
            await client.__aenter__()


async def test_other_options_hold_for_any_request_as_well(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(503), times=None)
    with pytest.raises(ServerError):
        await client.with_options(retry=RetryPolicy(attempts=1)).request("GET", "flows")
    assert len(sandbox.requests) == 1


async def test_options_change_a_copy_and_not_the_client(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    sandbox.faults.add(Answer(429), times=None)
    once = client.with_options(retry=RetryPolicy(attempts=1))
    with pytest.raises(Throttled):
        await once.segments.list()
    assert len(sandbox.requests) == 1
    with pytest.raises(Throttled):
        await client.segments.list()
    assert len(sandbox.requests) == 1 + SOON.attempts


async def test_all_options_can_be_changed(client: AppcuesClient) -> None:
    other = client.with_options(
        timeouts=Timeouts(connect=1), polling=PollPolicy(first=1), on_unknown="raise"
    )
    assert await other.segments.list() == []


async def test_options_of_a_closed_client_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        AppcuesClient(**sandbox.credentials).with_options()


async def test_clients_of_one_account_share_a_pause(sandbox: Sandbox) -> None:
    sandbox.faults.add(Answer(429, headers={"Retry-After": "0.2"}))
    async with (
        AppcuesClient(**sandbox.credentials, retry=RetryPolicy(attempts=1)) as one,
        AppcuesClient(**sandbox.credentials) as two,
    ):
        with pytest.raises(Throttled):
            await one.segments.list()
        await two.segments.list()
    first, second = sandbox.requests
    assert second.arrived - first.arrived >= 0.19


async def test_a_retry_after_of_seconds_is_honoured(sandbox: Sandbox, clock: VirtualClock) -> None:
    sandbox.faults.add(Answer(429, headers={"Retry-After": "30"}))
    async with AppcuesClient(
        **sandbox.credentials, throttle=LocalThrottle(clock=clock), clock=clock
    ) as client:
        call = asyncio.create_task(client.segments.list())
        await arrived(sandbox)
        await asyncio.sleep(0.02)
        await clock.advance(29)
        await asyncio.sleep(0.01)
        assert len(sandbox.requests) == 1
        await clock.advance(2)
        assert await call == []


async def test_a_retry_after_beyond_the_limit_is_raised_at_once(sandbox: Sandbox) -> None:
    sandbox.faults.add(Answer(429, headers={"Retry-After": "3600"}))
    async with AppcuesClient(**sandbox.credentials) as client:
        with pytest.raises(Throttled) as caught:
            await client.segments.list()
    assert caught.value.retry_after == 3600
    assert len(sandbox.requests) == 1


async def test_a_retry_after_that_the_budget_does_not_allow_holds_nobody_back(
    sandbox: Sandbox,
) -> None:
    sandbox.faults.add(Answer(429, headers={"Retry-After": "60"}))
    async with AppcuesClient(**sandbox.credentials) as client:
        with pytest.raises(Throttled):
            await client.segments.list()
        await asyncio.wait_for(client.segments.list(), 5)


async def test_a_call_that_still_waits_when_the_client_is_gone_is_not_sent(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "GRACE", 0.01)
    throttle = LocalThrottle()
    throttle.hold(0.1)
    async with aiohttp.ClientSession() as session:
        async with AppcuesClient(
            **sandbox.credentials, throttle=throttle, session=session
        ) as client:
            call = asyncio.create_task(client.segments.create("late"))
            await asyncio.sleep(0)
        with pytest.raises(ConnectionFailed, match="the client was left"):
            await call
    assert not sandbox.segments


async def test_a_borrowed_session_that_raises_by_itself_changes_no_error(
    sandbox: Sandbox,
) -> None:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        AppcuesClient(**sandbox.credentials, session=session) as client,
    ):
        with pytest.raises(NotFound):
            await client.segments.get("nowhere")


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [("GE T", "tags", "text/csv"), ("GET", "\ud800", "text/csv"), ("GET", "tags", "a\r\nX: y")],
)
async def test_what_http_cannot_carry_is_refused(
    client: AppcuesClient, method: str, path: str, accept: str
) -> None:
    with pytest.raises(InvalidInput):
        await client.request(method, path, accept=accept)


async def test_a_limit_lower_than_the_pace_is_kept_to_without_a_failed_call() -> None:
    # So low that a busy machine sends faster than that.
    async with (
        Sandbox(rate_limit=10) as sandbox,
        AppcuesClient(**sandbox.credentials, throttle=Pace(200)) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(30):
            group.create_task(client.segments.list())
    refused = sum(request.status == 429 for request in sandbox.requests)
    assert 1 <= refused <= 30
    assert sum(request.status == 200 for request in sandbox.requests) == 30


async def test_a_throttle_of_ones_own_is_asked_for_each_attempt(sandbox: Sandbox) -> None:
    class Counting(LocalThrottle):
        turns = 0

        async def acquire(self, lane, size=0, patience=PATIENT):  # type: ignore[no-untyped-def]
            Counting.turns += 1
            return await super().acquire(lane, size, patience)

    sandbox.faults.add(Answer(500))
    async with AppcuesClient(**sandbox.credentials, throttle=Counting(), retry=SOON) as client:
        await client.segments.list()
    assert Counting.turns == 2
