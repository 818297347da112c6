"""The client in the lifespans of web apps, as the guide shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox
from tests.guide.pages import WEB_APPS


def app_of(framework: str, page: str = "guide/web-apps") -> Any:
    (block,) = [one for one in WEB_APPS if framework in one.text and one.page == page]
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(block.text, str(block), "exec"), names)
    return names["app"]


@pytest.fixture
async def with_segment(
    sandbox: Sandbox, client: AppcuesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.segments.create("Beta testers")
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("with_segment")
async def test_an_aiohttp_app_answers() -> None:
    app = app_of("from aiohttp import web")
    assert isinstance(app, web.Application)
    async with TestClient(TestServer(app)) as browser:
        response = await browser.get("/segments")
        assert await response.json() == ["Beta testers"]


@pytest.mark.usefixtures("with_segment")
async def test_a_fastapi_app_answers() -> None:
    app = app_of("from fastapi import")
    assert isinstance(app, FastAPI)
    async with (
        app.router.lifespan_context(app) as state,
        AsyncClient(transport=_WithState(app, state), base_url="http://app") as browser,
    ):
        assert (await browser.get("/segments")).json() == ["Beta testers"]


async def test_the_readmes_app_puts_into_its_outbox(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    app = app_of("from fastapi import", "README")
    async with (
        app.router.lifespan_context(app) as state,
        AsyncClient(transport=_WithState(app, state), base_url="http://app") as browser,
    ):
        assert (await browser.post("/signup/007")).json() == {"ok": True}
        assert sandbox.requests == []
        await state["outbox"].flush(wait=True)
    assert sandbox.sent.profiles == {"007": {"plan": "free"}}
    (event,) = sandbox.sent.events
    assert event["attributes"] == {"source": "web"}


class _WithState(ASGITransport):
    """Hands the lifespan's state to each request, as a server does."""

    def __init__(self, app: FastAPI, state: Any) -> None:
        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        super().__init__(app=with_state)
