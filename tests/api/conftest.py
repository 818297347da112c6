"""aioresponses, made fit for the aiohttp that we need; and words for what was sent and answered."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses, core

from appcues_async.sandbox import Answer, Sandbox


class _Response(aiohttp.ClientResponse):
    """A reply that takes what aiohttp 3.14 asks for and aioresponses 0.7.9 does not give."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Answers by url, without a server."""
    monkeypatch.setattr(core, "ClientResponse", _Response)
    with aioresponses() as mocked:
        yield mocked


def answer(
    sandbox: Sandbox,
    content: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    path: str | None = None,
    times: int | None = 1,
) -> None:
    """Has the sandbox answer the next request with this, whatever it would have said."""
    described = {"Content-Type": "application/json", **(headers or {})}
    fault = Answer(status, body=json.dumps(content), headers=described)
    sandbox.faults.add(fault, path=path, times=times)


def asked(sandbox: Sandbox) -> list[str]:
    """What was asked for: method and path below the account."""
    account = "/v2/accounts/sandbox-account/"
    return [f"{one.method} {one.path.removeprefix(account)}" for one in sandbox.requests]


def sent(sandbox: Sandbox) -> Any:
    """The JSON that came with the last request."""
    request = sandbox.requests[-1]
    assert request.headers["Content-Type"] == "application/json"
    assert request.body is not None
    return json.loads(request.body)


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(one.name for one in folder.iterdir())
