"""Whose jobs are whose, as long as the process lives."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

import pytest

from appcues_async.models import Job
from appcues_async.recovery.evidence import SAME_CLOCK, ClockSkew
from appcues_async.recovery.ownership import ACCOUNTS, LocalOwners, of_this_process

ORIGIN = "https://api.appcues.com"


def test_an_account_is_remembered_when_no_client_of_it_is_open() -> None:
    of_this_process.of(ORIGIN, "7").own("job-1", "import/events", 1000)
    gc.collect()
    assert of_this_process.of(ORIGIN, "7").whose(["job-1"]).jobs == {"job-1": "import/events"}
    assert not of_this_process.of(ORIGIN, "8").whose(["job-1"]).jobs


def test_accounts_that_nobody_uses_any_more_do_not_pile_up() -> None:
    held = of_this_process.of(ORIGIN, "held")
    of_this_process.of(ORIGIN, "old").own("job-1", "import/events", 1000)
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
    owners.own("a", "import/events", 1000)
    owners.own("b", "import/events", 1010)
    owners.own("c", "import/events", 1020, certain=False)
    assert owners.list_lags_behind(listed, kind, since, until) is list_lags_behind


@pytest.mark.parametrize(
    ("late", "lead", "keep"),
    [
        (-30, SAME_CLOCK, True),
        (-3600, SAME_CLOCK, False),
        (900, SAME_CLOCK, False),
        (-3600, ClockSkew(-3600, -3599), True),
    ],
)
def test_own_jobs_show_whether_times_are_utc(late: float, lead: ClockSkew, keep: bool) -> None:
    owners = LocalOwners()
    owners.own("a", "import/events", 1e6)
    owners.own("found", "import/events", 1e6, certain=False)
    jobs = [
        Job(id=name, status="IN_PROGRESS", started_at=datetime.fromtimestamp(start, UTC))
        for name, start in (("a", 1e6 + late), ("found", 0), ("another's", 0))
    ]
    assert owners.clock_agrees(jobs, lead) is keep
