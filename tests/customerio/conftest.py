"""A client of the sandbox's Customer.io, and what it has sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from appcues_async.customerio import CustomerIOClient
from appcues_async.sandbox import Sandbox
from tests.api.conftest import replies
from tests.conftest import SOON

__all__ = ["cio", "numbers", "replies", "sandbox", "sent"]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A server without a request limit."""
    async with Sandbox(rate_limit=None, customerio_rate_limit=None) as running:
        yield running


@pytest.fixture
async def cio(sandbox: Sandbox) -> AsyncIterator[CustomerIOClient]:
    """A client of that server, without a throttle."""
    async with CustomerIOClient(
        **sandbox.customerio_credentials, retry=SOON, throttle=None
    ) as opened:
        yield opened


def sent(sandbox: Sandbox) -> list[list[str]]:
    """The ids of each request."""
    return [json.loads(request.body or b"{}")["ids"] for request in sandbox.requests]


def numbers(count: int) -> list[str]:
    """So many ids."""
    return [f"{number:06}" for number in range(count)]
