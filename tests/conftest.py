"""What all tests share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import settings

from appcues_async import AppcuesClient, PollPolicy, RetryPolicy
from appcues_async.recovery import ownership
from appcues_async.sandbox import Sandbox
from tests.virtual_clock import VirtualClock

# Every property test takes its number of examples from here. `--hypothesis-profile=deep` tries more.
settings.register_profile("usual", max_examples=15, deadline=None)
settings.register_profile("deep", max_examples=100, deadline=None)
settings.load_profile("usual")

SOON = RetryPolicy(base=0.001, cap=0.001, outage=0)
"""Repeats without a pause that anyone could notice."""
AT_ONCE = PollPolicy(first=0, low=0.01, high=0.05, grace=0.05)
"""Looks at jobs as often as no real server should be asked."""


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """What a process knows of an account is not handed on to a test whose server has the same port."""
    yield
    ownership.of_this_process.clear()


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still until a test moves it."""
    return VirtualClock()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A server without a request limit, whose jobs end at once."""
    async with Sandbox(rate_limit=None) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    """A client of that server, without a throttle."""
    async with AppcuesClient(
        **sandbox.credentials, retry=SOON, polling=AT_ONCE, throttle=None
    ) as opened:
        yield opened


def wait_until(reached: Callable[[], bool], seconds: float = 30) -> None:
    """Waits for what happens in another thread or process."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def arrived(sandbox: Sandbox, requests: int = 1) -> None:
    """Waits until so many requests have come in."""
    async with asyncio.timeout(5):
        while len(sandbox.requests) < requests:  # noqa: ASYNC110 - a server has no such event
            await asyncio.sleep(0.001)
