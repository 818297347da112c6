"""Which job a lost answer started: the rules, on jobs that were written down for it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.models import Job, JobEvent
from appcues_async.recovery.evidence import (
    NO_CLOCK,
    Claim,
    ClockSkew,
    Finding,
    Owned,
    judge,
    possible,
    reaches_back,
    telling_name,
)
from appcues_async.recovery.ownership import LocalOwners

EVENTS = "import/events"
BEGAN = 1_000_000.5
ENDED = 1_000_010.0
NOW = ENDED + 20


def claim(**changes: object) -> Claim:
    return attrs.evolve(Claim(kind=EVENTS, began=BEGAN, ended=ENDED, answerable=False), **changes)  # type: ignore[arg-type]


def job(job_id: str = "job-1", *, start: float | None = BEGAN, **changes: object) -> Job:
    started_at = None if start is None else datetime.fromtimestamp(start, UTC)
    running = Job(id=job_id, name="Import Events", status="IN_PROGRESS", started_at=started_at)
    return attrs.evolve(running, **changes)  # type: ignore[arg-type]


def ended(one: Job, counts: Mapping[str, int] | None = None, status: str = "COMPLETED") -> Job:
    event = JobEvent(name="Ended", attributes=counts or {})
    return attrs.evolve(one, status=status, events=(event,))


def counted(completed: int, failed: int = 0, **more: int) -> dict[str, int]:
    return {"ingestions_completed": completed, "ingestions_failed": failed, **more}


def finding(mine: Claim, *jobs: Job, owned: Owned | None = None, settled: bool = True) -> Finding:
    return judge(mine, jobs, owned or Owned(), now=NOW, settled=settled).finding


@pytest.mark.parametrize(
    ("start", "fits"),
    [
        (BEGAN - 1, True),
        (BEGAN - 1.01, False),
        (ENDED + 60, True),
        (ENDED + 60.01, False),
        (None, True),
    ],
)
def test_a_job_starts_in_the_time_of_the_request(start: float | None, fits: bool) -> None:
    assert bool(possible(claim(), [job(start=start)], Owned())) is fits


def test_a_request_without_a_known_end_may_have_started_any_later_job() -> None:
    assert possible(claim(ended=None), [job(start=BEGAN + 1e6)], Owned())


@pytest.mark.parametrize(
    ("start", "lead"), [(BEGAN - 300, ClockSkew(-300, -299)), (ENDED + 360, ClockSkew(299, 300))]
)
def test_the_server_may_have_another_time(start: float, lead: ClockSkew) -> None:
    assert not possible(claim(), [job(start=start)], Owned())
    assert possible(claim(), [job(start=start)], Owned(), lead)


def test_times_of_another_zone_rule_nothing_out() -> None:
    assert len(possible(claim(), [job(start=0), job("job-2", start=2e6)], Owned(), NO_CLOCK)) == 2


def test_our_clock_may_have_been_set_meanwhile() -> None:
    assert ClockSkew(0, 1).before(-30) == ClockSkew(-30, 1)
    assert ClockSkew(0, 1).before(30) == ClockSkew(0, 31)


def test_a_lead_of_the_server_rules_nothing_out() -> None:
    assert possible(claim(), [job()], Owned(), ClockSkew(300, 301))


def test_what_somebody_owns_is_not_ours() -> None:
    assert not possible(claim(), [job()], Owned(jobs={"job-1": ""}))


def test_what_was_listed_before_is_not_ours() -> None:
    assert not possible(claim(before=frozenset({"job-1"})), [job()], Owned())


COUNTS = {
    "the rows that were sent": ("COMPLETED", counted(7, 3), True),
    "fewer": ("COMPLETED", counted(9), False),
    "more": ("COMPLETED", counted(10, 1), False),
    "fewer where requests failed": ("COMPLETED", counted(9, requests_failed=1), True),
    "more where requests failed": ("COMPLETED", counted(11, requests_failed=1), False),
    "fewer of a job that failed": ("FAILED", counted(0), True),
    "more of a job that failed": ("FAILED", counted(11), False),
    "none": ("COMPLETED", {}, True),
    "one of the two": ("COMPLETED", {"ingestions_completed": 9}, True),
    "fewer of a job that runs": ("IN_PROGRESS", counted(9), True),
}


@pytest.mark.parametrize(("status", "counts", "fits"), COUNTS.values(), ids=COUNTS)
def test_counts_rule_out_what_cannot_be_ours(
    status: str, counts: dict[str, int], fits: bool
) -> None:
    done = ended(job(), counts, status)
    assert bool(possible(claim(rows=10), [done], Owned())) is fits
    assert possible(claim(), [done], Owned())


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ({}, None),
        ({"": 3}, None),
        ({"Import Events": 1}, "Import Events"),
        ({"Import Events": 1, "": 1}, "Import Events"),
        ({"Import Events": 9, "Import more events": 1}, None),
        ({"Import 62844794-b7d9": 1}, None),
        ({"Import v2": 2}, "Import v2"),
    ],
)
def test_a_name_tells_once_own_jobs_have_shown_that_it_does_not_vary(
    shown: dict[str, int], name: str | None
) -> None:
    assert telling_name(shown) == name


@pytest.mark.parametrize(
    ("name", "fits"), [("Import Events", True), ("Import Profiles", False), ("", True)]
)
def test_another_name_rules_a_job_out_once_ours_is_known(name: str, fits: bool) -> None:
    known = Owned(names={EVENTS: {"Import Events": 1}})
    assert possible(claim(), [job(name=name)], Owned())
    assert bool(possible(claim(), [job(name=name)], known)) is fits
    assert possible(claim(), [job(name=name)], Owned(names={"export/events": {"Export": 1}}))


def test_the_only_job_left_is_ours_once_the_list_is_settled() -> None:
    assert finding(claim(), job()) is Finding.FOUND
    assert finding(claim(), job(), settled=False) is Finding.OPEN


def test_a_job_whose_counts_are_ours_needs_no_settled_list() -> None:
    done = ended(job(), counted(10))
    assert finding(claim(rows=10), done, settled=False) is Finding.FOUND
    assert finding(claim(), done, settled=False) is Finding.OPEN


def test_no_job_is_an_absence_once_the_list_is_settled() -> None:
    assert finding(claim()) is Finding.ABSENT
    assert finding(claim(), settled=False) is Finding.OPEN


def test_no_job_says_nothing_in_a_list_that_does_not_reach_back() -> None:
    verdict = judge(claim(), [], Owned(), now=NOW, settled=True, whole=False)
    assert verdict.finding is Finding.UNDECIDED


def test_one_job_in_a_list_that_does_not_reach_back_is_ours_only_by_its_counts() -> None:
    def found(mine: Claim, one: Job) -> Finding:
        return judge(mine, [one], Owned(), now=NOW, settled=True, whole=False).finding

    assert found(claim(), job()) is Finding.UNDECIDED
    assert found(claim(rows=10), job()) is Finding.OPEN
    assert found(claim(rows=10), ended(job(), counted(10))) is Finding.FOUND


def test_a_list_reaches_back_for_an_hour_or_as_far_as_it_shows() -> None:
    later = BEGAN + 3601
    assert reaches_back(claim(), [], BEGAN + 3600)
    assert not reaches_back(claim(), [job(), job(start=None)], later)
    assert reaches_back(claim(), [job(start=BEGAN - 2)], later)
    assert reaches_back(claim(before=frozenset({"job-1"})), [job(start=None)], later)


def test_several_jobs_are_undecided_and_are_named() -> None:
    verdict = judge(claim(), [job("a"), job("b")], Owned(), now=NOW, settled=True)
    assert verdict.finding is Finding.UNDECIDED
    assert [one.id for one in verdict.jobs] == ["a", "b"]


def test_a_job_whose_end_would_decide_is_waited_for() -> None:
    done = ended(job("a"), counted(10))
    assert finding(claim(rows=10), done, job("b")) is Finding.OPEN
    assert finding(claim(rows=10), done, ended(job("b"), counted(3))) is Finding.FOUND
    assert finding(claim(rows=10), done, ended(job("b"), counted(10))) is Finding.UNDECIDED


def test_a_job_that_a_rival_may_own_is_nobodys() -> None:
    rival = claim(id="rival")
    owned = Owned(claims=[rival])
    assert finding(claim(), ended(job()), owned=owned) is Finding.UNDECIDED
    assert finding(claim(), job(start=BEGAN), owned=Owned(claims=[claim(id="b", began=NOW)])) is (
        Finding.FOUND
    )


def test_nobody_is_a_rival_of_itself() -> None:
    mine = claim()
    assert finding(mine, job(), owned=Owned(claims=[mine])) is Finding.FOUND


def test_a_rival_of_another_target_is_none() -> None:
    owned = Owned(claims=[claim(id="rival", target="segment")])
    assert finding(claim(), job(), owned=owned) is Finding.FOUND


def test_a_rival_whose_answer_may_still_come_is_waited_for() -> None:
    def with_rival(**changes: object) -> Finding:
        rival = claim(id="rival", answerable=True, **changes)
        return finding(claim(), ended(job()), owned=Owned(claims=[rival]))

    assert with_rival(ended=None) is Finding.OPEN
    assert with_rival(ended=NOW - 60) is Finding.OPEN
    assert with_rival(ended=NOW - 61) is Finding.UNDECIDED


def test_counts_decide_between_rivals() -> None:
    first, second = claim(rows=10, id="first"), claim(rows=20, id="second")
    owned = Owned(claims=[first, second])
    assert finding(first, job(), owned=owned) is Finding.OPEN
    assert finding(second, job(), owned=owned) is Finding.OPEN
    done = ended(job(), counted(10))
    assert finding(first, done, owned=owned) is Finding.FOUND
    assert finding(second, done, owned=owned) is Finding.ABSENT


def test_the_end_of_a_job_may_rule_out_a_rival_alone() -> None:
    owned = Owned(claims=[claim(rows=20, id="rival")])
    assert finding(claim(), job(), owned=owned) is Finding.OPEN
    assert finding(claim(), ended(job(), counted(10)), owned=owned) is Finding.FOUND


@attrs.frozen
class World:
    """What really happened, and what is known of it."""

    claims: list[Claim]
    made: dict[str, str]
    jobs: list[Job]
    owned: Owned
    skew: ClockSkew


@st.composite
def worlds(draw: st.DrawFn, *, outsiders: bool) -> World:
    """Requests of two endpoints, each applied or not, on a server whose clock may be wrong."""
    ahead = draw(st.sampled_from([0.0, -300.0, 300.0]))
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
            kind=kind, began=began, ended=done, rows=rows if known else None, id=str(number)
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
        owners.own(job_id, kind, BEGAN)
    owners.record_names({one.id: one for one in jobs})
    known_now = attrs.evolve(owners.whose([one.id for one in jobs]), claims=claims)
    return World(claims, made, jobs, known_now, ClockSkew(ahead - 1, ahead + 1))


@given(worlds(outsiders=True), st.booleans())
def test_an_own_job_that_is_listed_is_never_missed_and_never_taken_for_another(
    world: World, settled: bool
) -> None:
    for one in world.claims:
        if one.id in world.made:
            verdict = judge(one, world.jobs, world.owned, now=NOW, settled=settled, skew=world.skew)
            assert verdict.finding is not Finding.ABSENT
            if verdict.finding is Finding.FOUND:
                assert [found.id for found in verdict.jobs] == [world.made[one.id]]


@given(worlds(outsiders=False), st.integers())
def test_requests_of_one_account_never_take_each_others_jobs(world: World, seed: int) -> None:
    order = list(world.claims)
    random.Random(seed).shuffle(order)
    owned = world.owned
    for one in order:
        verdict = judge(one, world.jobs, owned, now=NOW, settled=True, skew=world.skew)
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


def test_the_name_of_a_job_that_was_found_proves_nothing() -> None:
    owners = LocalOwners()
    owners.own("job-1", EVENTS, NOW, certain=False)
    owners.own("job-1", EVENTS, NOW)
    owners.record_names({"job-1": job()})
    assert owners.whose(["job-1"]).names == {}
    assert "job-1" in owners.whose(["job-1"]).jobs


def test_an_abandoned_request_stays_a_rival_for_some_minutes() -> None:
    owners = LocalOwners()
    owners.abandon(claim(id="loose"), NOW)
    owners.open(claim(id="soon", began=ENDED + 599))
    owners.close(claim(id="soon", began=ENDED + 599, ended=None))
    assert [one.id for one in owners.whose([]).claims] == ["loose"]
    owners.close(claim(id="late", began=ENDED + 601, ended=None))
    assert owners.whose([]).claims == []


def test_own_jobs_are_forgotten_when_no_request_can_meet_them() -> None:
    owners = LocalOwners()
    for number in range(30_000):
        owners.own(f"job-{number}", EVENTS, BEGAN + number)
    left = owners.whose([f"job-{number}" for number in range(30_000)]).jobs
    assert 10_000 <= len(left) <= 11_000
    assert "job-29999" in left


def test_own_jobs_are_kept_for_a_request_that_is_still_open() -> None:
    owners = LocalOwners()
    owners.open(claim())
    for number in range(30_000):
        owners.own(f"job-{number}", EVENTS, BEGAN + number)
    assert len(owners.whose([f"job-{number}" for number in range(30_000)]).jobs) == 30_000
