"""Sources read to their end, and compared with the state as they go by."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from appcues_async.bulk.reading.blocks import GoodRows, Span
from appcues_async.bulk.reading.prepare import prepare_all
from appcues_async.bulk.reading.prepared import PreparedSource
from appcues_async.bulk.reading.reader import SourceReader
from appcues_async.bulk.reading.sources import is_path, list_objects
from appcues_async.bulk.rejects import RejectsFile, check_rejects_file
from appcues_async.notices import BulkProgressed, notify
from appcues_async.sync.difference import Difference
from appcues_async.sync.digests import RowDigests, ids_of_csv, ids_of_ndjson
from appcues_async.sync.outgoing import Outgoing
from appcues_async.sync.spec import SyncSpec
from appcues_async.sync.worker import Worker

__all__ = ["Comparison"]


class Comparison:
    """The rows of a sync, compared with its state."""

    def __init__(
        self, spec: SyncSpec, difference: Difference, digests: RowDigests, outgoing: Outgoing
    ) -> None:
        """Reads nothing yet.

        Args:
            spec: The sync.
            difference: Is told of every row.
            digests: Makes what rows are compared by.
            outgoing: Takes the rows of profiles that differ.
        """
        self._spec = spec
        self._difference = difference
        self._digests = digests
        self._outgoing = outgoing
        self._size: int | None = None

    async def run(self, worker: Worker) -> None:
        """Reads all sources to their ends.

        Args:
            worker: Runs what touches the state.

        Raises:
            InvalidInput: A source is refused, or cannot be read.
        """
        spec = self._spec
        sources = await asyncio.to_thread(_prepare_sources, spec)
        sizes = [one.size if isinstance(one, PreparedSource) else None for one in sources]
        self._size = None if None in sizes else sum(filter(None, sizes))
        reader = SourceReader(spec.reading, spec.counter)
        try:
            for given in sources:
                async with (
                    reader.opened(given, spec.limit) as source,
                    aclosing(reader.read(source, spec.limit)) as blocks,
                ):
                    async for block in blocks:
                        await worker.call(self._take, source, block)
                        self._tell()
        finally:
            await asyncio.to_thread(reader.close)

    def _take(self, source: PreparedSource, block: GoodRows) -> None:
        """Compares some rows, and keeps those that differ."""
        data = source.read(block.data) if isinstance(block.data, Span) else bytes(block.data)
        if self._spec.reading.kind.is_list:
            self._difference.compare(ids_of_csv(data) if source.csv else ids_of_ndjson(data))
            return
        header = source.layout.header if source.csv and source.layout is not None else None
        rows = (
            self._digests.of_ndjson(data) if header is None else self._digests.of_csv(data, header)
        )
        differ = self._difference.compare(rows.ids, rows.digests)
        if not self._spec.dry_run:
            self._outgoing.add((rows.content[index] for index in differ), len(differ), header)

    def _tell(self) -> None:
        counter = self._spec.counter
        for listener in self._spec.listeners:
            progress = BulkProgressed(
                kind=self._spec.reading.kind.name,
                rows_read=counter.rows,
                bytes_read=counter.bytes,
                rows_rejected=counter.rejected,
                rows_sent=0,
                bytes_sent=0,
                rows_ingested=0,
                bytes_in_all=self._size,
            )
            notify(listener, progress)


def _prepare_sources(spec: SyncSpec) -> list[Any]:
    """The sources, looked at where that can be done before they are read."""
    if spec.rejects is not None:
        check_rejects_file(spec.rejects, [spec.state, *filter(is_path, spec.sources)])
    sources = list_objects(spec.sources, spec.counter.stop)
    prepared = prepare_all(sources, spec.reading, spec.limit, spec.counter.stop)
    if spec.rejects is not None:
        spec.counter.file = RejectsFile(spec.rejects)
    return [found or given for found, given in zip(prepared, sources, strict=True)]
