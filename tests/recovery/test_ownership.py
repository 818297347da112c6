"""Whose jobs are whose, as long as the process lives."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

import pytest

from appcues_async.models import Job
from appcues_async.recovery.evidence import (
    Claim,
)
from appcues_async.recovery.job_clock import Clocks
from appcues_async.recovery.ownership import ACCOUNTS, LocalOwners, of_this_process
from tests.recovery.judged import BEGAN, ENDED, NOW, claim, job

ORIGIN = "https://api.appcues.com"


EVENTS = Claim(kind="import/events", began=999, clock="here")


def test_an_account_is_remembered_when_no_client_of_it_is_open() -> None:
    of_this_process.of(ORIGIN, "7").own("job-1", EVENTS, 1000)
    gc.collect()
    assert of_this_process.of(ORIGIN, "7").whose(["job-1"]).jobs == {"job-1": "import/events"}
    assert not of_this_process.of(ORIGIN, "8").whose(["job-1"]).jobs


def test_accounts_that_nobody_uses_any_more_do_not_pile_up() -> None:
    held = of_this_process.of(ORIGIN, "held")
    of_this_process.of(ORIGIN, "old").own("job-1", EVENTS, 1000)
    for number in range(ACCOUNTS):
        of_this_process.of(ORIGIN, str(number))
    gc.collect()
    assert of_this_process.of(ORIGIN, "held") is held
    assert not of_this_process.of(ORIGIN, "old").whose(["job-1"]).jobs


@pytest.mark.parametrize(
    ("listed", "kind", "since", "until", "list_lags_behind"),
    [
        (["a", "b"], "import/events", 0, 2000, False),
        (["a"], "import/events", 0, 2000, True),
        (["a"], "export/events", 0, 2000, False),
        (["a"], "import/events", 1011, 2000, False),
        (["a"], "import/events", 0, 1009, False),
        ([], "import/events", 1005, 2000, True),
    ],
)
def test_a_list_may_lack_a_job_that_it_should_show(
    listed: list[str], kind: str, since: float, until: float, list_lags_behind: bool
) -> None:
    owners = LocalOwners()
    owners.own("a", EVENTS, 1000)
    owners.own("b", EVENTS, 1010)
    owners.own("c", EVENTS, 1020, certain=False)
    assert owners.list_lags_behind(listed, kind, since, until) is list_lags_behind


def test_own_jobs_show_what_the_clock_that_stamps_jobs_said() -> None:
    owners = LocalOwners()
    owners.own("a", EVENTS, 1001)
    owners.own("found", EVENTS, 1001, certain=False)
    jobs = {
        name: Job(id=name, name="Events", started_at=datetime.fromtimestamp(5000, UTC))
        for name in ("a", "found", "another's")
    }
    owners.record_seen(jobs)
    owners.record_seen(jobs)
    (found,) = owners.measurements()
    assert (found.skew.min, found.skew.max) == (3999, 4002)
    clocks = Clocks(id="here", now=1010, measurements=[found])
    assert clocks.job_time() == (5009, 5012)
    assert Clocks(id="elsewhere", now=1010, measurements=[found]).job_time() is None


def test_the_name_of_a_job_that_was_found_proves_nothing() -> None:
    owners = LocalOwners()
    owners.own("job-1", claim(), NOW, certain=False)
    owners.own("job-1", claim(), NOW)
    owners.record_seen({"job-1": job()})
    assert owners.whose(["job-1"]).names == {}
    assert "job-1" in owners.whose(["job-1"]).jobs


def test_an_abandoned_request_stays_a_rival_for_some_minutes() -> None:
    owners = LocalOwners()
    owners.abandon(claim(id="loose"), ENDED)
    owners.open(claim(id="soon"), ENDED + 599)
    owners.close(claim(id="soon"), ENDED + 700)
    assert [one.id for one in owners.whose([]).claims] == []


def test_an_abandoned_request_stays_a_rival_of_those_that_were_open_then() -> None:
    owners = LocalOwners()
    owners.abandon(claim(id="loose"), ENDED)
    owners.open(claim(id="open"), ENDED + 599)
    owners.close(claim(id="late"), ENDED + 700)
    assert [one.id for one in owners.whose([]).claims] == ["loose", "open"]


def test_own_jobs_are_forgotten_when_no_request_can_meet_them() -> None:
    owners = LocalOwners()
    for number in range(30_000):
        owners.own(f"job-{number}", claim(), BEGAN + number)
    left = owners.whose([f"job-{number}" for number in range(30_000)]).jobs
    assert 10_000 <= len(left) <= 11_000
    assert "job-29999" in left


def test_own_jobs_are_kept_for_a_request_that_is_still_open() -> None:
    owners = LocalOwners()
    owners.open(claim(), BEGAN)
    for number in range(30_000):
        owners.own(f"job-{number}", claim(), BEGAN + number)
    assert len(owners.whose([f"job-{number}" for number in range(30_000)]).jobs) == 30_000
