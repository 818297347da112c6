"""How a change to a segment went."""

from __future__ import annotations

from attrs import frozen

from appcues_async.errors import AppcuesError
from appcues_async.text import counted

__all__ = ["FailedChunk", "SegmentReport"]

_NAMED = 5
"""Failed requests that a message names; the others are in the report."""


@frozen
class FailedChunk:
    """A request that did not succeed, repeats included.

    Attributes:
        first: The position of its first id in the source, from 0.
        last: The position of its last id.
        error: Why it failed; `error.delivery` says whether it may have been applied after all.
    """

    first: int
    last: int
    error: AppcuesError


@frozen
class SegmentReport:
    """The chunks of ids that were sent, and those of them that failed.

    A request that succeeded shows that Customer.io took its ids, not that each is somebody's: it
    ignores those that it does not know, without a word.

    Attributes:
        requests: How many requests the ids took, failed ones included.
        ids: How many ids the source held.
        failed: The requests that failed, in the order of the source.
    """

    requests: int
    ids: int
    failed: tuple[FailedChunk, ...] = ()

    def raise_for_failures(self) -> None:
        """Raises if any request failed.

        Raises:
            ExceptionGroup: The error of each request that failed, in order.
        """
        if not self.failed:
            return
        named = [f"{chunk.first:,} to {chunk.last:,}" for chunk in self.failed[:_NAMED]]
        more = "" if len(self.failed) <= _NAMED else " and more"
        raise ExceptionGroup(
            f"{len(self.failed):,} of {counted(self.requests, 'request')} failed; "
            f"they held the ids at {', '.join(named)}{more}, counted from 0",
            [chunk.error for chunk in self.failed],
        )
