"""Timeouts, retries, polling and pace, as values; exported by `settings.py`.

Every value is checked where it is made, and an unfit one raises `InvalidInput` that names the value,
the rule and the fix.
"""

from __future__ import annotations

import sys
from typing import Any

from attrs import Attribute, field, frozen

from appcues_async.errors import InvalidInput

__all__ = ["Pace", "PollPolicy", "RetryPolicy", "Timeouts"]


def _number(low: float, *, above: bool = False, whole: bool = False, or_none: bool = False) -> Any:
    """Checks that a number is finite and at least (or above) `low`."""

    def check(instance: object, attribute: Attribute[Any], value: Any) -> None:
        if value is None and or_none:
            return
        name = f"{type(instance).__name__}.{attribute.name}"
        fits = (
            isinstance(value, int if whole else int | float)
            and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max
            and (value > low if above else value >= low)
        )
        if not fits:
            kind = "a whole number" if whole else "a finite number"
            rule = f"above {low:g}" if above else f"of at least {low:g}"
            raise InvalidInput(f"{name} is {value!r}; it must be {kind} {rule}")

    return check


@frozen
class Timeouts:
    """Bounds of every wait, in seconds.

    Attributes:
        connect: One attempt's connection: the search for its name, a proxy's answer and TLS included.
        idle: One attempt without a byte moving either way; of a large body, without 64 KiB moving.
        budget: All attempts of one request and the pauses between them. The transfer of an upload or a
            download does not count: it goes on while bytes move. Neither does the wait for a turn at
            the throttle, as long as the server answers others; a call ends when nothing has been
            answered for `budget` seconds while it waited.
        wait: A job, until it has ended.
        settle: From a lost answer until what no list shows is not there.
        turn: The longest wait for a turn at the throttle, after which a call raises `NoTurn`; None sets
            no such limit. Uploads of `client.bulk` and waits for jobs are not subject to it.
    """

    connect: float = field(default=10, validator=_number(0, above=True))
    idle: float = field(default=60, validator=_number(0, above=True))
    budget: float = field(default=60, validator=_number(0, above=True))
    wait: float = field(default=86_400, validator=_number(0, above=True))
    settle: float = field(default=15, validator=_number(0))
    turn: float | None = field(default=None, validator=_number(0, above=True, or_none=True))


@frozen
class RetryPolicy:
    """When a failed request is sent again, and how much later.

    The pause before attempt n+1 is drawn evenly from 0 to min(cap, base * 2**(n-1)) seconds, unless the
    server asked for a pause of its own.

    Attributes:
        attempts: How often a request may be sent in all; 1 is never again.
        base: The longest pause after the first attempt, in seconds.
        cap: The longest pause after any attempt, in seconds.
        max_retry_after: The longest pause, in seconds, that the server may ask for; beyond it the error
            is raised at once with `retry_after` on it.
        outage: Seconds without an answer for which an upload of `client.bulk` waits, and is repeated
            even after so many attempts if it may be repeated at all; 0 is never.
    """

    attempts: int = field(default=5, validator=_number(1, whole=True))
    base: float = field(default=0.5, validator=_number(0))
    cap: float = field(default=20, validator=_number(0))
    max_retry_after: float = field(default=60, validator=_number(0))
    outage: float = field(default=600, validator=_number(0))


@frozen
class PollPolicy:
    """When to look at a job next, in seconds.

    Attributes:
        first: From the moment a wait begins to the first look.
        low: Between looks at a young job.
        high: Between looks at an old one; the pause grows from `low` by half each time.
        grace: How long after its start a job may be unknown to the server.
    """

    first: float = field(default=0.5, validator=_number(0))
    low: float = field(default=1, validator=_number(0, above=True))
    high: float = field(default=15, validator=_number(0, above=True))
    grace: float = field(default=5, validator=_number(0))

    def __attrs_post_init__(self) -> None:
        if self.high < self.low:
            rule = f"at least low, {self.low!r}"
            raise InvalidInput(f"PollPolicy.high is {self.high!r}; it must be {rule}")


@frozen
class Pace:
    """The rate of an account's requests.

    Attributes:
        rate: Requests a second to start with, over all tasks of the account; from there the pace finds
            what the server takes. Appcues documents about 60.
        most: Requests a second that are never passed, such as a share of the account's limit beside
            other producers; None leaves the limit to the server. Without it, 60 are passed only after
            a minute at 60 without a refusal.
    """

    rate: float = field(default=50, validator=_number(0, above=True))
    most: float | None = field(default=None, validator=_number(0, above=True, or_none=True))
