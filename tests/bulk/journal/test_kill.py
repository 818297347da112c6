"""kill -9, at every step of a chunk's life and at any moment: each event is recorded once.

The sandbox counts what it has recorded. A worker in another process syncs a file of events to it with a
journal, and is killed; another one takes up what it left.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from appcues_async.bulk.journal.run_journal import Step
from appcues_async.sandbox import Sandbox, Stall
from tests.bulk.journal.kills import (
    STEPS,
    WORLDS,
    assert_done,
    assert_each_once,
    begin,
    finish,
    lose_answers,
    world,
    written,
)
from tests.conftest import wait_until


def has_upload(sandbox: Sandbox, *, applied: bool) -> bool:
    return any(one.method == "POST" and one.applied is applied for one in sandbox.requests)


@pytest.mark.long
@pytest.mark.parametrize("lost", [False, True], ids=["answers arrive", "answers are lost"])
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("chunk", [0, 2])
@pytest.mark.parametrize("step", STEPS)
def test_each_event_is_recorded_once_at_whichever_step_the_process_dies(
    tmp_path: Path, journal: Path, step: Step, chunk: int, name: str, lost: bool
) -> None:
    events = written(tmp_path / "events.ndjson")
    seed = chunk + STEPS.index(step)
    with world(name, seed) as sandbox:
        if lost:
            lose_answers(sandbox, seed)
        worker = begin(sandbox, events, journal, step, chunk)
        _, said = worker.communicate(timeout=50)
        # Where answers are lost, it may end without having come so far.
        assert worker.returncode == -signal.SIGKILL or (lost and "refused: " in said), said
        finish(sandbox, events, journal)
        assert_each_once(sandbox)
    assert_done(journal)


def at_a_random_moment(tmp_path: Path, journal: Path, seed: int) -> None:
    draw = random.Random(seed)
    events = written(tmp_path / "events.ndjson")
    with world(draw.choice(list(WORLDS)), seed) as sandbox:
        if draw.random() < 0.5:
            lose_answers(sandbox, seed)
        for _ in range(4):
            # Where requests take their time, there is time to be killed in.
            at = draw.choice(["request", "headers"])
            slow = Stall(at, seconds=draw.uniform(0, 0.3))  # type: ignore[arg-type]
            sandbox.faults.add(slow, method="POST", probability=0.5, times=3)
        for _ in range(draw.randint(1, 3)):
            worker = begin(sandbox, events, journal)
            assert worker.stdout is not None
            worker.stdout.readline()
            time.sleep(draw.uniform(0, 1))
            worker.kill()
            worker.communicate(timeout=10)
        finish(sandbox, events, journal)
        assert_each_once(sandbox)
    assert_done(journal)


@pytest.mark.parametrize("seed", range(1))
def test_each_event_is_recorded_once_whenever_the_process_dies(
    tmp_path: Path, journal: Path, seed: int
) -> None:
    at_a_random_moment(tmp_path, journal, seed)


@pytest.mark.long
@pytest.mark.parametrize(
    "seed",
    [*range(1, 13), *(pytest.param(seed, marks=pytest.mark.trials) for seed in range(13, 53))],
)
def test_each_event_is_recorded_once_whenever_it_dies(
    tmp_path: Path, journal: Path, seed: int
) -> None:
    at_a_random_moment(tmp_path, journal, seed)


@pytest.mark.parametrize(
    "applied",
    [
        pytest.param(True, id="applied"),
        pytest.param(False, id="not applied", marks=pytest.mark.long),
    ],
)
def test_two_workers_share_a_journal_and_one_dies_while_an_answer_is_owed(
    tmp_path: Path, journal: Path, applied: bool
) -> None:
    mine, other = written(tmp_path / "a.ndjson", "a"), written(tmp_path / "b.ndjson", "b")
    with world("lists that lag by a second") as sandbox:
        owed = Stall("headers" if applied else "request")
        sandbox.faults.add(owed, method="POST", path="/import/events", times=1)
        first = begin(sandbox, mine, journal)
        assert first.stdout is not None
        while not first.stdout.readline().startswith("intent"):
            pass
        wait_until(lambda: has_upload(sandbox, applied=applied))
        second = begin(sandbox, other, journal)
        first.kill()
        first.communicate(timeout=10)
        if not applied:
            # What a dead process has sent may still be applied, but not after the settle time.
            sandbox.faults.clear()
        owed.hold.release()
        _, said = second.communicate(timeout=50)
        assert second.returncode == 0, said
        finish(sandbox, mine, journal)
        assert_each_once(sandbox, "a", "b")
    assert_done(journal)


def test_a_second_process_on_the_same_run_is_told_who_has_it(tmp_path: Path, journal: Path) -> None:
    events = written(tmp_path / "events.ndjson")
    with world("as documented") as sandbox:
        owed = Stall("request")
        sandbox.faults.add(owed, method="POST", times=1)
        first = begin(sandbox, events, journal)
        assert first.stdout is not None
        first.stdout.readline()
        second = begin(sandbox, events, journal)
        _, said = second.communicate(timeout=50)
        assert second.returncode == 1
        assert f"process {first.pid}" in said
        owed.hold.release()
        _, said = first.communicate(timeout=50)
        assert first.returncode == 0, said
        assert_each_once(sandbox)
