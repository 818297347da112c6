"""Runs and chunks as a journal has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from attrs import frozen

__all__ = ["ALLOWED_FROM", "UNSETTLED", "ChunkRecord", "ChunkState", "Run", "RunKey"]

ChunkState = Literal["planned", "intent", "accepted", "completed", "failed", "unknown", "refused"]
"""How far a chunk is: cut; perhaps sent; accepted; its job has ended well or badly; nothing says whether
it was accepted; or it was not."""

ALLOWED_FROM: Final[Mapping[str, frozenset[str]]] = {
    "intent": frozenset({"planned", "refused", "intent", "unknown"}),
    "accepted": frozenset({"intent", "unknown"}),
    # A job that failed, or took only part of its rows, may be tried again in parts.
    "completed": frozenset({"accepted", "completed", "failed"}),
    "failed": frozenset({"accepted", "failed"}),
    "refused": frozenset({"intent"}),
    "unknown": frozenset({"intent", "unknown"}),
}
"""The states from which a chunk may come into each state."""

UNSETTLED: Final = ("planned", "intent", "unknown", "refused")
"""Chunks that are to be sent, or may have started a job that nobody owns: their row counts are taken."""


@frozen(kw_only=True)
class RunKey:
    """A run as it is asked for.

    Attributes:
        kind: The route that it uploads to.
        unsafe: Whether its chunks must not be applied twice.
        endpoint: The same with its ids.
        sources: The names of what it reads: absolute paths, or what is in memory.
        fingerprint: Size and time of change of each source that is a file, size and ETag of each that
            is an object of a store.
        options: What decides which rows go into which chunk.
        limits: The most bytes of a chunk, for each source.
    """

    kind: str
    unsafe: bool
    endpoint: str
    sources: Sequence[str]
    fingerprint: Sequence[tuple[int, int] | tuple[int, str] | None]
    options: Mapping[str, Any]
    limits: Sequence[int]


@frozen(kw_only=True)
class Run:
    """A run as the journal has it.

    Attributes:
        id: Its number.
        session: The time of this process at it, by its number.
        limits: The most bytes of a chunk, for each source.
        chunks: How many it has; None until its sources have been read to their end.
    """

    id: int
    session: int
    limits: Sequence[int]
    chunks: int | None


@frozen(kw_only=True)
class ChunkRecord:
    """A chunk as the journal has it.

    Attributes:
        number: Its number in the run, from 0.
        source: Where its rows are from.
        first: The number of its first row.
        last: The number of its last row.
        rows: How many it has.
        bytes: The size of its body.
        digest: The digest of its body, for sources that are no plain files.
        status: How far it is.
        session: The session of the process that had it last.
        intent_at: When it was about to be sent, in seconds since 1970.
        times: The times of its request, as `Claim.times_text` writes them.
        job: The id of its job.
        certain: Whether the server said that this is its job; else it was found.
        completed: Rows that its job has taken.
        failed: Rows that it has not.
        requests_failed: Requests inside Appcues that failed.
        error: What went wrong, without a word of anybody's data.
        candidates: The jobs that may be its own, as JSON, where that is unknown.
        rejected: The numbers of its rows that the server rejected, as JSON, where that was found out.
    """

    number: int
    source: str
    first: int
    last: int
    rows: int
    bytes: int
    digest: str | None = None
    status: ChunkState = "planned"
    session: int | None = None
    intent_at: float | None = None
    times: str | None = None
    job: str | None = None
    certain: bool = True
    completed: int | None = None
    failed: int | None = None
    requests_failed: int | None = None
    error: str | None = None
    candidates: str | None = None
    rejected: str | None = None
