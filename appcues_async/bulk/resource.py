"""`client.bulk`: any source, any size."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, MutableSet, Sequence
from difflib import get_close_matches
from typing import (
    Any,
    Final,
    TypeAlias,
    Unpack,
    get_args,
)

from attrs import evolve

from appcues_async.api.imports import IMPORT_EVENTS, IMPORT_PROFILES
from appcues_async.api.segments import ADD, REMOVE
from appcues_async.bulk.journal.run_journal import OnStep
from appcues_async.bulk.journal.settling import settle_chunk
from appcues_async.bulk.reading.options import ReadingOptions, reading_of
from appcues_async.bulk.reading.sources import parts_of
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.run import BulkRun
from appcues_async.bulk.spec import Account, OnFailure, RunSpec
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.bulk.workers import Workers
from appcues_async.errors import InvalidInput
from appcues_async.notices import Listener
from appcues_async.recovery.starting import Starter
from appcues_async.rows.frames import Frame
from appcues_async.rows.ids import ANY_ID, id_rule
from appcues_async.rows.inputs import check_source, file_option
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.sources import FILE_LIMIT
from appcues_async.rows.values import one_of, whole_number
from appcues_async.rows.verdict import Check
from appcues_async.settings import OnUnknown
from appcues_async.wire.request import Endpoint

__all__ = ["CONCURRENCY", "OF_WORKERS", "Bulk", "BulkOptions", "BulkSource", "with_steps"]


CONCURRENCY: Final = 4
"""Uploads at a time; benchmarks/bulk.py shows what more of them bring."""
OF_WORKERS: Final = 8
"""Uploads at a time of workers; the account's shared throttle lets no more of them go at once."""
MOST_OF_WORKERS: Final = 1_000

BulkSource: TypeAlias = (
    str
    | os.PathLike[str]
    | Sequence[os.PathLike[str]]
    | bytes
    | bytearray
    | Iterable[Any]
    | AsyncIterable[Any]
    | Frame
)
"""A path (`-` is the standard input) or URL or many, bytes, rows, or a data frame."""


class BulkOptions(ReadingOptions, total=False):
    """The options of every method of `client.bulk`; all by name, all optional.

    For how sources are read see `help("appcues_async.bulk.reading.options.ReadingOptions")`.

    Attributes:
        concurrency: Uploads at a time, 1 to 64; 4 when left out.
        chunk_bytes: The most bytes of a chunk, up to 200,000,000; chosen by the source's size when left
            out.
        check: `full` checks every row as single uploads do (when left out), `none` trusts the files.
        journal: A file (SQLite) that keeps what was intended, accepted and finished, so that the same
            run with the same journal goes on where it ended, and sends nothing twice. Only for sources
            that can be read again: files, bytes, lists, frames.
        wait: Wait for the jobs (when left out); False returns after the last 202.
        rejects: A file for all rejected rows: NDJSON with source, number, line, reason and row. It can
            be uploaded itself once its rows are mended.
        on_failure: `raise` (when left out) raises `BulkFailed` at the end of a run that did not take
            every row; `report` returns the report all the same; `stop` ends at the first rejected row,
            before anything is sent where the source can be read twice.
        ordered: Send each chunk after the job of the one before has ended; the run stops where that
            is not known to have ended. Not with `wait=False`.
        storage_options: What fsspec opens the store of a URL with, such as `{"profile": "prod"}`; where
            it is left out, what the store's own tools are set to.
        retry_failed: Where a job fails, or takes only part of its rows, send them again by halves until
            those are found that the server rejects: at most 20 more jobs a chunk. Not for events, which
            would be recorded twice, and not with `wait=False`. Rows that are not in a file stay in
            memory until their job has ended.
        on_unknown: What to do when nothing says whether a chunk was accepted; what the client does when
            left out.
        on_notice: Receives notices of how far the run is.
        workers: Read and send, instead of this process; `DaskWorkers(dask_client)` of
            `appcues_async.cluster`. `concurrency` is then 8 when left out, and up to 1,000.
    """

    concurrency: int
    chunk_bytes: int | None
    check: Check
    journal: str | os.PathLike[str] | None
    wait: bool
    rejects: str | os.PathLike[str] | None
    on_failure: OnFailure
    ordered: bool
    storage_options: Mapping[str, Any] | None
    retry_failed: bool
    on_unknown: OnUnknown | None
    on_notice: Listener | None
    workers: Workers | None


