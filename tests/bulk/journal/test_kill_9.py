"""Processes that are killed while a chunk is on its way."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from appcues_async.bulk.journal.run_journal import Step
from appcues_async.sandbox import Sandbox, Stall
from tests.bulk.journal.resuming import assert_each_once, posts, statuses, uploads_applied
from tests.conftest import wait_until

WORKER = """
import asyncio, os, signal, sys
from appcues_async import AppcuesClient, PollPolicy, RetryPolicy, Timeouts
from appcues_async.bulk.resource import with_steps

step, chunk, path, journal, url = sys.argv[1:6]

def on_step(passed, number):
    if (passed, number) == (step, int(chunk)):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with AppcuesClient(
        "sandbox-account", "sandbox-key", "sandbox-secret", base_url=url,
        retry=RetryPolicy(base=0.001, cap=0.001, outage=0), timeouts=Timeouts(settle=1.5),
        polling=PollPolicy(first=0, low=0.01, high=0.05, grace=0.05),
    ) as client:
        report = await with_steps(client.bulk, on_step).import_events(
            path, journal=journal, chunk_bytes=9_000, concurrency=2
        )
        assert report.ok, report.summary()
        print(report.resumed)

asyncio.run(main())
"""


def work(sandbox: Sandbox, events: Path, journal: Path, step: str = "none", chunk: int = 1) -> Any:
    arguments = [step, str(chunk), str(events), str(journal), sandbox.url]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WORKER, *arguments],
        capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("intent", marks=pytest.mark.long),
        "sent",
        pytest.param("accepted", marks=pytest.mark.long),
    ],
)
def test_kill_9_loses_nothing_and_doubles_nothing(
    tmp_path: Path, events: Path, journal: Path, step: Step
) -> None:
    with Sandbox(rate_limit=None, list_lag=1.0) as sandbox:
        killed = work(sandbox, events, journal, step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        done = work(sandbox, events, journal)
        assert done.returncode == 0, done.stderr
        assert_each_once(sandbox)
        assert set(statuses(journal)) == {"completed"}


@pytest.mark.parametrize(
    "applied",
    [
        pytest.param(True, id="applied"),
        pytest.param(False, id="not applied", marks=pytest.mark.long),
    ],
)
def test_kill_9_while_the_server_holds_its_answer(
    events: Path, journal: Path, applied: bool
) -> None:
    with Sandbox(rate_limit=None) as sandbox:
        stall = Stall("headers" if applied else "request")
        sandbox.faults.add(stall, method="POST", path="/import/events", skip=2)
        arguments = ["none", "0", str(events), str(journal), sandbox.url]
        with subprocess.Popen([sys.executable, "-c", WORKER, *arguments]) as worker:
            wait_until(lambda: posts(sandbox) >= 3 and uploads_applied(sandbox) >= 2 + applied)
            worker.kill()
        stall.hold.release()
        done = work(sandbox, events, journal)
        assert done.returncode == 0, done.stderr
        assert_each_once(sandbox)
