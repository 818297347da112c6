"""Whose jobs are whose, as long as the process lives."""

from __future__ import annotations

import gc

import pytest

from appcues_async.waiting.owners import ACCOUNTS, LocalOwners, shared_owners

ORIGIN = "https://api.appcues.com"


def test_an_account_is_remembered_when_no_client_of_it_is_open() -> None:
    shared_owners(ORIGIN, "7").own("job-1", "import/events", 1000)
    gc.collect()
    assert shared_owners(ORIGIN, "7").look(["job-1"]).jobs == {"job-1": "import/events"}
    assert not shared_owners(ORIGIN, "8").look(["job-1"]).jobs


def test_accounts_that_nobody_uses_any_more_do_not_pile_up() -> None:
    held = shared_owners(ORIGIN, "held")
    shared_owners(ORIGIN, "old").own("job-1", "import/events", 1000)
    for number in range(ACCOUNTS):
        shared_owners(ORIGIN, str(number))
    gc.collect()
    assert shared_owners(ORIGIN, "held") is held
    assert not shared_owners(ORIGIN, "old").look(["job-1"]).jobs


@pytest.mark.parametrize(
    ("listed", "kind", "since", "until", "misses"),
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
    listed: list[str], kind: str, since: float, until: float, misses: bool
) -> None:
    owners = LocalOwners()
    owners.own("a", "import/events", 1000)
    owners.own("b", "import/events", 1010)
    owners.own("c", "import/events", 1020, certain=False)
    assert owners.misses(listed, kind, since, until) is misses
