"""Limiters that people run: every call comes through nginx, and no event comes twice."""

from __future__ import annotations

import pytest

from benchmarks.limiters import LIMITERS, ours, reads, uploads

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(LIMITERS["nginx, 429"].path is None, reason="nginx is not installed"),
]


@pytest.mark.parametrize("name", [name for name in LIMITERS if name.startswith("nginx")])
async def test_no_call_fails_behind_a_limiter(name: str) -> None:
    result = await reads(LIMITERS[name], ours)
    assert result.failed == 0
    assert result.share_refused <= 0.05


async def test_events_come_through_a_limiter_that_says_503() -> None:
    result = await uploads(LIMITERS["nginx, 503"])
    assert result.failed == 0
