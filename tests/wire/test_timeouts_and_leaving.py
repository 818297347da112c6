"""Timeouts, cancelling, notices and the end of a client, over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from appcues_async import (
    AppcuesClient,
    OutcomeUnknown,
    RetryPolicy,
    Timeouts,
)
from appcues_async.notices import BodySent, Notice, ReplyReceived
from appcues_async.sandbox import Sandbox, Stall
from tests.conftest import SOON, arrived

# --- time ----------------------------------------------------------------------------------------


async def test_a_silent_server_is_given_up_after_the_idle_timeout(sandbox: Sandbox) -> None:
    sandbox.faults.add(Stall("headers"), times=None)
    async with AppcuesClient(
        **sandbox.credentials, timeouts=Timeouts(idle=0.05), retry=RetryPolicy(attempts=1)
    ) as client:
        with pytest.raises(OutcomeUnknown, match="no whole answer"):
            await client.imports.profiles([{"user_id": "007"}])
        with pytest.raises(OutcomeUnknown, match="no whole answer"):
            await client.segments.list()
        sandbox.faults.clear()


async def test_a_network_that_takes_nothing_is_given_up_after_the_idle_timeout(
    sandbox: Sandbox, users_csv: Path
) -> None:
    sandbox.faults.add(Stall("request"), times=None)
    async with AppcuesClient(
        **sandbox.credentials, timeouts=Timeouts(idle=0.2), retry=RetryPolicy(attempts=1)
    ) as client:
        with pytest.raises(OutcomeUnknown, match="the network took too little"):
            await client.imports.profiles(users_csv)
        sandbox.faults.clear()


async def test_the_budget_bounds_all_attempts_of_a_call(sandbox: Sandbox) -> None:
    sandbox.faults.add(Stall("body"), times=None)
    async with AppcuesClient(
        **sandbox.credentials, timeouts=Timeouts(budget=0.2), retry=SOON
    ) as client:
        started = asyncio.get_running_loop().time()
        with pytest.raises(OutcomeUnknown):
            await client.segments.list()
        assert asyncio.get_running_loop().time() - started < 1.5
        sandbox.faults.clear()


# --- cancelling ----------------------------------------------------------------------------------


async def test_a_cancelled_upload_ends_at_once_and_leaves_no_file_open(
    sandbox: Sandbox, client: AppcuesClient, users_csv: Path
) -> None:
    sandbox.faults.add(Stall("request"))
    upload = asyncio.create_task(client.imports.profiles(users_csv))
    await arrived(sandbox)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    sandbox.faults.clear()
    for _ in range(200):
        if not any(thread.name.startswith("appcues-read") for thread in threading.enumerate()):
            break
        await asyncio.sleep(0.005)
    assert str(users_csv) not in open_files()


def open_files() -> set[str]:
    found = set()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own descriptor
            found.add(str(one.readlink()))
    return found


async def test_a_cancelled_call_gives_its_slot_back(sandbox: Sandbox) -> None:
    sandbox.faults.add(Stall("headers"), times=None)
    async with AppcuesClient(**sandbox.credentials) as client:
        for _ in range(3):
            calls = [asyncio.create_task(client.segments.list()) for _ in range(20)]
            await asyncio.sleep(0.01)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        sandbox.faults.clear()
        await asyncio.wait_for(client.segments.list(), 5)


# --- notices, sessions, leaving ------------------------------------------------------------------


async def test_an_upload_tells_how_far_it_is(sandbox: Sandbox, users_csv: Path) -> None:
    told: list[Notice] = []
    async with AppcuesClient(**sandbox.credentials, on_notice=told.append) as client:
        await client.imports.profiles(users_csv)
    steps = [notice for notice in told if isinstance(notice, BodySent)]
    assert [one.sent for one in steps] == sorted(one.sent for one in steps)
    assert steps[-1].sent == steps[-1].size > 20_000_000
    assert any(isinstance(notice, ReplyReceived) for notice in told)


async def test_a_listener_that_fails_disturbs_nothing(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(notice: Notice) -> None:
        raise ZeroDivisionError

    async with AppcuesClient(**sandbox.credentials, on_notice=fail) as client:
        assert await client.segments.list() == []
    assert "listener failed" in caplog.text


async def test_a_borrowed_session_is_used_and_left_open(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session:
        async with AppcuesClient(**sandbox.credentials, session=session) as client:
            await client.segments.create("one")
        assert not session.closed


async def test_leaving_lets_calls_in_flight_end(sandbox: Sandbox) -> None:
    stall = Stall("headers", seconds=0.05)
    sandbox.faults.add(stall)
    async with AppcuesClient(**sandbox.credentials) as client:
        call = asyncio.create_task(client.segments.list())
        await arrived(sandbox)
    assert await call == []


async def test_a_client_that_was_left_says_so(sandbox: Sandbox) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        pass
    with pytest.raises(RuntimeError, match="async with"):
        await client.segments.list()


async def test_a_client_can_be_opened_again(sandbox: Sandbox) -> None:
    client = AppcuesClient(**sandbox.credentials)
    for _ in range(2):
        async with client:
            await client.segments.list()