class Bulk:
    """`client.bulk`: the fewest requests that the limits allow, many at a time, in flat memory.

    Every method makes a run: await it for its report, or iterate over its outcomes. All take the
    options of `help("appcues_async.bulk.resource.BulkOptions")`.
    """

    def __init__(
        self,
        starter_of: Callable[[OnUnknown | None], Starter],
        account: Account,
        *,
        on_unknown: OnUnknown,
        runs: MutableSet[BulkRun],
        listener: Listener | None = None,
        on_step: OnStep | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            starter_of: Makes what starts jobs, with its own way for unknown outcomes.
            account: Whose rows these are.
            on_unknown: What to do about unknown outcomes where a run does not say.
            runs: Takes up every run, so that those under way end with the client.
            listener: Receives notices of how far every run is.
            on_step: Is called at each step of a chunk that is written down; for tests that stop there.
        """
        self._starter_of = starter_of
        self._account = account
        self._on_unknown: OnUnknown = on_unknown
        self._runs = runs
        self._listener = listener
        self._on_step = on_step

    def import_profiles(self, source: BulkSource, **options: Unpack[BulkOptions]) -> BulkRun:
        """Updates profiles, any number of them (reference, "Import Bulk Profile Data").

        Args:
            source: A path, a URL (`s3://bucket/users/*.csv`) or a list of them (CSV or NDJSON; gzip and
                zstd are unpacked; `-` is the standard input), bytes, an iterable or async iterable of
                mappings or attrs objects, or anything with `__arrow_c_stream__` (a polars, pandas,
                pyarrow or duckdb frame).
            options: See `help("appcues_async.bulk.resource.BulkOptions")`.

        Returns:
            The run.

        Raises:
            InvalidInput: An option is malformed.
            TypeError: There is no such option.
        """
        return self._run("import_profiles", PROFILES, IMPORT_PROFILES, source, options)

    def import_events(self, source: BulkSource, **options: Unpack[BulkOptions]) -> BulkRun:
        """Records events, any number of them (reference, "Import Bulk Events").

        Args:
            source: As for `import_profiles`.
            options: See `help("appcues_async.bulk.resource.BulkOptions")`.

        Returns:
            The run.

        Raises:
            InvalidInput: An option is malformed.
            TypeError: There is no such option.
        """
        return self._run("import_events", EVENTS, IMPORT_EVENTS, source, options)

    def add_user_ids(
        self, segment_id: str, source: BulkSource, **options: Unpack[BulkOptions]
    ) -> BulkRun:
        """Adds users to a segment, any number of them.

        Args:
            segment_id: Which segment.
            source: As for `import_profiles`, with ids instead of mappings.
            options: See `help("appcues_async.bulk.resource.BulkOptions")`.

        Returns:
            The run.

        Raises:
            InvalidInput: An option is malformed.
            TypeError: There is no such option.
        """
        return self._run("add_user_ids", USER_IDS, ADD, source, options, segment_id=segment_id)

    def remove_user_ids(
        self, segment_id: str, source: BulkSource, **options: Unpack[BulkOptions]
    ) -> BulkRun:
        """Removes users from a segment, any number of them.

        Args:
            segment_id: Which segment.
            source: As for `import_profiles`, with ids instead of mappings.
            options: See `help("appcues_async.bulk.resource.BulkOptions")`.

        Returns:
            The run.

        Raises:
            InvalidInput: An option is malformed.
            TypeError: There is no such option.
        """
        return self._run(
            "remove_user_ids", USER_IDS, REMOVE, source, options, segment_id=segment_id
        )

    async def settle(
        self,
        journal: str | os.PathLike[str],
        chunk: int,
        *,
        applied: bool,
        run: int | None = None,
        job: str | None = None,
    ) -> None:
        """Settles by hand a chunk of which nothing says whether it was applied.

        The next run with this journal goes on from there: it takes the chunk for done, or sends it.

        Args:
            journal: The journal's file.
            chunk: The chunk's number, as `Outcome.chunk` and `appcues-async journal show` have it.
            applied: Whether it was applied.
            run: Its run; may be left out where only one run has an unknown chunk of this number.
            job: The job that has applied it, if that is known; left out, it is the only candidate.

        Raises:
            InvalidInput: No unknown chunk has this number, several have, another process works on the
                run, or the journal cannot be read or written.
        """
        number = whole_number(chunk, "chunk", 0)
        await asyncio.to_thread(
            settle_chunk, file_option(journal, "journal"), number, applied=applied, run=run, job=job
        )

    def _run(
        self,
        method: str,
        kind: Kind,
        endpoint: Endpoint,
        source: Any,
        options: BulkOptions,
        **ids: Any,
    ) -> BulkRun:
        check_names(method, options, BulkOptions)
        workers = options.get("workers")
        if workers is None:
            check_source(source)
        check, on_failure = options.get("check", "full"), options.get("on_failure", "raise")
        on_unknown = options.get("on_unknown")
        # What is removed need not be an id that could be added.
        taken = ANY_ID if endpoint is REMOVE else id_rule(options.get("allow_ids", ()))
        one_of("check", check, get_args(Check))
        one_of("on_failure", on_failure, get_args(OnFailure))
        one_of("on_unknown", on_unknown, (None, *get_args(OnUnknown)))
        usual, most = (CONCURRENCY, 64) if workers is None else (OF_WORKERS, MOST_OF_WORKERS)
        concurrency = whole_number(options.get("concurrency", usual), "concurrency", 1, most)
        wait, ordered = options.get("wait", True), options.get("ordered", False)
        if ordered and not wait:
            raise InvalidInput(
                "ordered is True and wait is False; a chunk that is sent after the job of the one "
                "before has ended has to wait for it: leave one of them out"
            )
        retry_failed = options.get("retry_failed", False)
        _check_retry(retry_failed, kind, wait=wait)
        if retry_failed and workers is not None:
            raise InvalidInput(
                "retry_failed is True and workers are given, which hold the rows; send the chunks that "
                "failed again in a run without workers"
            )
        chunk_bytes = options.get("chunk_bytes")
        if chunk_bytes is not None:
            chunk_bytes = whole_number(chunk_bytes, "chunk_bytes", 1, FILE_LIMIT)
        endpoint.request(**ids)
        uploader = ChunkUploader(
            self._starter_of(on_unknown), endpoint, ids, on_unknown or self._on_unknown, kind.name
        )
        journal, rejects = options.get("journal"), options.get("rejects")
        counter = RowCounter(stop_at_reject=on_failure == "stop")
        reading = evolve(reading_of(kind.with_ids(taken), options), check=check)
        listeners = (self._listener, options.get("on_notice"))
        run = BulkRun(
            RunSpec(
                call=f"client.bulk.{method}()",
                sources=(parts_of if workers is None else workers.parts_of)(
                    source, kind, options.get("storage_options")
                ),
                reading=reading,
                counter=counter,
                uploader=uploader,
                concurrency=concurrency,
                chunk_bytes=chunk_bytes,
                journal=None if journal is None else file_option(journal, "journal"),
                rejects=None if rejects is None else file_option(rejects, "rejects"),
                account=self._account,
                wait=wait,
                ordered=ordered,
                on_failure=on_failure,
                retry_failed=retry_failed,
                listeners=[one for one in listeners if one is not None],
                workers=workers,
                on_step=self._on_step,
            )
        )
        self._runs.add(run)
        return run


def _check_retry(retry_failed: bool, kind: Kind, *, wait: bool) -> None:
    if retry_failed and kind.is_events:
        raise InvalidInput(
            "retry_failed is True, and events that a failed job has recorded would be recorded twice; "
            "leave it out"
        )
    if retry_failed and not wait:
        raise InvalidInput(
            "retry_failed is True and wait is False; only a job that is waited for is seen to fail: "
            "leave one of them out"
        )


def with_steps(bulk: Bulk, on_step: OnStep) -> Bulk:
    """Makes the same resource, with a call at each step of a chunk that is written down."""
    return Bulk(
        bulk._starter_of,
        bulk._account,
        on_unknown=bulk._on_unknown,
        runs=bulk._runs,
        listener=bulk._listener,
        on_step=on_step,
    )


def check_names(method: str, options: Mapping[str, object], known: type[Any]) -> None:
    """Refuses options that a method does not have.

    Args:
        method: What was called.
        options: What it was given.
        known: The `TypedDict` of its options.

    Raises:
        TypeError: There is no such option.
    """
    names = list(known.__annotations__)
    for name in options:
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(names)}"
            raise TypeError(f"{method}() got an unexpected keyword argument {name!r}; {hint}")
