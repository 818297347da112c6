"""Any requests, jobs and clocks: no job is missed, and none taken for another."""

from __future__ import annotations

import random

import attrs
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.models import Job
from appcues_async.recovery.evidence import (
    Claim,
    Finding,
    Owned,
    judge,
)
from appcues_async.recovery.job_clock import Clocks, ClockSkew
from appcues_async.recovery.ownership import LocalOwners
from tests.recovery.judged import BEGAN, EVENTS, HERE, counted, ended, job, measured


@attrs.frozen
class World:
    """What really happened, and what is known of it."""

    claims: list[Claim]
    made: dict[str, str]
    jobs: list[Job]
    owned: Owned
    clocks: Clocks


@st.composite
def worlds(draw: st.DrawFn, *, outsiders: bool) -> World:
    """Requests of two endpoints, each applied or not, on a server whose clocks may be wrong."""
    ahead = draw(st.sampled_from([0.0, -300.0, 2.0, 300.0, 90_000.0]))
    date = draw(st.sampled_from([0.0, -300.0, 300.0]))
    looks = draw(st.sampled_from([(), (BEGAN - 60,), (BEGAN + 200,), (BEGAN - 60, BEGAN + 200)]))
    clocks = attrs.evolve(measured(ahead, *looks), date=ClockSkew(date - 1, date + 1))
    varying = draw(st.booleans())
    claims: list[Claim] = []
    jobs: list[Job] = []
    made: dict[str, str] = {}
    mine: dict[str, str] = {}

    def start(at: float, kind: str, rows: int) -> Job:
        number = len(jobs)
        name = f"Job {number}" if varying else kind
        one = job(f"job-{number}", start=float(int(at + ahead)), name=name)
        if draw(st.booleans()):
            lost = draw(st.integers(0, rows))
            one = ended(one, counted(rows - lost, lost)) if draw(st.booleans()) else ended(one)
        jobs.append(one)
        return one

    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([EVENTS, "export/events"]))
        began = BEGAN + draw(st.floats(0, 100))
        rows = draw(st.integers(1, 3))
        known = draw(st.booleans())
        done = began + draw(st.floats(0, 30))
        one = Claim(
            kind=kind,
            began=began,
            ended=done,
            clock=HERE,
            rows=rows if known else None,
            id=str(number),
        )
        claims.append(one)
        if draw(st.booleans()):
            made[one.id] = start(
                began + draw(st.floats(0, 90)) * (done - began) / 90, kind, rows
            ).id
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from([EVENTS, "export/events"]))
        mine[start(BEGAN + draw(st.floats(-50, 100)), kind, 2).id] = kind
    if outsiders:
        for _ in range(draw(st.integers(0, 2))):
            start(BEGAN + draw(st.floats(-50, 100)), "import/profiles", 2)
    owners = LocalOwners()
    for job_id, kind in mine.items():
        owners.own(job_id, Claim(kind=kind, began=BEGAN), BEGAN)
    owners.record_seen({one.id: one for one in jobs})
    known_now = attrs.evolve(owners.whose([one.id for one in jobs]), claims=claims)
    return World(claims, made, jobs, known_now, clocks)


@given(worlds(outsiders=True), st.booleans())
def test_an_own_job_that_is_listed_is_never_missed_and_never_taken_for_another(
    world: World, settled: bool
) -> None:
    for one in world.claims:
        if one.id in world.made:
            verdict = judge(one, world.jobs, world.owned, world.clocks, settled=settled)
            assert verdict.finding is not Finding.ABSENT
            if verdict.finding is Finding.FOUND:
                assert [found.id for found in verdict.jobs] == [world.made[one.id]]


@given(worlds(outsiders=False), st.integers())
def test_requests_of_one_account_never_take_each_others_jobs(world: World, seed: int) -> None:
    order = list(world.claims)
    random.Random(seed).shuffle(order)
    owned = world.owned
    for one in order:
        verdict = judge(one, world.jobs, owned, world.clocks, settled=True)
        if verdict.finding is Finding.FOUND:
            assert verdict.jobs[0].id == world.made.get(one.id)
            owned = attrs.evolve(
                owned,
                jobs={**owned.jobs, verdict.jobs[0].id: ""},
                claims=[other for other in owned.claims if other is not one],
            )
        elif verdict.finding is Finding.ABSENT:
            assert one.id not in world.made
            owned = attrs.evolve(
                owned, claims=[other for other in owned.claims if other is not one]
            )
