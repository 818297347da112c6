"""When to look at a job next: a pure rule."""

from __future__ import annotations

from appcues_async.settings import PollPolicy

__all__ = ["GROWTH", "pause_after"]

GROWTH = 1.5
"""How much longer each pause is than the one before."""


def pause_after(looks: int, policy: PollPolicy) -> float:
    """Seconds until the next look.

    Args:
        looks: How often the job has been looked at in this wait.
        policy: The first pause, the shortest, the longest.
    """
    if looks == 0:
        return policy.first
    # Beyond 64 looks the longest has long been reached, and a float would overflow.
    return min(policy.high, policy.low * GROWTH ** min(looks - 1, 64))
