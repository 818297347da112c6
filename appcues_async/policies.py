"""How long things may take, how often they are tried, how fast they go; `settings.py` hands it out.

Every value is checked where it is made, and an unfit one raises `InvalidInput` that names the value,
the rule and the fix.
"""

from __future__ import annotations

import sys
from typing import Any

from attrs import Attribute, field, frozen

from appcues_async.errors import InvalidInput

__all__ = ["Pace", "PollPolicy", "RetryPolicy", "Timeouts"]


def _number(low: float, *, above: bool = False, whole: bool = False) -> Any:
    """Checks that a number is finite and at least (or above) `low`."""

    def check(instance: object, attribute: Attribute[Any], value: Any) -> None:
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
    """How long things may take, in seconds.

    Attributes:
        connect: One attempt's connection, TLS included.
        idle: One attempt without a byte moving either way.
        budget: All attempts of one request and the pauses between them, but no wait for a turn at the
            throttle, and no transfer of an upload: that goes on while 1 MiB moves every `idle` seconds.
        wait: A job, until it has ended.
        settle: From a lost answer until what no list shows is not there.
    """

    connect: float = field(default=10, validator=_number(0, above=True))
    idle: float = field(default=60, validator=_number(0, above=True))
    budget: float = field(default=60, validator=_number(0, above=True))
    wait: float = field(default=86_400, validator=_number(0, above=True))
    settle: float = field(default=15, validator=_number(0))


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
        outage: Seconds from its first failure for which an upload of `client.bulk` is repeated even
            after so many attempts, if that may be repeated at all; 0 is never.
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
    """How fast an account's requests go out.

    Attributes:
        rate: Requests a second, over all tasks of the account. Appcues allows about 60.
    """

    rate: float = field(default=50, validator=_number(0, above=True))
