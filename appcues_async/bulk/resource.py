"""`client.bulk`: any source, any size."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

from appcues_async.api.imports import IMPORT_EVENTS, IMPORT_PROFILES
from appcues_async.api.jobs import Jobs
from appcues_async.api.segments import ADD, REMOVE
from appcues_async.bulk.checks import Check
from appcues_async.bulk.chunks import Sizes
from appcues_async.bulk.run import BulkRun, Plan
from appcues_async.bulk.sources import Reading, parts_of
from appcues_async.bulk.tally import Tally
from appcues_async.errors import InvalidInput
from appcues_async.notices import Listener
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.sources import FILE_LIMIT, MEDIA, Format
from appcues_async.rows.values import shown, whole_number
from appcues_async.settings import OnUnknown
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.request import Blocks, Endpoint, FilePieces, Multipart

__all__ = ["CONCURRENCY", "Bulk", "BulkSource", "OnReject"]

CONCURRENCY: Final = 4
"""Uploads at a time; benchmarks/bulk.py shows what more of them bring."""

OnReject = Literal["report", "raise"]
"""What a rejected row means: a line in the report, or the end of the run."""


class _Frame(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


BulkSource: TypeAlias = (
    str
    | os.PathLike[str]
    | Sequence[os.PathLike[str]]
    | bytes
    | bytearray
    | Iterable[Any]
    | AsyncIterable[Any]
    | _Frame
)
"""A path (`-` is the standard input) or many, bytes, rows, or a data frame."""


class Bulk:
    """`client.bulk`: the fewest requests that the limits allow, many at a time, in flat memory."""

    def __init__(
        self, jobs_of: Callable[[OnUnknown | None], Jobs], listener: Listener | None = None
    ) -> None:
        """Is made by the client.

        Args:
            jobs_of: Makes what starts jobs, with a way of its own for unknown outcomes.
            listener: Is told how far every run is.
        """
        self._jobs_of = jobs_of
        self._listener = listener

    def import_profiles(
        self,
        source: BulkSource,
        *,
        concurrency: int = CONCURRENCY,
        chunk_bytes: int | None = None,
        check: Check = "full",
        wait: bool = True,
        rejects: str | os.PathLike[str] | None = None,
        on_reject: OnReject = "report",
        ordered: bool = False,
        types: Literal["infer"] | None = None,
        format: Format | None = None,  # noqa: A002 - the public word
        on_unknown: OnUnknown | None = None,
        on_notice: Listener | None = None,
    ) -> BulkRun:
        """Updates profiles, any number of them.

        Args:
            source: A path or a list of paths (CSV or NDJSON; gzip and zstd are unpacked; `-` is the
                standard input), bytes, an iterable or async iterable of mappings or attrs objects, or
                anything with `__arrow_c_stream__` (a polars, pandas, pyarrow or duckdb frame).
            concurrency: Uploads at a time, 1 to 64.
            chunk_bytes: The most bytes of a chunk, up to 200,000,000; chosen by the source's size when
                left out.
            check: `full` checks every row as single uploads do, `ids` only that each has what it
                needs, `none` trusts the files.
            wait: Wait for the jobs; False returns after the last 202.
            rejects: A file for all rejected rows: NDJSON with source, number, line, reason and row. It
                can be uploaded itself once its rows are mended.
            on_reject: `raise` ends the run at the first rejected row, before anything is sent where the
                source can be read twice.
            ordered: Send each chunk after the job of the one before has ended.
            types: `infer` gives CSV cells the types that they look like, and sends NDJSON.
            format: How a file is written, when its name or content does not show it.
            on_unknown: What to do when nothing says whether a chunk was accepted.
            on_notice: Is told how far the run is.

        Returns:
            The run; await it for its report, or iterate over its outcomes.

        Raises:
            InvalidInput: An option is malformed.
        """
        return self._run(
            PROFILES,
            IMPORT_PROFILES,
            {},
            source,
            concurrency=concurrency,
            chunk_bytes=chunk_bytes,
            check=check,
            wait=wait,
            rejects=rejects,
            on_reject=on_reject,
            ordered=ordered,
            types=types,
            format=format,
            on_unknown=on_unknown,
            on_notice=on_notice,
        )

    def import_events(
        self,
        source: BulkSource,
        *,
        concurrency: int = CONCURRENCY,
        chunk_bytes: int | None = None,
        check: Check = "full",
        wait: bool = True,
        rejects: str | os.PathLike[str] | None = None,
        on_reject: OnReject = "report",
        ordered: bool = False,
        types: Literal["infer"] | None = None,
        format: Format | None = None,  # noqa: A002 - the public word
        on_unknown: OnUnknown | None = None,
        on_notice: Listener | None = None,
    ) -> BulkRun:
        """Records events, any number of them.

        A chunk whose answer was lost ends as `unknown` rather than being recorded twice.

        Args:
            source: A path or a list of paths (CSV or NDJSON; gzip and zstd are unpacked; `-` is the
                standard input), bytes, an iterable or async iterable of mappings or attrs objects, or
                anything with `__arrow_c_stream__` (a polars, pandas, pyarrow or duckdb frame).
            concurrency: Uploads at a time, 1 to 64.
            chunk_bytes: The most bytes of a chunk, up to 200,000,000; chosen by the source's size when
                left out.
            check: `full` checks every row as single uploads do, `ids` only that each has what it
                needs, `none` trusts the files.
            wait: Wait for the jobs; False returns after the last 202.
            rejects: A file for all rejected rows: NDJSON with source, number, line, reason and row. It
                can be uploaded itself once its rows are mended.
            on_reject: `raise` ends the run at the first rejected row, before anything is sent where the
                source can be read twice.
            ordered: Send each chunk after the job of the one before has ended.
            types: `infer` gives CSV cells the types that they look like, and sends NDJSON.
            format: How a file is written, when its name or content does not show it.
            on_unknown: What to do when nothing says whether a chunk was accepted.
            on_notice: Is told how far the run is.

        Returns:
            The run; await it for its report, or iterate over its outcomes.

        Raises:
            InvalidInput: An option is malformed.
        """
        return self._run(
            EVENTS,
            IMPORT_EVENTS,
            {},
            source,
            concurrency=concurrency,
            chunk_bytes=chunk_bytes,
            check=check,
            wait=wait,
            rejects=rejects,
            on_reject=on_reject,
            ordered=ordered,
            types=types,
            format=format,
            on_unknown=on_unknown,
            on_notice=on_notice,
        )

    def add_user_ids(
        self,
        segment_id: str,
        source: BulkSource,
        *,
        concurrency: int = CONCURRENCY,
        chunk_bytes: int | None = None,
        check: Check = "full",
        wait: bool = True,
        rejects: str | os.PathLike[str] | None = None,
        on_reject: OnReject = "report",
        ordered: bool = False,
        types: Literal["infer"] | None = None,
        format: Format | None = None,  # noqa: A002 - the public word
        on_unknown: OnUnknown | None = None,
        on_notice: Listener | None = None,
    ) -> BulkRun:
        """Adds users to a segment, any number of them.

        Args:
            segment_id: Which segment.
            source: A path or a list of paths (CSV or NDJSON; gzip and zstd are unpacked; `-` is the
                standard input), bytes, an iterable or async iterable of ids, or anything with
                `__arrow_c_stream__` (a polars, pandas, pyarrow or duckdb frame).
            concurrency: Uploads at a time, 1 to 64.
            chunk_bytes: The most bytes of a chunk, up to 200,000,000; chosen by the source's size when
                left out.
            check: `full` checks every row as single uploads do, `ids` only that each has what it
                needs, `none` trusts the files.
            wait: Wait for the jobs; False returns after the last 202.
            rejects: A file for all rejected rows: NDJSON with source, number, line, reason and row. It
                can be uploaded itself once its rows are mended.
            on_reject: `raise` ends the run at the first rejected row, before anything is sent where the
                source can be read twice.
            ordered: Send each chunk after the job of the one before has ended.
            types: `infer` gives CSV cells the types that they look like, and sends NDJSON.
            format: How a file is written, when its name or content does not show it.
            on_unknown: What to do when nothing says whether a chunk was accepted.
            on_notice: Is told how far the run is.

        Returns:
            The run; await it for its report, or iterate over its outcomes.

        Raises:
            InvalidInput: An option is malformed.
        """
        return self._run(
            USER_IDS,
            ADD,
            {"segment_id": segment_id},
            source,
            concurrency=concurrency,
            chunk_bytes=chunk_bytes,
            check=check,
            wait=wait,
            rejects=rejects,
            on_reject=on_reject,
            ordered=ordered,
            types=types,
            format=format,
            on_unknown=on_unknown,
            on_notice=on_notice,
        )

    def remove_user_ids(
        self,
        segment_id: str,
        source: BulkSource,
        *,
        concurrency: int = CONCURRENCY,
        chunk_bytes: int | None = None,
        check: Check = "full",
        wait: bool = True,
        rejects: str | os.PathLike[str] | None = None,
        on_reject: OnReject = "report",
        ordered: bool = False,
        types: Literal["infer"] | None = None,
        format: Format | None = None,  # noqa: A002 - the public word
        on_unknown: OnUnknown | None = None,
        on_notice: Listener | None = None,
    ) -> BulkRun:
        """Removes users from a segment, any number of them.

        Args:
            segment_id: Which segment.
            source: A path or a list of paths (CSV or NDJSON; gzip and zstd are unpacked; `-` is the
                standard input), bytes, an iterable or async iterable of ids, or anything with
                `__arrow_c_stream__` (a polars, pandas, pyarrow or duckdb frame).
            concurrency: Uploads at a time, 1 to 64.
            chunk_bytes: The most bytes of a chunk, up to 200,000,000; chosen by the source's size when
                left out.
            check: `full` checks every row as single uploads do, `ids` only that each has what it
                needs, `none` trusts the files.
            wait: Wait for the jobs; False returns after the last 202.
            rejects: A file for all rejected rows: NDJSON with source, number, line, reason and row. It
                can be uploaded itself once its rows are mended.
            on_reject: `raise` ends the run at the first rejected row, before anything is sent where the
                source can be read twice.
            ordered: Send each chunk after the job of the one before has ended.
            types: `infer` gives CSV cells the types that they look like, and sends NDJSON.
            format: How a file is written, when its name or content does not show it.
            on_unknown: What to do when nothing says whether a chunk was accepted.
            on_notice: Is told how far the run is.

        Returns:
            The run; await it for its report, or iterate over its outcomes.

        Raises:
            InvalidInput: An option is malformed.
        """
        return self._run(
            USER_IDS,
            REMOVE,
            {"segment_id": segment_id},
            source,
            concurrency=concurrency,
            chunk_bytes=chunk_bytes,
            check=check,
            wait=wait,
            rejects=rejects,
            on_reject=on_reject,
            ordered=ordered,
            types=types,
            format=format,
            on_unknown=on_unknown,
            on_notice=on_notice,
        )

    def _run(
        self,
        kind: Kind,
        endpoint: Endpoint,
        ids: dict[str, Any],
        source: Any,
        *,
        concurrency: int,
        chunk_bytes: int | None,
        check: Check,
        wait: bool,
        rejects: str | os.PathLike[str] | None,
        on_reject: OnReject,
        ordered: bool,
        types: Literal["infer"] | None,
        format: Format | None,  # noqa: A002
        on_unknown: OnUnknown | None,
        on_notice: Listener | None,
    ) -> BulkRun:
        _one_of("check", check, get_args(Check))
        _one_of("on_reject", on_reject, get_args(OnReject))
        _one_of("types", types, (None, "infer"))
        _one_of("format", format, (None, *MEDIA))
        _one_of("on_unknown", on_unknown, (None, *get_args(OnUnknown)))
        concurrency = whole_number(concurrency, "concurrency", 1, 64)
        if chunk_bytes is not None:
            chunk_bytes = whole_number(chunk_bytes, "chunk_bytes", 1, FILE_LIMIT)
        endpoint.request(**ids)
        jobs = self._jobs_of(on_unknown)

        async def send(body: Blocks | FilePieces | Multipart) -> JobHandle:
            return await jobs.start(endpoint.request(body, **ids))

        raises = on_reject == "raise"
        tally = Tally(None if rejects is None else Path(rejects), raise_on_reject=raises)
        reading = Reading(kind, check, types, format, Sizes(FILE_LIMIT), tally)
        listeners = [one for one in (self._listener, on_notice) if one is not None]
        return BulkRun(
            Plan(
                parts_of(source),
                reading,
                send,
                concurrency,
                chunk_bytes,
                wait=wait,
                ordered=ordered,
                raises=raises,
                listeners=listeners,
            )
        )


def _one_of(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        *first, last = [repr(choice) for choice in choices]
        raise InvalidInput(f"{name} is {shown(value)}; it must be {', '.join(first)} or {last}")
