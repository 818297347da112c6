"""What a run is to do, and what of it a journal keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from appcues_async.bulk.journal.records import RunKey
from appcues_async.bulk.reading.sources import STDIN, Reading, can_be_read_twice, is_path, size_of
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import Clock
from appcues_async.errors import InvalidInput
from appcues_async.notices import Listener
from appcues_async.rows.frames import is_frame
from appcues_async.rows.sources import FILE_LIMIT, POST_LIMIT
from appcues_async.wire.request import stamp_of

__all__ = ["Account", "RunSpec"]

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


@frozen
class RunSpec:
    """What a run is to do.

    Attributes:
        sources: What to read, one after the other.
        reading: How.
        sending: Sends its chunks.
        concurrency: Uploads at a time.
        chunk_bytes: The most bytes of a chunk, if that was given.
        journal: Where it is written down, if anywhere.
        rejects: Where all rejected rows go, if anywhere.
        account: Whose rows these are.
        wait: Whether to wait for the jobs.
        ordered: Whether each chunk waits for the job of the one before.
        raises: Whether a rejected row ends the run.
        listeners: Are told how far it is.
    """

    sources: Sequence[Any]
    reading: Reading
    sending: ChunkUploader
    concurrency: int
    chunk_bytes: int | None
    journal: Path | None
    rejects: Path | None
    account: Account
    wait: bool
    ordered: bool
    raises: bool
    listeners: Sequence[Listener]

    def limits(self) -> list[int]:
        """The most bytes of a chunk of each source."""
        if self.chunk_bytes is not None:
            return [self.chunk_bytes] * len(self.sources)
        sizes = self._sizes()
        share = sum(filter(None, sizes)) // (PARTS * self.concurrency)
        of_files = max(POST_LIMIT, min(FILE_LIMIT, share))
        return [IN_MEMORY if size is None else of_files for size in sizes]

    def bytes_in_all(self) -> int | None:
        """Bytes of all sources, where that is known before they are read."""
        sizes = self._sizes()
        return None if None in sizes else sum(filter(None, sizes))

    def _sizes(self) -> list[int | None]:
        return [size_of(source) for source in self.sources]

    def written_down(self) -> RunKey:
        """The run as a journal knows it.

        Raises:
            InvalidInput: A source can be read only once.
        """
        reading, sending = self.reading, self.sending
        for source in self.sources:
            if not can_be_read_twice(source):
                what = f"a {type(source).__name__}"
                if is_path(source):
                    what = "the standard input" if source == STDIN else f"{source}, no plain file"
                raise InvalidInput(
                    f"source is {what}, which can be read only once, and journal= needs one that a "
                    "later run can read again: give a file, bytes, a list or a frame, or leave "
                    "journal out"
                )
        return RunKey(
            kind=sending.kind,
            endpoint=sending.path,
            sources=[_name_of(source) for source in self.sources],
            fingerprint=[
                stamp_of(Path(source)) if is_path(source) else None for source in self.sources
            ],
            options={
                "check": reading.check,
                "types": reading.types,
                "format": reading.format,
                "chunk_bytes": self.chunk_bytes,
                "allow_ids": sorted(reading.kind.ids.allowed),
            },
            limits=self.limits(),
        )


def _name_of(source: Any) -> str:
    if is_path(source):
        return str(Path(source).absolute())
    if is_frame(source):
        return "the frame"
    return "the data" if isinstance(source, bytes | bytearray | memoryview) else "the rows"
