"""What tests of outboxes share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from appcues_async import AppcuesClient, Timeouts
from appcues_async.sandbox import Sandbox
from tests.conftest import AT_ONCE, SOON

SOONER = 0.05
"""Seconds that rows are gathered in tests."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, path: Path) -> Path | None:
    """Where an outbox keeps its rows: both are to behave alike."""
    return path if request.param == "disk" else None


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    """A client that waits for as little as can be."""
    async with open_client(sandbox) as opened:
        yield opened


def open_client(sandbox: Sandbox, **options: object) -> AppcuesClient:
    given = {
        "retry": SOON,
        "polling": AT_ONCE,
        "throttle": None,
        "timeouts": Timeouts(settle=0.05, wait=20),
        **options,
    }
    return AppcuesClient(**sandbox.credentials, **given)  # type: ignore[arg-type]


def uploads(sandbox: Sandbox) -> list[str]:
    """Where rows were sent, by the last part of each path."""
    return [one.path.rsplit("/", 1)[1] for one in sandbox.requests if one.method == "POST"]


def names(sandbox: Sandbox) -> list[str]:
    """The names of the events that were recorded, in their order."""
    return [event["name"] for event in sandbox.events]


async def until(reached: Callable[[], bool | Awaitable[bool]]) -> None:
    """Waits for something that happens beside the test."""
    async with asyncio.timeout(10):
        while True:
            found = reached()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)
