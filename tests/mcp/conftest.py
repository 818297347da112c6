"""A server of tools over a sandbox, asked by the SDK's own client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from attrs import frozen
from mcp import Client
from mcp.types import TextContent

from appcues_async import AppcuesClient
from appcues_async.mcp import make_server
from appcues_async.sandbox import Sandbox
from tests.conftest import AT_ONCE, SOON


@frozen
class Answer:
    """What a tool answered."""

    content: Any
    is_error: bool
    text: str

    @property
    def error(self) -> dict[str, Any]:
        """The error as JSON, behind the words of the SDK."""
        assert self.is_error
        read: dict[str, Any] = json.loads(self.text.partition(": ")[2])
        assert set(read) >= {"type", "status", "message", "retry_after", "delivery"}
        return read


Ask: TypeAlias = Callable[..., Awaitable[Answer]]


async def ask_with(client: Client, name: str, arguments: dict[str, Any], **others: Any) -> Answer:
    """Calls a tool."""
    result = await client.call_tool(name, arguments, **others)
    text = "".join(one.text for one in result.content if isinstance(one, TextContent))
    return Answer(result.structured_content, bool(result.is_error), text)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(rate_limit=None, export_links=True) as sandbox:
        yield sandbox


@pytest.fixture
async def account(sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    async with AppcuesClient(
        **sandbox.credentials, polling=AT_ONCE, retry=SOON, throttle=None
    ) as client:
        yield client


@pytest.fixture
def ask(account: AppcuesClient, tmp_path: Path) -> Ask:
    """Calls a tool of a server in this process, whose folder is `tmp_path`."""
    server = make_server(account, tmp_path)

    async def ask_tool(tool: str, /, **arguments: Any) -> Answer:
        # A fixture is left by another task than it was entered by, which a client does not bear.
        async with Client(server) as client:
            return await ask_with(client, tool, arguments)

    return ask_tool
