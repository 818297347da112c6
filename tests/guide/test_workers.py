"""The README's web app in several workers of a real server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx import AsyncClient, TransportError

from appcues_async.sandbox import Sandbox
from tests.guide.pages import WEB_APPS

pytestmark = pytest.mark.long

SIGNUPS = 40


@pytest.fixture
async def workers(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    (block,) = [one for one in WEB_APPS if one.page == "README"]
    (tmp_path / "app.py").write_text(block.text, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: ASYNC220 - started once, and ended below
        [sys.executable, "-m", "uvicorn", "app:app", "--workers", "4", "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, **sandbox.environment},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        async with AsyncClient(base_url=url, trust_env=False, timeout=30) as browser:
            await _serving(browser)
            yield browser
        server.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(server.communicate, timeout=30)
        assert b"Traceback" not in said
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


async def _serving(browser: AsyncClient) -> None:
    async with asyncio.timeout(40):
        while True:
            try:
                assert (await browser.get("/openapi.json")).status_code == 200
            except TransportError:
                await asyncio.sleep(0.1)
            else:
                return


async def test_what_four_workers_take_arrives_once(sandbox: Sandbox, workers: AsyncClient) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(SIGNUPS):
            group.create_task(workers.post(f"/signup/{number}"))
    async with asyncio.timeout(30):
        while min(len(sandbox.sent.events), len(sandbox.sent.profiles)) < SIGNUPS:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    expected = [str(number) for number in range(SIGNUPS)]
    assert sorted(one["user_id"] for one in sandbox.sent.events) == sorted(expected)
    assert sandbox.sent.profiles == {user_id: {"plan": "free"} for user_id in expected}
