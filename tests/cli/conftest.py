"""A command run in this process, against a sandbox in a thread."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from attrs import frozen

from appcues_async import AppcuesClient
from appcues_async.cli import demo, options
from appcues_async.cli.app import app, run
from appcues_async.sandbox import Sandbox
from tests.conftest import AT_ONCE, SOON


@frozen
class Ran:
    """What a command has left behind."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> dict[str, Any]:
        """The line of JSON, which is the last one on stderr."""
        read: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        assert set(read) == {"error", "type", "status", "message", "exit_code"}
        assert read["error"] is True
        assert read["exit_code"] == self.code
        return read

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Command: TypeAlias = Callable[..., Ran]


class QuickClient(AppcuesClient):
    """A client that asks and repeats sooner than a real server should be asked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"polling": AT_ONCE, "retry": SOON, **kwargs})


class UnpacedClient(QuickClient):
    """One that waits for nobody's turn, so that its repeats come at once as well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"throttle": None, **kwargs})


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*os.environ]:
        if name.startswith(("APPCUES_", "CUSTOMERIO_")) or name in {
            "FORCE_COLOR",
            "TTY_INTERACTIVE",
        }:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command with its arguments."""
    monkeypatch.setattr(options, "AppcuesClient", UnpacedClient)
    monkeypatch.setattr(demo, "AppcuesClient", QuickClient)

    def run_command(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_command


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A server whose credentials are in the environment, and whose jobs end at once."""
    with Sandbox(rate_limit=None) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A file of two profiles."""
    path = tmp_path / "users.csv"
    path.write_text("user_id,plan\n007,pro\n008,free\n", encoding="utf-8")
    return path


def copies(path: Path, count: int) -> list[Path]:
    """As many files that hold the same rows: one file twice in a command is refused."""
    paths = [path.with_name(f"{number}-{path.name}") for number in range(count)]
    for copy in paths:
        copy.write_bytes(path.read_bytes())
    return paths


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A file of two events, of which the server takes one."""
    path = tmp_path / "events.ndjson"
    path.write_text(
        '{"user_id":"007","name":"Signed up","timestamp":"2026-01-01T00:00:00Z"}\n'
        '{"user_id":8.5,"name":"Signed up","timestamp":"2026-01-01T00:00:00Z"}\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    """A file of two ids."""
    path = tmp_path / "ids.csv"
    path.write_text("007\n008\n", encoding="utf-8")
    return path


def commands(of: Any = app, *before: str) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as its words."""
    inner = [name for name in of if not name.startswith("-")]
    for name in inner:
        yield from commands(of[name], *before, name)
    if not inner:
        yield before


def posts(sandbox: Sandbox) -> list[str]:
    """Which uploads came in."""
    account = "/v2/accounts/sandbox-account/"
    return [one.path.removeprefix(account) for one in sandbox.requests if one.method == "POST"]
