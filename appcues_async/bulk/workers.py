"""The machines that read and send for a run, as it sees them; `appcues_async.cluster` has them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from attrs import frozen

from appcues_async.bulk.reading.blocks import GoodRows
from appcues_async.bulk.reading.prepared import PreparedSource, Reading
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.notices import Listener
from appcues_async.rows.kinds import Kind
from appcues_async.wire.sender import Transport

__all__ = ["Assignment", "Crew", "Reader", "Workers"]


class Reader(Protocol):
    """Reads the sources of one run, one after the other."""

    def opened(self, source: Any, limit: int) -> AbstractAsyncContextManager[PreparedSource]:
        """Opens a source for as long as it is read (see `SourceReader`)."""
        ...

    def read(self, source: PreparedSource, limit: int) -> AsyncGenerator[GoodRows]:
        """Reads an open source."""
        ...

    def close(self) -> None:
        """Ends what is left of the reading; may block."""
        ...


class Crew(Protocol):
    """The workers of one run."""

    @property
    def reader(self) -> Reader:
        """Reads its sources."""
        ...

    @property
    def transport(self) -> Transport:
        """Makes the attempts to send its chunks."""
        ...

    async def close(self) -> None:
        """Lets go of all that the run has there."""
        ...


@frozen(kw_only=True)
class Assignment:
    """The part of a run that workers do.

    Attributes:
        sources: What it reads, as far as that is known; None for what comes by once.
        limits: The most bytes of a chunk, for each source.
        reading: How the sources are read.
        counter: Counts the rows, and takes those that are rejected.
        reader: Reads what workers cannot reach.
        transport: Makes the attempts that workers do not make.
        listeners: Receive notices of what each worker does.
    """

    sources: Sequence[PreparedSource | None]
    limits: Sequence[int]
    reading: Reading
    counter: RowCounter
    reader: Reader
    transport: Transport
    listeners: Sequence[Listener]


class Workers(Protocol):
    """Machines that read and send for runs."""

    def parts_of(
        self, source: Any, kind: Kind, storage_options: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """A source as a list of sources.

        Raises:
            InvalidInput: It is none.
        """
        ...

    async def begin(self, assignment: Assignment) -> Crew:
        """Makes sure that workers are fit for a run, and takes them for it.

        Raises:
            AppcuesError: They are not, or there are none.
        """
        ...
