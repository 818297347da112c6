"""One bulk run of a sync, followed: what it has started is noted, and what it has applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from appcues_async.bulk.report import Outcome, Report
from appcues_async.bulk.run import BulkRun
from appcues_async.notices import Notice, notify
from appcues_async.recovery.ownership import LocalOwners
from appcues_async.sync.outgoing import Outgoing
from appcues_async.sync.spec import Route, SyncSpec
from appcues_async.sync.state import StateFile
from appcues_async.sync.worker import Worker

__all__ = ["Sending"]

Apply = Callable[..., None]


class Sending:
    """The rows of some files on their way."""

    def __init__(
        self,
        route: Route,
        spec: SyncSpec,
        state: StateFile,
        worker: Worker,
        *,
        apply: Apply,
        owners: LocalOwners,
    ) -> None:
        """Sends nothing yet.

        Args:
            route: Where to send them.
            spec: The sync.
            state: Keeps what is under way.
            worker: Runs what touches the state.
            apply: Writes down that the rows from one line to another were applied.
            owners: Knows of requests whose answers were lost.
        """
        self._route = route
        self._spec = spec
        self._state = state
        self._worker = worker
        self._apply = apply
        self._owners = owners
        self._known: set[str] = set()
        self._noted: set[str] = set()
        self._accepted = asyncio.Event()
        self._lost = False
        self.applied: int = 0

    async def send(self, outgoing: Outgoing, before: Collection[str]) -> Report:
        """Sends all rows, and follows them to their ends.

        Args:
            outgoing: The rows.
            before: The jobs of the account that run already.

        Raises:
            InvalidInput: The state cannot be written; no more is sent then.
        """
        self._known = {one.id for one in self._owners.whose(()).claims}
        upload = await self._worker.call(self._state.begin_upload, self._route.name, before)
        run = self._route.start(
            [one.path for one in outgoing.files],
            check="none",
            concurrency=self._spec.concurrency,
            chunk_bytes=self._spec.chunk_bytes,
            on_failure="report",
            on_notice=self._listen,
        )
        noting = asyncio.create_task(self._note_all(run))
        lines = {str(one.path): one.before for one in outgoing.files}
        settled = False
        try:
            async for outcome in run:
                await self._note(run)
                await self._end(outcome, lines)
            ended = all(
                one.status in {"completed", "failed", "refused"} for one in run.report.outcomes
            )
            settled = ended and not run.report.cancelled
        finally:
            noting.cancel()
            await asyncio.wait([noting])
            await run.cancel()
            await self._note(run)
            if settled and not self._lost:
                await self._worker.call(self._state.end_upload, upload)
        return run.report

    def _listen(self, notice: Notice) -> None:
        self._accepted.set()
        notify(self._spec.on_notice, notice)

    async def _note_all(self, run: BulkRun) -> None:
        """Notes every job soon after it was started."""
        while True:
            await self._accepted.wait()
            self._accepted.clear()
            await self._note(run)

    async def _note(self, run: BulkRun) -> None:
        claims = self._owners.whose(()).claims
        # An attempt whose answer was lost may have started a job as well, which is nobody's.
        self._lost = self._lost or any(
            one.kind == self._route.name and not one.answerable and one.id not in self._known
            for one in claims
        )
        for handle in run.report.handles:
            if handle.id not in self._noted:
                await self._worker.call(self._state.note_job, self._route.name, handle.token)
                self._noted.add(handle.id)

    async def _end(self, outcome: Outcome, lines: dict[str, int]) -> None:
        handle = outcome.handle
        if handle is None or outcome.status not in {"completed", "failed"}:
            return
        if not _is_applied(outcome):
            await self._worker.call(self._state.end_job, handle.token)
            return
        before = lines[outcome.source]
        first, last = before + outcome.first, before + outcome.last
        await self._worker.call(self._apply, first, last, job=handle.token)
        self.applied += outcome.rows


def _is_applied(outcome: Outcome) -> bool:
    """Whether every row of a chunk was taken, and it holds every row between its first and its last."""
    whole = outcome.rows == outcome.last - outcome.first + 1
    return whole and outcome.status == "completed" and outcome.failure is None
