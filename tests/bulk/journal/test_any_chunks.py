"""Chunks written down in any order: the journal has what was written."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appcues_async import InvalidInput
from appcues_async.bulk.journal.records import (
    ALLOWED_FROM,
    ChunkState,
)
from tests.bulk.journal.journals import PLAN, entry, opened, times


class Chunks(RuleBasedStateMachine):
    """Whatever happens to chunks, in whatever process, a job is never forgotten nor replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.now = 1000.0
        self.journal = opened(self.path)
        self.run = self.journal.begin(PLAN, self.now)
        self.standing: dict[int, ChunkState] = {}
        self.jobs: dict[int, str] = {}

    @rule()
    def cut(self) -> None:
        number = len(self.standing)
        self.journal.plan(self.run, entry(number), self.now, unsafe=True)
        self.standing[number] = "planned"

    @precondition(lambda self: self.standing)
    @rule(data=st.data(), status=st.sampled_from(sorted(ALLOWED_FROM)))
    def move(self, data: st.DataObject, status: ChunkState) -> None:
        number = data.draw(st.sampled_from(sorted(self.standing)))
        self.now += 1
        values: dict[str, Any] = {}
        if status == "intent":
            values = {"session": self.run.session, "times": times(self.now)}
        elif status == "accepted":
            values = {"job": f"job {self.now}", "certain": True}
        elif status == "unknown":
            values = {"times": times(self.now, self.now)}
        if self.standing[number] in ALLOWED_FROM[status]:
            self.journal.move(self.run, number, status, self.now, **values)
            self.standing[number] = status
            if status == "accepted":
                self.jobs[number] = values["job"]
        else:
            with pytest.raises(InvalidInput, match="does not let"):
                self.journal.move(self.run, number, status, self.now, **values)

    @rule()
    def die(self) -> None:
        """As a process that is killed: nothing is closed in an orderly way."""
        self.journal._locks.close()
        self.journal._db.close()
        self.journal = opened(self.path)
        self.run = self.journal.begin(PLAN, self.now)

    @invariant()
    def the_journal_knows_what_happened(self) -> None:
        entries = self.journal.records(self.run)
        assert {one.number: one.status for one in entries} == self.standing
        assert {one.number: one.job for one in entries if one.job} == self.jobs
        owned = self.journal.whose(self.jobs.values())
        assert set(owned.jobs) == set(self.jobs.values())
        unsettled = {
            one for one, status in self.standing.items() if status in {"intent", "unknown"}
        }
        assert {int(claim.id.rsplit("/", 1)[1]) for claim in owned.claims} == unsettled

    def teardown(self) -> None:
        self.journal.close(self.now)
        self.folder.cleanup()


TestChunks = Chunks.TestCase


TestChunks.settings = settings(
    max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.too_slow]
)
