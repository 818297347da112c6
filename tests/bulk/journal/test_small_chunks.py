"""Two processes on one journal, killed, with more chunks under way than there are row counts.

A lost answer is told by its chunk's row count, which no other unsettled chunk has. Five counts are few:
chunks wait for one another's, and share only what dead processes have left of all five. What then stays
unknown is said, and settled by hand.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.settling import settle_chunk
from appcues_async.sandbox import Sandbox, Stall
from tests.bulk.journal.kills import (
    WORLDS,
    assert_done,
    assert_each_once,
    begin,
    finish,
    lose_answers,
    world,
    written,
)

SMALL: dict[str, Any] = {"size": 400, "concurrency": 4}
"""Five rows at the most, and eight chunks of two processes under way."""


def settle_by_hand(sandbox: Sandbox, journal: Path) -> None:
    """Settles what is unknown as the server has it."""
    recorded = {event["user_id"] for event in sandbox.events}
    unknown = [one for one in read_journal(journal).chunks if one["status"] == "unknown"]
    for one in unknown:
        user = Path(one["source"]).stem
        rows = {f"{user}{number - 1:04}" for number in range(one["first"], one["last"] + 1)}
        applied = rows <= recorded
        assert applied or not rows & recorded
        settle_chunk(journal, one["chunk"], applied=applied, run=one["run"])


def steps_of(worker: subprocess.Popen[str], number: int) -> None:
    """Waits until a worker has taken so many more steps, or has ended."""
    assert worker.stdout is not None
    for _ in range(number):
        worker.stdout.readline()


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seed",
    [*range(2), *(pytest.param(seed, marks=pytest.mark.trials) for seed in range(2, 16))],
)
def test_two_processes_that_are_killed_record_each_event_once_in_chunks_of_few_rows(
    tmp_path: Path, journal: Path, seed: int
) -> None:
    draw = random.Random(seed)
    paths = [written(tmp_path / f"{name}.ndjson", name) for name in "ab"]
    with world(list(WORLDS)[seed % len(WORLDS)], seed) as sandbox:
        lose_answers(sandbox, seed, share=0.1)
        slow = Stall("headers", seconds=0.2)
        sandbox.faults.add(slow, method="POST", probability=0.2, times=20)
        for _ in range(3):
            workers = [begin(sandbox, path, journal, **SMALL) for path in paths]
            for worker in workers:
                steps_of(worker, 1)
            for worker in workers[: draw.randint(1, 2)]:
                steps_of(worker, draw.randint(0, 60))
                worker.kill()
            for worker in workers:
                worker.communicate(timeout=100)
        for _ in range(3):
            # What one left may be known only once the other has settled its own.
            workers = [begin(sandbox, path, journal, **SMALL) for path in paths]
            for worker in workers:
                worker.communicate(timeout=100)
        settle_by_hand(sandbox, journal)
        for path in paths:
            finish(sandbox, path, journal, **SMALL)
        assert_each_once(sandbox, "a", "b")
    assert_done(journal)
