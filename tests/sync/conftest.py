"""What tests of syncs share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, Timeouts
from appcues_async.sandbox import Sandbox
from tests.conftest import AT_ONCE, SOON

SETTLE = 0.05
"""Seconds after which a job shows in the sandbox's list."""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    """A client that waits for as little as can be."""
    async with open_client(sandbox) as opened:
        yield opened


def open_client(sandbox: Sandbox, *, wait: float = 20) -> AppcuesClient:
    timeouts = Timeouts(settle=SETTLE, wait=wait)
    options = {"retry": SOON, "polling": AT_ONCE, "throttle": None, "timeouts": timeouts}
    return AppcuesClient(**sandbox.credentials, **options)  # type: ignore[arg-type]


@pytest.fixture
def segment(sandbox: Sandbox) -> str:
    return add_segment(sandbox)


def add_segment(sandbox: Sandbox, *user_ids: str) -> str:
    sandbox.seed(segments={"-pros": user_ids})
    return "-pros"


def members(sandbox: Sandbox, segment_id: str) -> set[str]:
    return set(sandbox.segments[segment_id].user_ids)


def uploads(sandbox: Sandbox) -> list[str]:
    """Where rows were sent, by the last part of each path."""
    return [one.path.rsplit("/", 1)[1] for one in sandbox.requests if one.method == "POST"]


def user(number: int, plan: str = "pro", **more: Any) -> dict[str, Any]:
    return {"user_id": f"u{number}", "plan": plan, **more}


def files(state: Path) -> list[str]:
    """What there is beside a state file, itself included."""
    return sorted(one.name for one in state.parent.iterdir())
