"""aioresponses, made fit for the aiohttp that we need."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses, core


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
