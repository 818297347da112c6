"""A transfer goes on while bytes move, and ends when they drip or stop."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appcues_async import (
    AppcuesClient,
    InvalidInput,
    OutcomeUnknown,
    RetryPolicy,
    Timeouts,
)
from appcues_async.wire import payload, receive, transport
from appcues_async.wire.payload import BodyPayload
from appcues_async.wire.request import FileRange, stamp_of
from tests.api.conftest import names

SOON = 0.3
"""Stands in for the minute that a transfer has for 60 kB."""
ONCE = RetryPolicy(attempts=1, outage=0)
HEAD = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (payload, receive, transport):
        monkeypatch.setattr(module, "FLOOR", SOON)


@asynccontextmanager
async def dripping(
    at_once: bytes, dripped: bytes, *, reads: int | None = None
) -> AsyncIterator[str]:
    """A server that answers some bytes at once and the others one by one, or reads that slowly."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            if reads is None:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                size = re.search(r"content-length: (\d+)", head)
                await reader.readexactly(int(size[1]) if size else 0)
            writer.write(at_once)
            while True:
                if reads is not None:
                    await reader.read(reads)
                writer.write(dripped)
                await asyncio.sleep(0.05)
        finally:
            writer.transport.abort()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(handle, sock=listening, limit=1024)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def client_of(url: str, **options: Any) -> AppcuesClient:
    return AppcuesClient("1", "k", "s", base_url=url, throttle=None, retry=ONCE, **options)


@pytest.mark.parametrize(
    ("at_once", "dripped"),
    [(HEAD, b" "), (b"HTTP/1.1 202 Accepted\r\nX: ", b"x")],
    ids=["the body", "the head"],
)
async def test_an_uploads_answer_that_drips_ends(at_once: bytes, dripped: bytes) -> None:
    async with (
        dripping(at_once, dripped) as url,
        client_of(url, timeouts=Timeouts(connect=0.5, idle=0.5)) as client,
    ):
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(client.imports.profiles([{"user_id": "007"}]), 10)


async def test_a_download_that_drips_ends_and_leaves_nothing(tmp_path: Path) -> None:
    head = HEAD.replace(b"202 Accepted", b"200 OK").replace(b"application/json", b"image/png")
    async with dripping(head, b" ") as url, client_of(url) as client:
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(client.screenshots.download("flow1", tmp_path / "one.png"), 10)
    assert names(tmp_path) == []


async def test_an_upload_that_the_network_takes_by_drips_ends(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"user_id\n" + b"1234567\n" * 1_000_000)
    async with (
        dripping(b"", b"", reads=512) as url,
        client_of(url, timeouts=Timeouts(idle=20)) as client,
    ):
        with pytest.raises(OutcomeUnknown, match="took too little"):
            await asyncio.wait_for(client.imports.profiles(path), 15)


class Network:
    """Takes everything."""

    async def write(self, block: bytes) -> None:
        pass

    async def drain(self) -> None:
        pass


async def failure_of(body: BodyPayload) -> str:
    network: Any = Network()
    with pytest.raises(OSError, match=r".") as caught:
        await asyncio.wait_for(body.write(network), 10)
    assert isinstance(body.failure, InvalidInput)
    return str(caught.value)


async def test_a_file_that_has_become_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"user_id\n007\n")
    body = FileRange(path, 0, 12, "text/csv", stamp_of(path))
    path.unlink()
    os.mkfifo(path)
    assert "has changed" in await failure_of(BodyPayload(body, idle=60))


async def test_a_file_that_gives_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(b"user_id\n007\n")
    body = FileRange(path, 0, 12, "text/csv", stamp_of(path))
    monkeypatch.setattr(payload._ReadAhead, "_read", lambda self: None)
    assert "gave no bytes for 0.1 s" in await failure_of(BodyPayload(body, idle=0.1))
