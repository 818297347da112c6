"""The task of a sync."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from appcues_async.bulk.reading.prepared import Reading
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.run import BulkRun
from appcues_async.notices import Listener
from appcues_async.rows.sources import FILE_LIMIT
from appcues_async.sync.state import Target

__all__ = ["Missing", "Route", "SyncSpec"]

Missing = Literal["ignore", "report"]
"""The treatment of ids that are gone from a source of profiles: none, or a line in the report."""


@frozen
class Route:
    """Where rows are sent.

    Attributes:
        name: The route, as claims and jobs know it.
        start: The method of `client.bulk` that sends them.
    """

    name: str
    start: Callable[..., BulkRun]


@frozen(kw_only=True)
class SyncSpec:
    """The task of a sync.

    Attributes:
        target: What is kept in step.
        state: The state file.
        sources: What to read, one after the other.
        reading: How.
        counter: Counts the rows, and takes those that are rejected.
        rejects: Where all rejected rows go, if anywhere.
        add: Where new and changed rows go.
        remove: Where those go who are gone; None where nobody is removed.
        full: Whether every row counts as changed.
        allow_shrink: Whether the source may be empty, or less than half of the last one.
        missing: What becomes of those who are gone and are not removed.
        stops: Whether a rejected row keeps all others from being sent.
        dry_run: Whether to send nothing, and to leave the state as it is.
        concurrency: Uploads at a time.
        chunk_bytes: The most bytes of a chunk, if that was given.
        on_notice: Receives notices of how far its uploads are.
        listeners: Receive notices of how far its reading is.
    """

    target: Target
    state: Path
    sources: Sequence[Any]
    reading: Reading
    counter: RowCounter
    rejects: Path | None
    add: Route
    remove: Route | None
    full: bool
    allow_shrink: bool
    missing: Missing
    stops: bool
    dry_run: bool
    concurrency: int
    chunk_bytes: int | None
    on_notice: Listener | None
    listeners: Sequence[Listener]

    @property
    def limit(self) -> int:
        """The most bytes of a row."""
        return self.chunk_bytes or FILE_LIMIT
