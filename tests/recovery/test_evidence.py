"""Which job a lost answer started: the rules, on jobs that were written down for it."""

from __future__ import annotations

import attrs
import pytest

from appcues_async.models import Job
from appcues_async.recovery.evidence import (
    Claim,
    Finding,
    Owned,
    judge,
    possible,
    reaches_back,
    telling_name,
)
from appcues_async.recovery.job_clock import Clocks
from tests.recovery.judged import (
    AGREES,
    BEGAN,
    ENDED,
    EVENTS,
    NOW,
    claim,
    counted,
    ended,
    heard,
    job,
    measured,
)


def finding(mine: Claim, *jobs: Job, owned: Owned | None = None, settled: bool = True) -> Finding:
    return judge(mine, jobs, owned or Owned(), AGREES, settled=settled).finding


@pytest.mark.parametrize("start", [BEGAN - 90_000, BEGAN - 4, ENDED + 4, ENDED + 90_000])
@pytest.mark.parametrize("clocks", [AGREES, measured(0, BEGAN - 5), measured(0, ENDED + 5)])
def test_time_that_is_not_proved_rules_no_job_out(start: float, clocks: Clocks) -> None:
    verdict = judge(claim(), [job(start=start)], Owned(), clocks, settled=True)
    assert verdict.finding is Finding.UNDECIDED
    assert "clock that stamps jobs" in verdict.reason


@pytest.mark.parametrize(
    ("start", "fits"),
    [
        (BEGAN - 3.1, False),
        (BEGAN - 1, True),
        (ENDED + 60, True),
        (ENDED + 64.1, False),
        (None, True),
    ],
)
@pytest.mark.parametrize("ahead", [0.0, -30.0, 90_000.0])
def test_own_jobs_from_before_and_after_prove_when_ours_was_stamped(
    start: float | None, fits: bool, ahead: float
) -> None:
    proved = measured(ahead, BEGAN - 5, ENDED + 5)
    stamped = None if start is None else start + ahead
    assert bool(possible(claim(), [job(start=stamped)], Owned(), proved)) is fits


def test_a_step_of_the_job_clock_widens_the_time_of_a_job() -> None:
    stepped = attrs.evolve(AGREES, measurements=[heard(BEGAN - 5), heard(ENDED + 5, -30)])
    assert possible(claim(), [job(start=BEGAN - 30)], Owned(), stepped)
    assert not possible(claim(), [job(start=BEGAN - 35)], Owned(), stepped)


def test_a_request_that_goes_on_may_have_started_any_later_job() -> None:
    proved = measured(0, BEGAN - 5, ENDED + 5)
    assert possible(claim(ended=None), [job(start=BEGAN + 1e6)], Owned(), proved)


def test_a_time_written_with_the_intent_is_that_of_a_process_on_another_clock() -> None:
    theirs = claim(clock="another", began=7.0, ended=9.0, job_time=(BEGAN, BEGAN + 1))

    def found(start: float) -> Finding:
        return judge(theirs, [job(start=start)], Owned(), AGREES, settled=True).finding

    assert found(BEGAN) is Finding.FOUND
    assert found(BEGAN + 3) is Finding.FOUND
    assert found(BEGAN + 6) is Finding.UNDECIDED
    assert found(BEGAN - 3) is Finding.UNDECIDED


def test_a_job_that_may_be_of_a_process_whose_times_say_nothing_is_taken_by_nobody() -> None:
    theirs = claim(clock="another", rows=10)
    assert finding(theirs, ended(job(), counted(10))) is Finding.UNDECIDED
    assert finding(theirs, ended(job(), counted(9))) is Finding.ABSENT


def test_of_several_the_one_in_the_time_of_the_request_is_ours_if_that_was_measured() -> None:
    jobs = [job("early", start=BEGAN - 90), job("mine"), job("late", start=ENDED + 90)]

    def found(clocks: Clocks) -> list[str]:
        return [one.id for one in judge(claim(), jobs, Owned(), clocks, settled=True).jobs]

    assert found(measured(0, BEGAN - 5)) == ["mine"]
    assert found(AGREES) == ["early", "mine", "late"]
    assert found(measured(300, BEGAN - 5)) == ["early", "mine", "late"]


def test_a_job_that_was_held_back_on_its_way_is_not_ruled_out_and_not_taken() -> None:
    verdict = judge(
        claim(), [job(start=ENDED + 30)], Owned(), measured(0, BEGAN - 5, ENDED + 5), settled=True
    )
    assert verdict.finding is Finding.UNDECIDED


def test_what_somebody_owns_is_not_ours() -> None:
    assert not possible(claim(), [job()], Owned(jobs={"job-1": ""}), AGREES)


def test_what_was_listed_before_is_not_ours() -> None:
    assert not possible(claim(before=frozenset({"job-1"})), [job()], Owned(), AGREES)


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
    assert bool(possible(claim(rows=10), [done], Owned(), AGREES)) is fits
    assert possible(claim(), [done], Owned(), AGREES)


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
    assert possible(claim(), [job(name=name)], Owned(), AGREES)
    assert bool(possible(claim(), [job(name=name)], known, AGREES)) is fits
    assert possible(
        claim(), [job(name=name)], Owned(names={"export/events": {"Export": 1}}), AGREES
    )


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
    verdict = judge(claim(), [], Owned(), AGREES, settled=True, whole=False)
    assert verdict.finding is Finding.UNDECIDED


def test_one_job_in_a_list_that_does_not_reach_back_is_ours_only_by_its_counts() -> None:
    def found(mine: Claim, one: Job) -> Finding:
        return judge(mine, [one], Owned(), AGREES, settled=True, whole=False).finding

    assert found(claim(), job()) is Finding.UNDECIDED
    assert found(claim(rows=10), job()) is Finding.OPEN
    assert found(claim(rows=10), ended(job(), counted(10))) is Finding.FOUND


def test_a_list_reaches_back_to_what_it_shows_from_before() -> None:
    def reaches(mine: Claim, now: float = BEGAN + 3601, **earlier: Claim) -> bool:
        return reaches_back(mine, ["job-1"], earlier, attrs.evolve(AGREES, now=now))

    assert reaches(claim(), BEGAN + 3600)
    assert not reaches(claim())
    assert not reaches(claim(clock="another"), BEGAN)
    assert reaches(claim(before=frozenset({"job-1"})))
    mine = {"job-1": claim(began=BEGAN - 2, ended=BEGAN - 1)}
    assert reaches_back(claim(), ["job-1"], mine, attrs.evolve(AGREES, now=BEGAN + 1e6))
    assert not reaches_back(claim(), ["job-2"], mine, attrs.evolve(AGREES, now=BEGAN + 1e6))
    same_time = {"job-1": claim()}
    assert not reaches_back(claim(), ["job-1"], same_time, attrs.evolve(AGREES, now=BEGAN + 1e6))


def test_several_jobs_are_undecided_and_are_named() -> None:
    verdict = judge(claim(), [job("a"), job("b")], Owned(), AGREES, settled=True)
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
    later = Owned(claims=[claim(id="b", began=NOW, ended=None)])
    proved = measured(0, BEGAN - 5, NOW - 3, NOW + 3)
    assert judge(claim(), [job()], later, proved, settled=True).finding is Finding.FOUND


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
