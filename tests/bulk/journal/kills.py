"""What the tests share that kill processes: a file of events, servers, and what must hold in the end."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.sandbox import Answer, Close, Reset, Sandbox, Stall
from appcues_async.sandbox.faults import Fault

COUNT = 600
STEPS: tuple[Step, ...] = get_args(Step)

WORKER = """
import asyncio, os, signal, sys
from appcues_async import AppcuesClient, PollPolicy, RetryPolicy, Timeouts
from appcues_async.bulk.resource import with_steps

step, chunk, path, journal, url, size, concurrency = sys.argv[1:8]

def on_step(passed, number):
    print(passed, number, flush=True)
    if (passed, number) == (step, int(chunk)):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with AppcuesClient(
        "sandbox-account", "sandbox-key", "sandbox-secret", base_url=url,
        retry=RetryPolicy(base=0.01, cap=0.05), timeouts=Timeouts(settle=2, budget=20),
        polling=PollPolicy(first=0, low=0.02, high=0.1, grace=0.1),
    ) as client:
        report = await with_steps(client.bulk, on_step).import_events(
            path, journal=journal, chunk_bytes=int(size), concurrency=int(concurrency)
        )
        assert report.ok, report.summary()

asyncio.run(main())
"""

WORLDS: dict[str, dict[str, Any]] = {
    "as documented": {},
    "lists that lag by a second": {"list_lag": 1.0},
    "job names of another make": {"list_lag": 1.0, "job_names": {"import_events": "Events 1/2"}},
    "a request limit": {"rate_limit": 20},
}


def written(path: Path, user: str = "u") -> Path:
    line = '{{"user_id":"{}{:04}","name":"Paid","timestamp":"2026-07-14T12:00:00Z"}}\n'
    path.write_text("".join(line.format(user, number) for number in range(COUNT)))
    return path


@contextmanager
def world(name: str, seed: int = 0) -> Iterator[Sandbox]:
    with Sandbox(seed=seed, **{"rate_limit": None, "job_seconds": 0.1, **WORLDS[name]}) as sandbox:
        yield sandbox


def assert_each_once(sandbox: Sandbox, *users: str) -> None:
    times = Counter(event["user_id"] for event in sandbox.events)
    assert times == {f"{user}{number:04}": 1 for user in users or ("u",) for number in range(COUNT)}


def assert_done(journal: Path) -> None:
    assert {chunk["status"] for chunk in read_journal(journal).chunks} == {"completed"}


def lose_answers(sandbox: Sandbox, seed: int, share: float = 0.3) -> None:
    """Has the server apply a request and lose its answer, or not apply it; each in some cases."""
    draw = random.Random(seed)
    faults: list[Fault] = [
        *(Reset(applied=True), Reset(), Close(applied=True), Reset(after="headers")),
        *(Answer(502, applied=True), Answer(503), Answer(429), Stall("headers", seconds=0.3)),
    ]
    for fault in draw.sample(faults, len(faults)):
        sandbox.faults.add(fault, method="POST", path="/import/events", probability=share, times=2)


def begin(
    sandbox: Sandbox,
    events: Path,
    journal: Path,
    step: str = "none",
    chunk: int = 1,
    *,
    size: int = 9_000,
    concurrency: int = 2,
) -> subprocess.Popen[str]:
    arguments = [
        step,
        str(chunk),
        str(events),
        str(journal),
        sandbox.url,
        str(size),
        str(concurrency),
    ]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WORKER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(sandbox: Sandbox, events: Path, journal: Path, **options: Any) -> None:
    """Runs it again, and once more where the server has refused a chunk as often as it is asked."""
    said = ""
    for _ in range(4):
        worker = begin(sandbox, events, journal, **options)
        _, said = worker.communicate(timeout=50)
        if worker.returncode == 0:
            return
        assert "refused: POST import/events" in said, said
    pytest.fail(said)
