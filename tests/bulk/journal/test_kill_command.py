"""The command, ended by SIGTERM or kill -9 at any moment, then given again: each event is kept once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appcues_async.sandbox import Sandbox, Stall
from tests.bulk.journal.kills import (
    WORLDS,
    assert_done,
    assert_each_once,
    lose_answers,
    world,
    written,
)

TRIALS, AT_A_TIME = 10, 5
SIGNALS = (signal.SIGTERM, signal.SIGKILL)


def begin(sandbox: Sandbox, folder: Path) -> subprocess.Popen[str]:
    credentials = sandbox.credentials
    arguments = ["import", "events", "events.ndjson", "--journal", "journal.db"]
    options = ["--chunk-bytes", "9kB", "--concurrency", "2", "-o", "json"]
    environment = {
        "APPCUES_ACCOUNT_ID": credentials["account_id"],
        "APPCUES_API_KEY": credentials["api_key"],
        "APPCUES_API_SECRET": credentials["api_secret"],
        "APPCUES_BASE_URL": credentials["base_url"],
    }
    return subprocess.Popen(
        [sys.executable, "-m", "appcues_async", *arguments, *options],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_upload(sandbox: Sandbox, command: subprocess.Popen[str]) -> None:
    before = len(sandbox.requests)
    while command.poll() is None and not any(
        one.method == "POST" for one in sandbox.requests[before:]
    ):
        time.sleep(0.01)


def finish(sandbox: Sandbox, folder: Path) -> None:
    """Gives the command again, and once more where the server refuses a chunk at each attempt."""
    said = ""
    for _ in range(5):
        command = begin(sandbox, folder)
        _, said = command.communicate(timeout=120)
        if command.returncode == 0:
            return
        assert "rows: refused" in said, said
    pytest.fail(said)


def kill_and_repeat(folder: Path, seed: int) -> Counter[str]:
    """Ends the command one to three times, and gives it again until it says that all is done."""
    draw, seen = random.Random(seed), Counter[str]()
    folder.mkdir()
    written(folder / "events.ndjson")
    with world(draw.choice(list(WORLDS)), seed) as sandbox:
        if draw.random() < 0.5:
            lose_answers(sandbox, seed)
        for at in draw.choices(["request", "headers"], k=4):
            # Where requests take their time, there is time to be killed in.
            slow = Stall(at, seconds=draw.uniform(0, 0.5))  # type: ignore[arg-type]
            sandbox.faults.add(slow, method="POST", probability=0.5, times=3)
        for _ in range(draw.randint(1, 3)):
            command = begin(sandbox, folder)
            if draw.random() < 0.8:
                wait_for_upload(sandbox, command)
                time.sleep(draw.uniform(0, 0.5))
            else:
                time.sleep(draw.uniform(0, 2))
            sent = draw.choice(SIGNALS)
            command.send_signal(sent)
            _, said = command.communicate(timeout=120)
            ended = 128 + sent if sent == signal.SIGTERM else -sent
            # It may have ended by then, with a chunk that the server refused as often as it was asked.
            assert command.returncode in {ended, -sent, 0, 5, 6}, said
            seen[sent.name if command.returncode in {ended, -sent} else "too late"] += 1
        finish(sandbox, folder)
        assert_each_once(sandbox)
    assert_done(folder / "journal.db")
    return seen


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    "batch", [0, *(pytest.param(batch, marks=pytest.mark.trials) for batch in range(1, 6))]
)
def test_each_event_is_recorded_once_whenever_the_command_ends(tmp_path: Path, batch: int) -> None:
    seeds = range(batch * TRIALS, batch * TRIALS + TRIALS)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        trials = pool.map(lambda seed: kill_and_repeat(tmp_path / str(seed), seed), seeds)
        seen = sum(trials, Counter[str]())
    print(dict(seen))
    assert seen["SIGTERM"]
    assert seen["SIGKILL"]
