"""Sources that change, jobs that fail, answers that are lost, runs that die: in any order.

A run dies as a kill would have it: from some write on its state file takes nothing more, and all that
was under way is cut off. Whatever happened, what the state takes for applied is what the server holds,
and the next run that goes well leaves the server with the source.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from appcues_async import InvalidInput
from appcues_async.recovery import ownership
from appcues_async.sandbox import Answer, Fault, JobPlan, Reset, Sandbox
from appcues_async.sync.digests import RowDigests
from appcues_async.sync.report import SyncReport
from appcues_async.sync.state import StateFile
from tests.sync.conftest import add_segment, members, open_client

IDS = [f"u{number}" for number in range(6)]
PLAN = st.sampled_from(["free", "pro"])
SLOW = 0.3
"""Seconds that a slow job takes: longer than a run that does not wait for it."""
PLANS = [
    JobPlan(status="FAILED", detail="out of ink", rows_applied=0),
    JobPlan(status="FAILED", detail="out of ink", rows_applied=1),
    JobPlan(rows_applied=1),
    JobPlan(requests_failed=1),
    JobPlan(seconds=SLOW),
]
FAULTS = [Reset(applied=True), Answer(500, applied=True), Answer(500), Answer(400)]


class Killed(Exception):  # noqa: N818 - it is the end of a process, not an error
    """What a dead process would write is not written."""


@define
class Life:
    """How many writes a run still lives for; None for ever."""

    writes: int | None = None

    @contextmanager
    def transaction(self, state: StateFile) -> Iterator[None]:
        if self.writes == 0:
            raise Killed
        if self.writes is not None:
            self.writes -= 1
        with plain_transaction(state):
            yield


plain_transaction = StateFile.transaction


class Syncs(RuleBasedStateMachine):
    """One source, one state, one server."""

    what = "profiles"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.state = Path(self.folder.name) / "state.db"
        self.sandbox = Sandbox(rate_limit=None)
        self.sandbox.__enter__()
        add_segment(self.sandbox)
        # What was applied once can be lost or overtaken.
        self.source: dict[str, dict[str, Any]] = {name: {"plan": "free"} for name in IDS[:3]}
        self.sync_well()

    def teardown(self) -> None:
        if hasattr(self, "sandbox"):
            self.sync_well()
            self.sandbox.__exit__(None, None, None)
            self.folder.cleanup()
        ownership.of_this_process.clear()

    @rule(
        gone=st.sets(st.sampled_from(IDS), max_size=3),
        there=st.dictionaries(st.sampled_from(IDS), PLAN, min_size=1, max_size=4),
        plans=st.lists(st.sampled_from([JobPlan(), *PLANS]), max_size=3),
        fault=st.sampled_from([None, *FAULTS]),
        skip=st.integers(0, 1),
        full=st.booleans(),
        impatient=st.booleans(),
        writes=st.none() | st.integers(0, 9),
    )
    def change_and_sync(
        self,
        gone: set[str],
        there: dict[str, str],
        plans: list[JobPlan],
        fault: Fault | None,
        skip: int,
        full: bool,
        impatient: bool,
        writes: int | None,
    ) -> None:
        kept = {name: row for name, row in self.source.items() if name not in gone}
        self.source = {**kept, **{name: {"plan": plan} for name, plan in there.items()}}
        for plan in plans:
            self.sandbox.plan_next_job(plan)
        if fault is not None:
            self.sandbox.faults.add(fault, method="POST", skip=skip)
        self.run(full=full, wait=0.05 if impatient else 20, writes=writes)

    @rule()
    def sync_well(self) -> None:
        self.sandbox.faults.clear()
        # What was planned may be used up by jobs of this run.
        for _ in range(20):
            report = self.run()
            if report is not None and report.ok:
                break
        else:
            raise AssertionError("no run went well")
        self.sandbox.advance(10)
        if self.what == "segment":
            assert members(self.sandbox, "-pros") == set(self.source)
        else:
            held = {name: self.sandbox.profiles.get(name) for name in self.source}
            assert held == self.source
        assert self.run().to_send == 0  # type: ignore[union-attr]

    def run(
        self, *, full: bool = False, wait: float = 20, writes: int | None = None
    ) -> SyncReport | None:
        life = Life(writes)

        def transaction(state: StateFile) -> AbstractContextManager[None]:
            return life.transaction(state)

        report: SyncReport | None = None
        try:
            with patch.object(StateFile, "transaction", transaction):
                report = asyncio.run(self.run_once(full, wait))
        except* (Killed, InvalidInput, TimeoutError):
            pass
        self.check()
        return report

    async def run_once(self, full: bool, wait: float) -> SyncReport:
        async with open_client(self.sandbox, wait=wait) as client:
            if self.what == "segment":
                return await client.sync.segment(
                    "-pros",
                    list(self.source),
                    state=self.state,
                    full=full,
                    allow_shrink=True,
                    on_failure="report",
                    chunk_bytes=25,
                )
            rows = [{"user_id": name, **row} for name, row in self.source.items()]
            return await client.sync.profiles(
                rows, state=self.state, full=full, on_failure="report", chunk_bytes=120
            )

    def check(self) -> None:
        """What the state takes for applied is what the server holds, as far as jobs have ended."""
        with closing(sqlite3.connect(self.state)) as db:
            applied = dict(db.execute("SELECT id, digest FROM rows WHERE digest IS NOT NULL"))
            (salt,) = db.execute("SELECT salt FROM state").fetchone()
        db.close()
        if self.what == "segment":
            assert set(applied) <= members(self.sandbox, "-pros")
            return
        for name, digest in applied.items():
            row = {"user_id": name, **self.sandbox.profiles[name]}
            held = RowDigests(salt).of_ndjson(msgspec.json.encode(row))
            assert list(held.digests) == [digest]


class SegmentSyncs(Syncs):
    what = "segment"


SOME = settings(max_examples=settings().max_examples // 3, stateful_step_count=4)


def test_profiles_equal_the_source_after_whatever_happened() -> None:
    run_state_machine_as_test(Syncs, settings=SOME)


def test_members_equal_the_source_after_whatever_happened() -> None:
    run_state_machine_as_test(SegmentSyncs, settings=SOME)
