"""Tools that send files: bulk runs and syncs, with their progress."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal, TypeAlias

from attrs import evolve, frozen
from pydantic import Field

from appcues_async.bulk.report import Report
from appcues_async.bulk.resource import Bulk
from appcues_async.bulk.run import BulkRun
from appcues_async.bulk.spec import OnFailure
from appcues_async.client import AppcuesClient
from appcues_async.errors import BulkFailed, InvalidInput
from appcues_async.mcp.answers import Content, Scope, job_content, plain, rehearsed_client
from appcues_async.mcp.changing import DryRun
from appcues_async.mcp.progress import Call, Stages, progress_of
from appcues_async.mcp.reading import SegmentId
from appcues_async.settings import Timeouts
from appcues_async.sync.report import SyncReport
from appcues_async.wire.rehearsal import Rehearsal

__all__ = ["Uploading", "Wait"]

SHOWN = 20
"""Rejected rows, failures and jobs of an answer, the first ones."""

FilePath: TypeAlias = Annotated[
    str,
    Field(description="A file below the server's folder: CSV or NDJSON, plain, gzip or zstd."),
]
StatePath: TypeAlias = Annotated[
    str,
    Field(
        description="A file below the server's folder that keeps what was applied last, as ids and "
        "digests; made where there is none. The same one each time."
    ),
]
Wait: TypeAlias = Annotated[
    float,
    Field(
        gt=0,
        description="Seconds to wait for each job at the most; later, wait_for_job takes its token.",
    ),
]
Types: TypeAlias = Annotated[
    Literal["text", "infer"],
    Field(description="Cells of a CSV as text, or as the numbers and booleans they look like."),
]
OnReject: TypeAlias = Annotated[
    Literal["skip", "stop"],
    Field(description="Leave out rows that are rejected, or send nothing if there is one."),
]
UserIds: TypeAlias = Annotated[
    list[str] | None, Field(description="Ids of users, instead of a file.")
]
IdsPath: TypeAlias = Annotated[
    str | None,
    Field(description="A file of ids below the server's folder: CSV of one column, or NDJSON."),
]


@frozen
class Uploading:
    """Tools that send files.

    Attributes:
        scope: What they work on.
    """

    scope: Scope

    async def import_profiles(
        self,
        path: FilePath,
        call: Call,
        *,
        types: Types = "text",
        on_reject: OnReject = "skip",
        timeout_seconds: Wait = 600,
        dry_run: DryRun = True,
    ) -> Content:
        """Update the profiles of a file's users, any number of them, and wait for the jobs.

        Every row needs user_id; its other columns are attributes. Dry runs read and check every row.
        """
        source = self.scope.folder.file(path)
        start = partial(
            Bulk.import_profiles,
            source=source,
            types=None if types == "text" else types,
            on_failure=_policy(on_reject),
        )
        return await self._run(call, start, timeout_seconds, dry_run=dry_run)

    async def import_events(
        self,
        path: FilePath,
        call: Call,
        *,
        on_reject: OnReject = "skip",
        timeout_seconds: Wait = 600,
        dry_run: DryRun = True,
    ) -> Content:
        """Record the events of a file, any number of them, and wait for the jobs.

        Every row needs user_id, name and timestamp (ISO 8601 with a zone). A file that is sent twice is
        recorded twice. Dry runs read and check every row.
        """
        source = self.scope.folder.file(path)
        start = partial(Bulk.import_events, source=source, on_failure=_policy(on_reject))
        return await self._run(call, start, timeout_seconds, dry_run=dry_run)

    async def add_segment_users(
        self,
        segment_id: SegmentId,
        call: Call,
        *,
        user_ids: UserIds = None,
        path: IdsPath = None,
        timeout_seconds: Wait = 600,
        dry_run: DryRun = True,
    ) -> Content:
        """Add users to a segment, any number of them, and wait for the jobs."""
        start = self._start_with_ids(Bulk.add_user_ids, segment_id, user_ids, path)
        return await self._run(call, start, timeout_seconds, dry_run=dry_run)

    async def remove_segment_users(
        self,
        segment_id: SegmentId,
        call: Call,
        *,
        user_ids: UserIds = None,
        path: IdsPath = None,
        timeout_seconds: Wait = 600,
        dry_run: DryRun = True,
    ) -> Content:
        """Remove users from a segment that they were added to by id, and wait for the jobs."""
        start = self._start_with_ids(Bulk.remove_user_ids, segment_id, user_ids, path)
        return await self._run(call, start, timeout_seconds, dry_run=dry_run)

    async def sync_segment(
        self,
        segment_id: SegmentId,
        path: FilePath,
        state: StatePath,
        call: Call,
        *,
        allow_shrink: Annotated[
            bool, Field(description="Take a file with less than half as many ids as the last one.")
        ] = False,
        timeout_seconds: Wait = 600,
        dry_run: DryRun = True,
    ) -> Content:
        """Add and remove users until, of those added with this state, those of the file are left.

        Only what changed since the last time is sent.
        """
        folder, stages = self.scope.folder, Stages()
        source, kept = folder.file(path), folder.file(state)
        sends_nothing = dry_run or self.scope.preview
        async with progress_of(call, lambda: str(stages)):
            report = await self._waiting(timeout_seconds).sync.segment(
                segment_id,
                source,
                state=kept,
                allow_shrink=allow_shrink,
                dry_run=sends_nothing,
                on_failure="report",
                on_notice=stages,
            )
        return self._synced(report)

    async def sync_profiles(
        self,
        path: FilePath,
        state: StatePath,
        call: Call,
        *,
        timeout_seconds: Wait = 600,
        dry_run: DryRun = True,
    ) -> Content:
        """Update the profiles whose rows are new, or differ from what was applied last."""
        folder, stages = self.scope.folder, Stages()
        source, kept = folder.file(path), folder.file(state)
        sends_nothing = dry_run or self.scope.preview
        async with progress_of(call, lambda: str(stages)):
            report = await self._waiting(timeout_seconds).sync.profiles(
                source,
                state=kept,
                dry_run=sends_nothing,
                on_failure="report",
                on_notice=stages,
            )
        return self._synced(report)

    def _start_with_ids(
        self,
        start: Callable[..., BulkRun],
        segment_id: str,
        user_ids: list[str] | None,
        path: str | None,
    ) -> Callable[..., BulkRun]:
        if (user_ids is None) == (path is None):
            raise InvalidInput("give either user_ids or path")
        source = user_ids if path is None else self.scope.folder.file(path)
        return partial(start, segment_id=segment_id, source=source, on_failure="report")

    def _waiting(self, seconds: float) -> AppcuesClient:
        return self.scope.client.with_options(timeouts=evolve(Timeouts(), wait=seconds))

    async def _run(
        self,
        call: Call,
        start: Callable[..., BulkRun],
        seconds: float,
        *,
        dry_run: bool,
    ) -> Content:
        stages = Stages()
        async with progress_of(call, lambda: str(stages)):
            if not (dry_run or self.scope.preview):
                return self._done(
                    await _to_end(start(self._waiting(seconds).bulk, on_notice=stages))
                )
            async with rehearsed_client(Rehearsal(accepts=True)) as client:
                report = await _to_end(start(client.bulk, on_notice=stages, wait=False))
        return {
            "dry_run": True,
            "rows": report.rows,
            "rejected": report.rejected,
            "uploads": report.chunks,
            "bytes": report.bytes,
            **self._faults(report),
        }

    def _done(self, report: Report) -> Content:
        running = [handle for handle in report.handles if not handle.done()]
        counts: Content = report.as_row()
        return {
            "ok": report.ok and not running,
            **counts,
            **self._faults(report),
            "jobs": [job_content(handle) for handle in report.handles[:SHOWN]],
            "still_running": [handle.token for handle in running],
        }

    def _synced(self, report: SyncReport) -> Content:
        counts: Content = report.as_row()
        samples: Content = plain(dict(report.samples))
        return {"ok": report.ok, **counts, **self._faults(report), "samples": samples}

    def _faults(self, report: Report | SyncReport) -> Content:
        folder = self.scope.folder
        rejects = [f"{one.where}: {one.reason}" for one in report.rejects[:SHOWN]]
        return {
            "rejects": [folder.hidden(text) for text in rejects],
            "failures": [self.scope.message_of(one) for one in report.failures[:SHOWN]],
        }


async def _to_end(run: BulkRun) -> Report:
    try:
        return await run
    except BulkFailed:
        return run.report


def _policy(on_reject: str) -> OnFailure:
    return "stop" if on_reject == "stop" else "report"
