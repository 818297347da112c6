"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from appcues_async import AppcuesClient
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.recovery.ownership import of_this_process
from appcues_async.sandbox import Sandbox
from tests.bulk.journal.resuming import OBSERVED, client_of, write_events


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return write_events(tmp_path / "events.ndjson")


@pytest.fixture
def kill_at() -> Iterator[Callable[..., None]]:
    """Ends the runs of all clients at a step of a chunk."""

    def kill_at(step: Step | None, chunk: int = 1) -> None:
        OBSERVED.at = None if step is None else (step, chunk)
        if step is None:
            # Another process knows nothing of what this one has seen.
            of_this_process.clear()

    yield kill_at
    OBSERVED.at = None


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    async with client_of(sandbox) as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"
