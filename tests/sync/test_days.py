"""Three days of syncs, with a kill -9 and a failed job: the server holds what the source does."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import define, field

from appcues_async.sandbox import JobPlan, Sandbox, Stall
from tests.conftest import wait_until
from tests.sync.conftest import add_segment, members

WORKER = """
import asyncio, sys
from appcues_async import AppcuesClient, PollPolicy, RetryPolicy, Timeouts

what, segment, source, state, url = sys.argv[1:]

async def main():
    async with AppcuesClient(
        "sandbox-account", "sandbox-key", "sandbox-secret", base_url=url,
        retry=RetryPolicy(base=0.01, cap=0.05), timeouts=Timeouts(settle=0.2, budget=20),
        polling=PollPolicy(first=0, low=0.02, high=0.1, grace=0.1),
    ) as client:
        options = {"state": state, "chunk_bytes": 6_000, "concurrency": 2, "on_failure": "report"}
        if what == "segment":
            report = await client.sync.segment(segment, source, **options)
        else:
            report = await client.sync.profiles(source, **options)
        sys.exit(0 if report.ok else 6)

asyncio.run(main())
"""


@define
class World:
    """A source, and the server that is to hold the same.

    Attributes:
        folder: Where the files are.
        sandbox: The server.
        what: `segment` or `profiles`.
        chance: Decides what changes.
        rows: The source: attributes by id.
    """

    folder: Path
    sandbox: Sandbox
    what: str
    chance: random.Random = field(factory=lambda: random.Random(7))
    rows: dict[str, dict[str, Any]] = field(factory=dict)

    def change(self, added: int, removed: int, changed: int) -> None:
        """Another day begins."""
        for row_id in self.chance.sample(sorted(self.rows), removed):
            del self.rows[row_id]
        for row_id in self.chance.sample(sorted(self.rows), changed):
            self.rows[row_id] = self._row()
        first = self.chance.randrange(10**6)
        self.rows.update({f"u{first + number}": self._row() for number in range(added)})

    def _row(self) -> dict[str, Any]:
        return {"plan": self.chance.choice(["free", "pro"]), "seats": self.chance.randrange(100)}

    def start(self) -> subprocess.Popen[bytes]:
        """Begins a sync in another process."""
        source = self.folder / "source.ndjson"
        lines: Sequence[Any] = list(self.rows)
        if self.what == "profiles":
            lines = [{"user_id": row_id, **row} for row_id, row in self.rows.items()]
        source.write_bytes(msgspec.json.Encoder().encode_lines(lines))
        state = self.folder / "state.db"
        arguments = [self.what, "-pros", str(source), str(state), self.sandbox.url]
        return subprocess.Popen([sys.executable, "-c", WORKER, *arguments])

    def sync(self) -> int:
        """Syncs; returns the exit code."""
        with self.start() as process:
            return process.wait(120)

    def kill_after(self, uploads: int) -> None:
        """Syncs, and kills that when so many uploads have been applied and the next is under way."""
        stall = Stall("headers")
        self.sandbox.faults.add(stall, method="POST", skip=uploads, times=None)
        self.sandbox.plan_next_job(JobPlan(seconds=1))
        before = self.posts()
        with self.start() as process:
            wait_until(lambda: self.posts() > before + uploads, seconds=60)
            process.kill()
            process.wait()
        self.sandbox.faults.clear()

    def posts(self) -> int:
        """Uploads that have taken effect."""
        return sum(one.method == "POST" and one.applied for one in self.sandbox.requests)

    def check(self, ever: Mapping[str, Mapping[str, Any]]) -> None:
        """The server holds what the source does, and of profiles those that were there before."""
        if self.what == "segment":
            assert members(self.sandbox, "-pros") == {"elsewhere", *self.rows}
        else:
            assert self.sandbox.profiles == {**ever, **self.rows}


# Each day is a process or two, which a busy machine takes its time to begin.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(params=["segment", "profiles"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with Sandbox(rate_limit=None, job_seconds=0.05) as sandbox:
        add_segment(sandbox, "elsewhere")
        yield World(tmp_path, sandbox, request.param)


def test_after_three_days_the_server_holds_what_the_source_does(world: World) -> None:
    ever: dict[str, dict[str, Any]] = {}

    world.change(added=1_500, removed=0, changed=0)
    assert world.sync() == 0
    world.check(ever)

    ever.update(world.rows)
    world.change(added=600, removed=400, changed=700)
    world.kill_after(uploads=1)
    assert world.sync() == 0
    world.check(ever)

    ever.update(world.rows)
    world.change(added=500, removed=300, changed=600)
    world.sandbox.fail_next_job("out of ink", rows_applied=20)
    assert world.sync() == 6
    assert world.sync() == 0
    world.check(ever)

    before = world.posts()
    assert world.sync() == 0
    assert world.posts() == before


def test_what_was_sent_before_a_kill_does_not_overtake_what_is_sent_after(world: World) -> None:
    world.change(added=300, removed=0, changed=0)
    assert world.sync() == 0
    as_it_was = dict(world.rows)

    world.change(added=100, removed=100, changed=100)
    lost = dict(world.rows)
    world.kill_after(uploads=0)
    # The source goes back to what the state says was applied last.
    world.rows = as_it_was
    assert world.sync() == 0

    world.sandbox.advance(10)
    world.check({row_id: row for row_id, row in lost.items() if row_id in world.sandbox.profiles})
    assert len({job.status for job in world.sandbox.jobs.values()}) == 1
