"""The guide's web apps, with the servers that people run them on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from httpx import ASGITransport, AsyncClient

from appcues_async.sandbox import Sandbox
from tests.guide.pages import WEB_APPS
from tests.outbox.test_processes import drain

FRAMEWORKS = {"fastapi": "from fastapi import", "aiohttp": "from aiohttp import web"}
WORKERS = {"fastapi": "uvicorn_worker.UvicornWorker", "aiohttp": "aiohttp.GunicornWebWorker"}

SIGNUPS = 1_500
"""So many that each of 4 workers is recycled once at least, after 200 requests."""


def recipe(framework: str) -> str:
    (block,) = [
        one for one in WEB_APPS if one.page == "guide/outbox" and FRAMEWORKS[framework] in one.text
    ]
    return block.text


def app_of(framework: str) -> Any:
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(recipe(framework), framework, "exec"), names)
    return names["app"]


@pytest.fixture
def here(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def assert_arrived(sandbox: Sandbox) -> None:
    assert sandbox.profiles == {"007": {"plan": "free"}}
    (event,) = sandbox.events
    assert (event["user_id"], event["attributes"]) == ("007", {"source": "web"})


@pytest.mark.usefixtures("here")
async def test_the_aiohttp_app_puts_into_its_outbox(sandbox: Sandbox) -> None:
    app = app_of("aiohttp")
    assert isinstance(app, web.Application)
    async with TestClient(TestServer(app)) as browser:
        response = await browser.post("/signup/007")
        assert await response.json() == {"ok": True}
    assert_arrived(sandbox)


@pytest.mark.usefixtures("here")
async def test_the_fastapi_app_puts_into_its_outbox(sandbox: Sandbox) -> None:
    app = app_of("fastapi")

    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        async with AsyncClient(
            transport=ASGITransport(with_state), base_url="http://app"
        ) as browser:
            assert (await browser.post("/signup/007")).json() == {"ok": True}
    assert_arrived(sandbox)


class Server:
    """A recipe, served by gunicorn."""

    def __init__(self, framework: str, sandbox: Sandbox, folder: Path) -> None:
        (folder / "shop_app.py").write_text(recipe(framework), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._log = (folder / "server.log").open("w+")
        options = ["--workers", "4", "--worker-class", WORKERS[framework], "--preload"]
        options += ["--max-requests", "200", "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "shop_app:app"],
            cwd=folder,
            env={**os.environ, **sandbox.environment},
            stdout=self._log,
            stderr=self._log,
        )

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)
        self._log.close()


@contextmanager
def serving(framework: str, sandbox: Sandbox, folder: Path) -> Iterator[Server]:
    server = Server(framework, sandbox, folder)
    try:
        yield server
    finally:
        server.stop()


async def load(server: Server, kills: int) -> set[str]:
    """Signs users up while workers are recycled and killed; returns those that were answered."""
    answered: set[str] = set()
    url = f"http://127.0.0.1:{server.port}/signup/"

    async def sign_up(session: aiohttp.ClientSession, caller: int) -> None:
        number = 0
        while len(answered) < SIGNUPS:
            user = f"u{caller}-{number}"
            number += 1
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(url + user) as response:
                    if response.status == 200:
                        answered.add(user)
            await asyncio.sleep(0.02)

    async def kill() -> None:
        draw = random.Random(kills)
        for number in range(kills):
            while len(answered) < SIGNUPS * (number + 1) / (kills + 1):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            with suppress(ProcessLookupError):
                sent = (signal.SIGKILL, signal.SIGTERM)[number % 2]
                os.kill(draw.choice(server.workers()), sent)

    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.post(url + "first") as response:
                    assert response.status == 200
                answered.add("first")
                break
            await asyncio.sleep(0.1)
        async with asyncio.TaskGroup() as group:
            group.create_task(kill())
            for caller in range(8):
                group.create_task(sign_up(session, caller))
    return answered


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="finds workers by /proc")
@pytest.mark.timeout(500)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_recycled_and_killed_workers_lose_and_double_nothing(
    tmp_path: Path, framework: str
) -> None:
    with Sandbox(rate_limit=60, job_seconds=0.1) as sandbox:
        with serving(framework, sandbox, tmp_path) as server:
            answered = asyncio.run(load(server, kills=8))
        drain(sandbox, tmp_path / "outbox.db")
        found = Counter(
            event["user_id"] for event in sandbox.events if event["name"] == "Signed up"
        )
        profiles = set(sandbox.profiles)
        requests = len(sandbox.requests)
    assert len(answered) >= SIGNUPS
    assert answered - found.keys() == set()
    assert answered - profiles == set()
    assert [user for user, times in found.items() if times > 1] == []
    print(f"{len(answered):,} answered, {sum(found.values()):,} events, {requests:,} requests")
