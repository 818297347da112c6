"""`client.sync`: a segment or profiles kept in step with a source, by sending what changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Unpack, get_args

from appcues_async.api.imports import IMPORT_PROFILES
from appcues_async.api.segments import ADD, REMOVE
from appcues_async.bulk.reading.options import ReadingOptions, reading_of
from appcues_async.bulk.reading.sources import parts_of
from appcues_async.bulk.resource import CONCURRENCY, Bulk, BulkSource, check_names
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.spec import Account, OnFailure
from appcues_async.notices import Listener
from appcues_async.rows.ids import id_rule
from appcues_async.rows.inputs import file_option
from appcues_async.rows.kinds import PROFILES, USER_IDS, Kind
from appcues_async.rows.sources import FILE_LIMIT
from appcues_async.rows.values import one_of, whole_number
from appcues_async.sync.earlier import EarlierUploads
from appcues_async.sync.report import SyncReport
from appcues_async.sync.run import SyncRun
from appcues_async.sync.spec import Missing, Route, SyncSpec
from appcues_async.sync.state import Target

__all__ = ["Sync", "SyncOptions"]


class SyncOptions(ReadingOptions, total=False):
    """Options of both methods of `client.sync`; all are optional.

    For how sources are read see `help("appcues_async.bulk.reading.options.ReadingOptions")`.

    Attributes:
        full: Send every row, whatever the state says.
        dry_run: Send nothing, and leave the state as it is; the report says what would be sent.
        on_failure: `raise` (when left out) raises `BulkFailed` unless every row was taken; `report`
            returns the report all the same; `stop` sends nothing where a row is rejected.
        rejects: A file for all rejected rows, as in `client.bulk`.
        concurrency: Uploads at a time, 1 to 64; 4 when left out.
        chunk_bytes: The most bytes of a chunk, up to 200,000,000.
        storage_options: What fsspec opens the store of a URL with, as in `client.bulk`.
        on_notice: Receives notices of how far the sync is.
    """

    full: bool
    dry_run: bool
    on_failure: OnFailure
    rejects: str | os.PathLike[str] | None
    concurrency: int
    chunk_bytes: int | None
    storage_options: Mapping[str, Any] | None
    on_notice: Listener | None


class Sync:
    """`client.sync`: what changed since the last time is sent, and only that.

    A state file keeps what was applied last: ids and digests, no attribute values. It belongs to one
    account and one segment, or to the account's profiles, and to one run at a time. While a run lasts,
    the rows that it sends are in a folder beside the file, which is removed at its end.
    """

    def __init__(
        self, bulk: Bulk, account: Account, earlier: EarlierUploads, listener: Listener | None
    ) -> None:
        """Starts nothing yet.

        Args:
            bulk: Sends rows.
            account: Whose rows these are.
            earlier: Waits for what earlier runs have sent.
            listener: Receives notices of how far every sync is.
        """
        self._bulk = bulk
        self._account = account
        self._earlier = earlier
        self._listener = listener

    async def segment(
        self,
        segment_id: str,
        source: BulkSource,
        *,
        state: str | os.PathLike[str],
        allow_shrink: bool = False,
        **options: Unpack[SyncOptions],
    ) -> SyncReport:
        """Adds and removes users until, of those added with this state, exactly these are left.

        Members that were added elsewhere stay, since no endpoint lists them.

        Args:
            segment_id: The segment.
            source: The ids, as for `client.bulk.add_user_ids`; read once.
            state: The file that keeps who was added; made where there is none.
            allow_shrink: Take a source that is empty, or has less than half as many ids as the last one.
                A broken query must not empty a segment.
            options: See `help("appcues_async.sync.resource.SyncOptions")`.

        Raises:
            InvalidInput: The source, the state or an option is refused; nothing was sent.
            BulkFailed: Not every row was taken; those that were not are sent again next time.
            JobPending: A job of an earlier run still runs, and must not overtake this one.
        """
        ADD.request(segment_id=segment_id)
        bulk = self._bulk
        spec = self._spec(
            "segment",
            USER_IDS,
            source,
            state,
            options,
            target=f"segment {segment_id}",
            add=Route(ADD.route, partial(bulk.add_user_ids, segment_id)),
            remove=Route(REMOVE.route, partial(bulk.remove_user_ids, segment_id)),
            allow_shrink=allow_shrink,
        )
        return await self._run(spec, options)

    async def profiles(
        self,
        source: BulkSource,
        *,
        state: str | os.PathLike[str],
        missing: Missing = "ignore",
        **options: Unpack[SyncOptions],
    ) -> SyncReport:
        """Updates the profiles whose rows are new, or differ from what was applied last.

        Nobody is deleted, and an attribute that is left out of a row stays as it is on the server: send
        None to clear it.

        Args:
            source: The rows, as for `client.bulk.import_profiles`; read once.
            state: The file that keeps what was applied; made where there is none.
            missing: `report` puts those ids in the report that the state holds and the source does not.
                One that comes back is sent again, whatever it holds.
            options: See `help("appcues_async.sync.resource.SyncOptions")`.

        Raises:
            InvalidInput: The source, the state or an option is refused; nothing was sent.
            BulkFailed: Not every row was taken; those that were not are sent again next time.
            JobPending: A job of an earlier run still runs, and must not overtake this one.
        """
        one_of("missing", missing, get_args(Missing))
        spec = self._spec(
            "profiles",
            PROFILES,
            source,
            state,
            options,
            target="profiles",
            add=Route(IMPORT_PROFILES.route, self._bulk.import_profiles),
            missing=missing,
        )
        return await self._run(spec, options)

    async def _run(self, spec: SyncSpec, options: SyncOptions) -> SyncReport:
        report = await SyncRun(spec, self._account, self._earlier).run()
        if options.get("on_failure") != "report":
            report.raise_for_failures()
        return report

    def _spec(
        self,
        method: str,
        kind: Kind,
        source: Any,
        state: str | os.PathLike[str],
        options: SyncOptions,
        *,
        target: str,
        add: Route,
        remove: Route | None = None,
        allow_shrink: bool = False,
        missing: Missing = "ignore",
    ) -> SyncSpec:
        check_names(method, options, SyncOptions)
        on_failure, given = options.get("on_failure", "raise"), options.get("rejects")
        rejects = None if given is None else file_option(given, "rejects")
        one_of("on_failure", on_failure, get_args(OnFailure))
        concurrency = whole_number(options.get("concurrency", CONCURRENCY), "concurrency", 1, 64)
        chunk_bytes = options.get("chunk_bytes")
        if chunk_bytes is not None:
            chunk_bytes = whole_number(chunk_bytes, "chunk_bytes", 1, FILE_LIMIT)
        account, on_notice = self._account, options.get("on_notice")
        kind = kind.with_ids(id_rule(options.get("allow_ids", ())))
        return SyncSpec(
            target=Target(account.origin, account.id, target),
            state=file_option(state, "state").absolute(),
            sources=parts_of(source, kind, options.get("storage_options")),
            reading=reading_of(kind, options),
            counter=RowCounter(),
            rejects=rejects,
            add=add,
            remove=remove,
            full=options.get("full", False),
            allow_shrink=allow_shrink,
            missing=missing,
            stops=on_failure == "stop",
            dry_run=options.get("dry_run", False),
            concurrency=concurrency,
            chunk_bytes=chunk_bytes,
            on_notice=on_notice,
            listeners=[one for one in (self._listener, on_notice) if one is not None],
        )
