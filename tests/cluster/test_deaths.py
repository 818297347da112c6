"""kill -9 of workers, of the scheduler and of the driver: each event is recorded once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import pytest

from appcues_async.sandbox import Sandbox, Stall
from tests.bulk.journal.kills import (
    assert_done,
    assert_each_once,
    lose_answers,
    world,
    written,
)
from tests.cluster.dask_processes import DaskProcesses

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

Victim = Literal["worker", "workers", "scheduler", "driver"]

DRIVER = """
import asyncio, sys
from distributed import Client
from appcues_async import AppcuesClient, PollPolicy, RetryPolicy, Timeouts
from appcues_async.cluster import DaskWorkers, sending

events, journal, url, scheduler = sys.argv[1:5]
sending.VALID = 2.0

async def main():
    async with (
        Client(scheduler, asynchronous=True) as dask_client,
        AppcuesClient(
            "sandbox-account", "sandbox-key", "sandbox-secret", base_url=url,
            retry=RetryPolicy(base=0.01, cap=0.05),
            timeouts=Timeouts(connect=1, idle=2, settle=2, budget=20),
            polling=PollPolicy(first=0, low=0.02, high=0.1, grace=0.1),
        ) as client,
    ):
        print("open", flush=True)
        report = await client.bulk.import_events(
            events, journal=journal, chunk_bytes=3_000, concurrency=4,
            workers=DaskWorkers(dask_client, share_credentials=True),
        )
        assert report.ok, report.summary()

asyncio.run(main())
"""


@pytest.fixture(scope="module", params=[0, 3], ids=["allowed-failures 0", "allowed-failures 3"])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DaskProcesses]:
    running = DaskProcesses(tmp_path_factory.mktemp("dask"), request.param)
    running.start()
    yield running
    running.stop()


def begin(
    sandbox: Sandbox, events: Path, journal: Path, cluster: DaskProcesses
) -> subprocess.Popen[str]:
    arguments = [str(events), str(journal), sandbox.url, cluster.address]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(sandbox: Sandbox, events: Path, journal: Path, cluster: DaskProcesses) -> None:
    """Runs it again, and once more where the server has refused a chunk as often as it is asked."""
    said = ""
    for _ in range(4):
        driver = begin(sandbox, events, journal, cluster)
        _, said = driver.communicate(timeout=100)
        if driver.returncode == 0:
            return
        assert "refused: POST import/events" in said, said
    pytest.fail(said)


def kill(
    victim: Victim,
    cluster: DaskProcesses,
    driver: subprocess.Popen[str],
    draw: random.Random,
    pids: list[int],
) -> None:
    match victim:
        case "worker":
            os.kill(draw.choice(pids), signal.SIGKILL)
        case "workers":
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        case "scheduler":
            cluster.kill_scheduler()
        case "driver":
            driver.kill()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.trials) for seed in range(1, 5))]
)
@pytest.mark.parametrize("victim", get_args(Victim))
def test_each_event_is_recorded_once_whoever_dies(
    tmp_path: Path, cluster: DaskProcesses, victim: Victim, seed: int
) -> None:
    draw = random.Random(f"{victim} {seed}")
    events, journal = written(tmp_path / "events.ndjson"), tmp_path / "journal.db"
    pids = list(cluster.pids().values())
    name = draw.choice(["lists that lag by a second", "a request limit", "as documented"])
    with world(name, seed) as sandbox:
        if draw.random() < 0.7:
            lose_answers(sandbox, seed, share=0.2)
        for _ in range(4):
            # Where requests take their time, there is time to be killed in.
            at = draw.choice(["request", "headers"])
            slow = Stall(at, seconds=draw.uniform(0.1, 0.6))  # type: ignore[arg-type]
            sandbox.faults.add(slow, method="POST", probability=0.7, times=8)
        driver = begin(sandbox, events, journal, cluster)
        assert driver.stdout is not None
        driver.stdout.readline()
        uploads_before = draw.randint(1, 12)
        until = time.monotonic() + 120
        while (
            sum(one.method == "POST" for one in sandbox.requests) < uploads_before
            and driver.poll() is None
        ):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.2))
        kill(victim, cluster, driver, draw, pids)
        _, said = driver.communicate(timeout=300)
        if victim == "scheduler":
            cluster.start()
        if victim in {"worker", "workers"}:
            # It goes on by itself, as soon as there is a worker again.
            assert driver.returncode == 0 or "refused: POST import/events" in said, said
        finish(sandbox, events, journal, cluster)
        assert_each_once(sandbox)
    assert_done(journal)
