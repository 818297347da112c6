"""Whose jobs are whose, as long as the process lives."""

from __future__ import annotations

import gc

from appcues_async.waiting.owners import ACCOUNTS, shared_owners

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
