"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from appcues_async import (
    AppcuesClient,
)
from appcues_async.notices import Notice
from appcues_async.sandbox import Sandbox
from tests.recovery.uploads import opened


@pytest.fixture
def told() -> list[Notice]:
    return []


@pytest.fixture
async def client(sandbox: Sandbox, told: list[Notice]) -> AsyncIterator[AppcuesClient]:
    async with opened(sandbox, on_notice=told.append) as one:
        yield one
