"""Notices of bulk runs: their progress, their chunks, and the workers of a cluster."""

from __future__ import annotations

from attrs import frozen

__all__ = ["BulkProgressed", "ChunkEnded", "RunEnded", "RunStarted", "WorkerChanged"]


@frozen(kw_only=True)
class BulkProgressed:
    """A bulk run is further than before.

    Attributes:
        kind: What its rows are.
        rows_read: Rows read and checked so far.
        bytes_read: Bytes of its source that these took.
        rows_rejected: Rows of these that are not sent.
        rows_sent: Rows that the server has accepted.
        bytes_sent: Bytes of these.
        rows_ingested: Rows that jobs say they have taken.
        bytes_in_all: Bytes of its source, where that is known.
    """

    kind: str
    rows_read: int
    bytes_read: int
    rows_rejected: int
    rows_sent: int
    bytes_sent: int
    rows_ingested: int
    bytes_in_all: int | None


@frozen
class ChunkEnded:
    """A chunk of a bulk run has ended.

    Attributes:
        chunk: Its number in the run, from 0.
        rows: How many rows it has.
        size: Bytes that were sent.
        status: How it ended, as in the run's report.
        job: The id of its job, if it was accepted.
    """

    chunk: int
    rows: int
    size: int
    status: str
    job: str | None


@frozen(kw_only=True)
class WorkerChanged:
    """A worker of a cluster has come or gone, or begun or ended an upload for a run.

    Attributes:
        worker: Its address.
        threads: Uploads that it takes at once.
        sending: Uploads that it has in flight.
        chunks: Chunks that were accepted from it.
        bytes_sent: Bytes of these.
        gone: Whether the cluster does not have it any more.
    """

    worker: str
    threads: int
    sending: int
    chunks: int
    bytes_sent: int
    gone: bool = False


@frozen
class RunStarted:
    """A bulk run has begun to read.

    Attributes:
        kind: What its rows are.
    """

    kind: str


@frozen(kw_only=True)
class RunEnded:
    """A bulk run has ended, well or badly.

    Attributes:
        kind: What its rows are.
        rows: Rows read.
        rejected: Rows of these that were not sent.
        chunks: Chunks sent.
        accepted: Rows that the server has accepted.
        ingested: Rows that jobs say they have taken.
        seconds: How long it took.
    """

    kind: str
    rows: int
    rejected: int
    chunks: int
    accepted: int
    ingested: int
    seconds: float
