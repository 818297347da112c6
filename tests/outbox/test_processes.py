"""Several processes, one path: one of them sends, another takes over, and none of them is lost."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Answer, Close, Reset, Sandbox
from tests.outbox import worker as worker_module
from tests.outbox.conftest import SOONER, names, until

FORKING = """
import asyncio, os, sys
from appcues_async import AppcuesClient

async def child(inherited, path, url):
    try:
        await inherited.track("child", "Inherited")
    except RuntimeError as error:
        assert "forked" in str(error), error
    else:
        os._exit(3)
    async with AppcuesClient("sandbox-account", "sandbox-key", "sandbox-secret", base_url=url) as client:
        async with client.outbox(path, every=0.05) as outbox:
            await outbox.track("child", "Own")

async def main(url, path):
    async with AppcuesClient("sandbox-account", "sandbox-key", "sandbox-secret", base_url=url) as client:
        async with client.outbox(path, every=0.05) as outbox:
            await outbox.track("parent", "Before")
            await outbox.flush()
            pid = os.fork()
            if not pid:
                code = 1
                try:
                    asyncio.events._set_running_loop(None)
                    asyncio.run(child(outbox, path, url))
                    code = 0
                finally:
                    os._exit(code)
            many = 0
            while (found := os.waitpid(pid, os.WNOHANG)) == (0, 0):
                await outbox.track("parent", "Many")
                many += 1
                await asyncio.sleep(0.01)
            assert found[1] == 0, found
            await outbox.track("parent", "After")
            await outbox.flush()
            assert (await outbox.gauges()).sending
            assert not await outbox.failed()
            print(many)

asyncio.run(main(*sys.argv[1:]))
"""


def wait_until(reached: Callable[[], bool]) -> None:
    """Waits for what other processes do, which takes long to begin on a busy machine."""
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Worker:
    """A process that puts, and what it was promised."""

    def __init__(self, sandbox: Sandbox, path: Path, name: str, rate: float, die_at: str) -> None:
        self.name = name
        arguments = [sandbox.url, str(path), name, str(rate), die_at]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", worker_module.__file__, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.promised: list[int] = []
        self.opened = threading.Event()
        self._said = ""
        self._readers = [threading.Thread(target=one) for one in (self._read, self._hear)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line == "open\n":
                self.opened.set()
            elif line.endswith("\n"):
                self.promised.append(int(line))

    def _hear(self) -> None:
        assert self.process.stderr is not None
        self._said = self.process.stderr.read()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def stop(self) -> None:
        # Before that, it does not know what to do about it.
        assert self.opened.wait(60)
        self.process.terminate()
        assert self.wait() == 0, self._said

    def wait(self) -> int:
        code = self.process.wait(timeout=50)
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


class Crew:
    """Workers on one path."""

    def __init__(self, sandbox: Sandbox, path: Path, name: str) -> None:
        self._sandbox = sandbox
        self._path = path
        self._name = name
        self.all: list[Worker] = []

    def start(self, rate: float = 50, die_at: str = "") -> Worker:
        worker = Worker(self._sandbox, self._path, f"{self._name}{len(self.all)}", rate, die_at)
        self.all.append(worker)
        return worker

    @property
    def alive(self) -> list[Worker]:
        return [one for one in self.all if one.process.poll() is None]

    @property
    def busy(self) -> list[Worker]:
        """Those that put by now."""
        return [one for one in self.alive if one.promised]

    def promised(self) -> set[str]:
        return {f"{one.name} {number}" for one in self.all for number in one.promised}

    def check(self) -> None:
        """Nothing that was returned for is lost, and nothing is doubled."""
        found = Counter(names(self._sandbox))
        assert [name for name, times in found.items() if times > 1] == []
        assert self.promised() - found.keys() == set()
        for one in self.all:
            for user in range(min(50, len(one.promised))):
                last = max(number for number in one.promised if number % 50 == user)
                kept = self._sandbox.profiles[f"{one.name}-{user}"]["number"]
                # What was being put when it was killed may have been kept as well.
                assert kept in {last, last + 50}


@contextmanager
def crew_of(sandbox: Sandbox, path: Path, name: str = "w") -> Iterator[Crew]:
    crew = Crew(sandbox, path, name)
    try:
        yield crew
    finally:
        for one in crew.all:
            one.kill()


@pytest.fixture
def served() -> Iterator[Sandbox]:
    with Sandbox(rate_limit=60, job_seconds=0.1) as sandbox:
        yield sandbox


def drain(sandbox: Sandbox, path: Path) -> None:
    """Lets a last process send what is left."""
    with crew_of(sandbox, path, "last") as crew:
        last = crew.start(rate=0.001)
        assert last.opened.wait(60)
        wait_until(lambda: is_empty(path))
        last.kill()


def is_empty(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute("SELECT count(*) FROM rows").fetchone()
    return not found


async def test_one_of_two_sends_and_the_other_takes_over(
    client: AppcuesClient, sandbox: Sandbox, path: Path
) -> None:
    async with client.outbox(path, every=SOONER) as second:
        async with client.outbox(path, every=SOONER) as first:
            await first.track("u1", "By the first")
            await second.track("u1", "By the second")
            await first.flush(wait=True)
            assert len(names(sandbox)) == 2
            sending = [(await one.gauges()).sending for one in (first, second)]
            assert sorted(sending) == [False, True]
            await second.track("u1", "Later")

        async def takes_over() -> bool:
            return (await second.gauges()).sending

        await until(takes_over)
        await second.flush(wait=True)
    assert names(sandbox) == ["By the first", "By the second", "Later"]


@pytest.mark.long
def test_a_fork_is_told_and_the_parents_outbox_is_left_alone(served: Sandbox, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, served.url, str(path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "Own" in names(served))
    found = Counter(names(served))
    assert found == {"Before": 1, "Many": int(done.stdout), "Own": 1, "After": 1}


@pytest.mark.long
@pytest.mark.parametrize("step", ["planned", "intent", "sent", "accepted", "completed"])
def test_each_event_is_recorded_once_at_whichever_step_the_sender_dies(
    served: Sandbox, path: Path, step: str
) -> None:
    with crew_of(served, path) as crew:
        crew.start(die_at=step).wait()
        crew.start().opened.wait(60)
        time.sleep(2)
        for one in crew.alive:
            one.stop()
        drain(served, path)
        crew.check()


@pytest.mark.long
@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(False, id="answers arrive", marks=pytest.mark.trials),
        pytest.param(True, id="answers are lost"),
    ],
)
def test_thirty_kills_under_load_lose_and_double_nothing(
    served: Sandbox, path: Path, lost: bool
) -> None:
    draw = random.Random(int(lost))
    if lost:
        for fault in (Reset(applied=True), Reset(), Close(applied=True), Answer(502, applied=True)):
            served.faults.add(
                fault, method="POST", path="/import/events", probability=0.2, times=10
            )
    with crew_of(served, path) as crew:
        for _ in range(6):
            crew.start()
        for _ in range(30):
            time.sleep(draw.uniform(0.2, 1.5))
            wait_until(lambda: len(crew.busy) > 1)
            draw.choice(crew.busy).kill()
            crew.start()
        for one in crew.alive:
            one.stop()
        drain(served, path)
        crew.check()
        print(f"30 kills, {len(crew.promised()):,} events")
