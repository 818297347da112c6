"""Tickets: a worker issues them, each admits one attempt, and for seconds only.

A message to a worker may come late, or twice, and one that is lost says nothing of what became of it. So
each attempt carries a ticket, which its worker takes back when it begins and which counts for seconds of
that worker's own clock. Nothing is sent without one, and no other process knows it.
"""

from __future__ import annotations

import secrets
import time
from typing import Final

from attrs import field, frozen

from appcues_async.cluster.process import Process, this_process

__all__ = ["Ticket", "admit", "cancel_ticket", "issue_ticket"]

_KEPT: Final = 600.0
"""Seconds for which a ticket is remembered; longer than any counts."""


@frozen
class Ticket:
    """The leave to make one attempt.

    Attributes:
        process: The process that issued it, and takes it back.
        number: Identifies it, and the attempt that is made with it.
    """

    process: Process
    number: str = field(factory=lambda: secrets.token_hex(8))


_issued: Final[dict[str, float]] = {}
"""When this process issued those that are out, in order."""


def issue_ticket() -> Ticket:
    """Issues one."""
    now = time.monotonic()
    while _issued and now - _issued[oldest := next(iter(_issued))] > _KEPT:
        del _issued[oldest]
    ticket = Ticket(this_process())
    _issued[ticket.number] = now
    return ticket


def admit(number: str, valid: float) -> bool:
    """Takes a ticket back, and says whether it counts; if it does not, it never has.

    Args:
        number: The ticket.
        valid: Seconds for which it counts from when it was issued.

    Raises:
        LookupError: It is not out: what became of its attempt cannot be said here.
    """
    issued = _issued.pop(number, None)
    if issued is None:
        raise LookupError(f"ticket {number} was taken back before, or is another process's")
    return time.monotonic() - issued <= valid


def cancel_ticket(number: str) -> None:
    """Has a ticket admit nothing any more."""
    _issued.pop(number, None)
