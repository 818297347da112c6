"""The command serves over real pipes, and its client never sees the credentials."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from appcues_async.sandbox import JobPlan, Sandbox
from tests.mcp.conftest import ask_with

pytestmark = pytest.mark.long


@asynccontextmanager
async def served(sandbox: Sandbox, folder: Path, *words: str) -> AsyncIterator[Client]:
    """The command in a process of its own, and a client that talks to it."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "appcues_async", "mcp", "--folder", str(folder), *words],
        env={**os.environ, **sandbox.environment, "HOME": str(folder)},
    )
    with (folder / "stderr").open("w", encoding="utf-8") as errors:
        async with Client(stdio_client(parameters, errlog=errors)) as client:
            yield client


async def test_a_file_is_imported_and_its_job_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    told: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    (tmp_path / "users.csv").write_text("user_id,plan\n007,pro\n", encoding="utf-8")
    sandbox.plan_next_job(JobPlan(seconds=0.5))
    async with served(sandbox, tmp_path) as client:
        tools = (await client.list_tools()).tools
        rehearsal = await ask_with(client, "import_profiles", {"path": "users.csv"})
        assert (rehearsal.content["dry_run"], sandbox.requests) == (True, [])
        given = {"path": "users.csv", "dry_run": False}
        done = await ask_with(client, "import_profiles", given, progress_callback=hear)
        lost = await ask_with(client, "get_flow", {"flow_id": "nope"})
    assert len(tools) >= 20
    assert (done.content["ok"], sandbox.profiles) == (True, {"007": {"plan": "pro"}})
    assert told[0] == "begun"
    assert "1 sent" in (told[-1] or "")
    secrets = [str(sandbox.credentials[name]) for name in ("api_key", "api_secret")]
    seen = [str(tools), str(done), str(lost), (tmp_path / "stderr").read_text("utf-8")]
    assert not [one for one in seen for secret in secrets if secret in one]


async def test_another_process_takes_up_the_wait(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("007\n", encoding="utf-8")
    async with served(sandbox, tmp_path) as client:
        made = (await ask_with(client, "create_segment", {"name": "Pros"})).content["id"]
        sandbox.plan_next_job(JobPlan(seconds=3600))
        given = {"segment_id": made, "path": "ids.csv", "timeout_seconds": 0.1, "dry_run": False}
        (token,) = (await ask_with(client, "add_segment_users", given)).content["still_running"]
    sandbox.advance(3600)
    async with served(sandbox, tmp_path) as client:
        waited = await ask_with(client, "wait_for_job", {"job": token})
    assert waited.content["ok"] is True
    assert sandbox.segments[made].user_ids == {"007"}


async def test_a_dry_run_of_the_command_previews_everything(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with served(sandbox, tmp_path, "--dry-run") as client:
        answer = await ask_with(client, "delete_segment", {"segment_id": "s1", "dry_run": False})
    assert answer.content["dry_run"] is True
    assert sandbox.requests == []


async def test_without_credentials_the_command_says_so_and_ends(tmp_path: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "appcues_async", "mcp"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    path = tmp_path / "stderr"
    with path.open("w", encoding="utf-8") as errors, pytest.raises(BaseException):  # noqa: B017, PT011
        async with Client(stdio_client(parameters, errlog=errors), read_timeout_seconds=5):
            pass
    assert json.loads(path.read_text("utf-8").splitlines()[-1])["exit_code"] == 3
