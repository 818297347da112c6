"""Somebody who calls the sandbox with nothing but aiohttp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
from attrs import frozen
from yarl import URL

from appcues_async.sandbox import Sandbox


async def until(check: Callable[[], object]) -> None:
    """Waits for what comes about within a second."""
    for _ in range(1_000):
        if check():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("It did not come about")


class FakeClock:
    """Seconds that stand still until they are told to go on."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@frozen
class Got:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def detail(self) -> str:
        detail: str = self.json["detail"]
        return detail


class Caller:
    """Sends requests to the sandbox's account."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        given = sandbox.credentials
        self.authorization = aiohttp.encode_basic_auth(given["api_key"], given["api_secret"])
        self.account = f"{sandbox.url}/v2/accounts/{given['account_id']}"

    async def __call__(
        self, method: str, path: str, body: Any = None, *, kind: str | None = None, **options: Any
    ) -> Got:
        url = path if path.startswith("http") else f"{self.account}/{path}"
        headers = {"Authorization": self.authorization, **options.pop("headers", {})}
        if kind is not None:
            headers["Content-Type"] = kind
        async with self.session.request(
            method, URL(url, encoded=True), data=body, headers=headers, **options
        ) as response:
            return Got(response.status, response.headers, await response.read())

    async def get(self, path: str, **options: Any) -> Got:
        return await self("GET", path, **options)

    async def send_json(self, method: str, path: str, content: Any, **options: Any) -> Got:
        body = json.dumps(content).encode()
        return await self(method, path, body, kind="application/json", **options)

    async def ndjson(self, path: str, body: str | bytes, **options: Any) -> Got:
        return await self("POST", path, body, kind="application/ndjson", **options)

    async def csv(self, path: str, body: str | bytes, **options: Any) -> Got:
        return await self("POST", path, body, kind="text/csv", **options)

    async def file(
        self, path: str, content: bytes, *, name: str = "upload", kind: str | None = None
    ) -> Got:
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name, content_type=kind)
        return await self("POST", path, form)

    async def job(self, accepted: Got) -> dict[str, Any]:
        assert accepted.status == 202, accepted.text
        job: dict[str, Any] = (await self.get(accepted.json["job_url"])).json
        return job

    async def outcome(self, accepted: Got) -> tuple[int, int]:
        """How many rows took effect and how many failed."""
        last = (await self.job(accepted))["events"][-1]["attributes"]
        return last["ingestions_completed"], last["ingestions_failed"]
