"""How many functions of the package a request goes through before aiohttp takes it."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import appcues_async
from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox

PACKAGE = str(Path(appcues_async.__file__).parent)


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The package's functions on the stack of the last request, by its method."""
    hops: dict[str, int] = {}
    request = aiohttp.ClientSession._request

    async def counted(self: aiohttp.ClientSession, method: str, *args: Any, **options: Any) -> Any:
        stack = traceback.extract_stack()
        hops[method] = sum(frame.filename.startswith(PACKAGE) for frame in stack)
        return await request(self, method, *args, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", counted)
    return hops


async def test_a_small_call_takes_four_hops(sandbox: Sandbox, hops: dict[str, int]) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        await client.users.update_profile("u", {"plan": "pro"})
    assert hops["PATCH"] == 4


async def test_a_chunk_with_a_journal_takes_seven_hops(
    sandbox: Sandbox, hops: dict[str, int], tmp_path: Path
) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        event = {"user_id": "u", "name": "Paid", "timestamp": "2026-07-14T12:00:00Z"}
        path = tmp_path / "events.csv"
        path.write_text(f"{','.join(event)}\n{','.join(event.values())}\n")
        await client.bulk.import_events(path, journal=tmp_path / "journal.db", wait=False)
    assert hops["POST"] == 7
