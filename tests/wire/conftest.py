"""What the tests of the wire share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appcues_async.sandbox import Sandbox
from appcues_async.wire import connections

EVENT = {"user_id": "007", "name": "Signed up", "timestamp": "2026-07-14T12:34:56Z"}
IMPORT_EVENTS = "/import/events$"
IMPORT_PROFILES = "/import/profiles$"


@pytest.fixture
def users_csv(tmp_path: Path) -> Path:
    """A file of 30 MB, which goes out as a multipart upload."""
    path = tmp_path / "users.csv"
    line = "user-{:08d},harriet@example.com," + "x" * 60 + "\n"
    with path.open("w") as file:
        file.write("user_id,email,note\n")
        file.writelines(line.format(number) for number in range(310_000))
    return path


def sent(sandbox: Sandbox, path_end: str) -> int:
    return sum(request.path.endswith(path_end) for request in sandbox.requests)


@pytest.fixture
def nothing_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy in the environment, and no server that was reached before."""
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    connections._reached.clear()


@pytest.fixture
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets no name be found, with this code of the resolver."""

    def fail_with(code: int) -> None:
        async def getaddrinfo(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(code, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)

    return fail_with
