"""The task of a run, and the part of it that a journal keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from attrs import frozen

from appcues_async.bulk.journal.records import RunKey
from appcues_async.bulk.journal.run_journal import OnStep
from appcues_async.bulk.reading.prepared import PreparedSource, Reading
from appcues_async.bulk.reading.sources import STDIN, is_path
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.bulk.workers import Workers
from appcues_async.clock import Clock
from appcues_async.errors import InvalidInput
from appcues_async.notices import Listener
from appcues_async.rows.sources import FILE_LIMIT, POST_LIMIT
from appcues_async.text import type_in_words

__all__ = ["Account", "OnFailure", "RunSpec"]

OnFailure = Literal["raise", "report", "stop"]
"""The result of failures: `BulkFailed` at the end, no more than the report, or an end at the first
rejected row."""

IN_MEMORY: Final = 8_000_000
"""Bytes of a chunk that has to be held in memory until it is sent."""
PARTS: Final = 4
"""Chunks for each upload at a time that a file is cut into, within the limits."""


@frozen
class Account:
    """Whose rows these are.

    Attributes:
        origin: The server.
        id: The account.
        clock: What to measure by.
    """

    origin: str
    id: str
    clock: Clock


@frozen(kw_only=True)
class RunSpec:
    """Everything that a run needs to know before it begins.

    Attributes:
        call: The call that made the run, for messages.
        sources: What to read, one after the other.
        reading: How.
        counter: Counts the rows, and takes those that are rejected.
        uploader: Sends its chunks.
        concurrency: Uploads at a time.
        chunk_bytes: The most bytes of a chunk, if that was given.
        journal: Where it is written down, if anywhere.
        rejects: Where all rejected rows go, if anywhere.
        account: Whose rows these are.
        wait: Whether to wait for the jobs.
        ordered: Whether each chunk waits for the job of the one before.
        on_failure: What becomes of failures.
        retry_failed: Whether rows that jobs have not taken are sent again.
        workers: Read and send for it, if they do.
        listeners: Receive notices of how far it is.
        on_step: Is called at each step of a chunk that is written down, if anything is.
    """

    call: str
    sources: Sequence[Any]
    reading: Reading
    counter: RowCounter
    uploader: ChunkUploader
    concurrency: int
    chunk_bytes: int | None
    journal: Path | None
    rejects: Path | None
    account: Account
    wait: bool
    ordered: bool
    on_failure: OnFailure
    retry_failed: bool
    listeners: Sequence[Listener]
    workers: Workers | None = None
    on_step: OnStep | None = None

    def limits(self, sources: Sequence[PreparedSource | None]) -> list[int]:
        """The most bytes of a chunk of each source.

        Args:
            sources: What is known of them; None for those that come by once.
        """
        if self.chunk_bytes is not None:
            return [self.chunk_bytes] * len(sources)
        in_all = sum(source.size or 0 for source in sources if source is not None)
        share = in_all // (PARTS * self.concurrency)
        of_files = max(POST_LIMIT, min(FILE_LIMIT, share))
        return [IN_MEMORY if source is None or source.is_held else of_files for source in sources]

    def key(self, sources: Sequence[PreparedSource | None]) -> RunKey:
        """The run as a journal knows it.

        Args:
            sources: What is known of its sources.

        Raises:
            InvalidInput: A source can be read only once.
        """
        again: list[PreparedSource] = []
        for source, prepared in zip(self.sources, sources, strict=True):
            if prepared is None or not prepared.again:
                raise InvalidInput(
                    f"source is {_what(source)}, which can be read only once, and journal= needs one "
                    "that a later run can read again: give a file, bytes, a list or a frame, or leave "
                    "journal out"
                )
            again.append(prepared)
        reading = self.reading
        return RunKey(
            kind=self.uploader.kind,
            unsafe=self.uploader.is_unsafe,
            endpoint=self.uploader.path,
            sources=[source.name for source in again],
            fingerprint=[source.fingerprint for source in again],
            options={
                "check": reading.check,
                "types": reading.types,
                "format": reading.format,
                "chunk_bytes": self.chunk_bytes,
                "allow_ids": sorted(reading.kind.ids.allowed),
                **_rewriting(reading),
            },
            limits=self.limits(sources),
        )


def _rewriting(reading: Reading) -> dict[str, Any]:
    """The options that make other rows of a file than it holds; none that are left out."""
    dialect, zone = reading.dialect, reading.kind.zone
    given = {
        "delimiter": None if dialect.delimiter == "," else dialect.delimiter,
        "encoding": dialect.encoding,
        "id_column": dialect.id_column,
        "rename": dict(sorted(dialect.names.items())),
        "time_zone": None if zone is None else str(zone),
    }
    return {name: value for name, value in given.items() if value}


def _what(source: Any) -> str:
    if not is_path(source):
        return f"{type_in_words(source)}"
    return "the standard input" if str(source) == STDIN else f"{source}, no plain file"
