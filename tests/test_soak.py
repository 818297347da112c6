"""The soak of `benchmarks/soak.py`, in short."""

from __future__ import annotations

from collections import Counter

import pytest

from appcues_async.settings import OnUnknown
from benchmarks.soak import RowCounter, Sample, run
from benchmarks.soak_work import DONE, OPEN, REFUSED, UNKNOWN, Said


@pytest.mark.long
@pytest.mark.timeout(200)
@pytest.mark.parametrize("on_unknown", ["raise", "reconcile"])
def test_nothing_is_lost_or_doubled_where_much_goes_wrong(on_unknown: OnUnknown) -> None:
    sockets = Sample.take().sockets
    outcome = run(40, on_unknown)
    assert outcome.wrong == 0, outcome.tallies
    assert outcome.failed_attempts > 0
    assert all(tally.done > 0 for tally in outcome.tallies.values())
    assert outcome.sockets_after <= sockets


@pytest.mark.parametrize(
    ("mark", "there", "wrong"),
    [
        (DONE, 1, 0),
        (DONE, 0, 1),
        (DONE, 2, 1),
        (REFUSED, 0, 0),
        (REFUSED, 1, 1),
        (UNKNOWN, 0, 0),
        (UNKNOWN, 1, 0),
        (UNKNOWN, 2, 1),
        (OPEN, 0, 1),
    ],
)
def test_the_soak_would_find_what_is_lost_or_doubled(mark: int, there: int, wrong: int) -> None:
    said = Said(bytearray([mark]))
    assert RowCounter.of(said, Counter({0: there})).wrong == wrong
