"""Notices of outboxes."""

from __future__ import annotations

from attrs import frozen

__all__ = ["OutboxClosed", "OutboxFilled", "OutboxKeptAside", "OutboxSends", "OutboxStalled"]


@frozen
class OutboxSends:
    """This process sends what an outbox holds, from now on."""


@frozen
class OutboxStalled:
    """Sending has failed for a reason that is not the rows'; it is tried again in a while.

    Attributes:
        error: The kind of error, by its class name.
    """

    error: str


@frozen
class OutboxKeptAside:
    """Rows of an outbox are kept aside: refused, failed by their job, or unknown.

    Attributes:
        batch: The number of their batch.
        kind: What the rows are.
        rows: How many rows there are.
        error: The kind of error, by its class name.
    """

    batch: int
    kind: str
    rows: int
    error: str


@frozen
class OutboxFilled:
    """An outbox holds all that it may; told once a second at the most.

    Attributes:
        on_full: What becomes of rows that find no room: `wait`, `raise` or `drop`.
        dropped: Rows that were dropped since the last time.
    """

    on_full: str
    dropped: int


@frozen(kw_only=True)
class OutboxClosed:
    """An outbox was left.

    Attributes:
        waiting: Rows that were not accepted.
        accepted: Rows that were accepted, and whose jobs had not been seen to end.
        failed: Rows that are kept aside.
        on_disk: Whether they stay on disk; else they are lost.
    """

    waiting: int
    accepted: int
    failed: int
    on_disk: bool
