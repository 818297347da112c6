"""A sync: its source is read to its end and compared with the state; then what differs is sent.

What is about to be sent is marked in doubt first. A row is applied only when the job that it was in has
COMPLETED without a failure, and that is written down as each job ends.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from appcues_async.bulk.spec import Account
from appcues_async.errors import InvalidInput
from appcues_async.sync.comparing import Comparison
from appcues_async.sync.difference import Counts, Difference
from appcues_async.sync.digests import RowDigests
from appcues_async.sync.earlier import EarlierUploads
from appcues_async.sync.outgoing import Outgoing, remove_outgoing
from appcues_async.sync.report import SyncReport
from appcues_async.sync.sending import Apply, Sending
from appcues_async.sync.spec import Route, SyncSpec
from appcues_async.sync.state import StateFile
from appcues_async.sync.worker import Worker
from appcues_async.text import counted

__all__ = ["SyncRun"]

_SAMPLES: Final = 5
"""Ids of each kind that a report shows."""
_MISSING: Final = 1_000
"""Ids that are gone and that a report lists."""


class SyncRun:
    """One sync under way."""

    def __init__(self, spec: SyncSpec, account: Account, earlier: EarlierUploads) -> None:
        """Starts nothing yet.

        Args:
            spec: What it is to do.
            account: Whose rows these are.
            earlier: Waits for what earlier runs have sent.
        """
        self._spec = spec
        self._clock = account.clock
        self._earlier = earlier
        self._worker = Worker()
        self._opened: list[StateFile] = []
        self._before: frozenset[str] = frozenset()
        self._outgoing = Outgoing(spec.state, "changed"), Outgoing(spec.state, "gone")
        self.report: SyncReport = SyncReport(target=spec.target.name, dry_run=spec.dry_run)

    async def run(self) -> SyncReport:
        """Reads, compares and sends.

        Raises:
            InvalidInput: The source or the state is refused.
            JobPending: A job of an earlier run still runs, and the time to wait for it is over.
        """
        spec, report, began = self._spec, self.report, self._clock.time()
        try:
            await self._run()
        except InvalidInput as error:
            error.report = report
            raise
        finally:
            spec.counter.stop.set()
            self._count()
            report.seconds = self._clock.time() - began
            await self._worker.close(self._close)
        return report

    async def _run(self) -> None:
        spec, report = self._spec, self.report
        state = await self._worker.call(self._open)
        # Whoever had it before is at its end by now.
        since = self._clock.time()
        report.first = state.is_first
        difference = await self._worker.call(Difference, state, full=spec.full)
        outgoing, gone = self._outgoing
        comparison = Comparison(spec, difference, RowDigests(state.salt), outgoing)
        await comparison.run(self._worker)
        self._count()
        report.counts = await self._worker.call(difference.finish)
        self._check(report.counts, state.source_rows)
        await self._worker.call(self._list, difference)
        if spec.dry_run:
            return
        await self._worker.call(self._write, difference, outgoing, gone)
        if report.to_send:
            uploads = await self._worker.call(state.uploads)
            await self._earlier.wait(uploads, since)
            await self._worker.call(state.forget_uploads, uploads)
            self._before = await self._earlier.running()
        await self._worker.call(difference.mark, gone=self._has_gone)
        await self._send(spec.add, outgoing, state, difference.apply)
        if spec.remove is not None:
            await self._send(spec.remove, gone, state, difference.remove)

    @property
    def _has_gone(self) -> bool:
        """Whether those who are gone are removed, or told to be gone."""
        removes = self._spec.remove is not None or self._spec.missing == "report"
        return removes and self.report.counts.gone > 0

    def _open(self) -> StateFile:
        spec = self._spec
        state = StateFile.open(spec.state, spec.target, make=not spec.dry_run)
        self._opened.append(state)
        remove_outgoing(spec.state)
        return state

    def _close(self) -> None:
        with ExitStack() as stack:
            for state in self._opened:
                stack.callback(state.close)
                stack.callback(remove_outgoing, self._spec.state)
            for one in self._outgoing:
                stack.callback(one.close)
            stack.callback(self._spec.counter.close)

    def _count(self) -> None:
        counter = self._spec.counter
        self.report.rows, self.report.rejected = counter.rows, counter.rejected
        self.report.rejects = list(counter.rejects)

    def _check(self, counts: Counts, last: int | None) -> None:
        """Refuses a source that cannot be meant.

        Raises:
            InvalidInput: It is empty or much shorter than the last one, or a row of it is rejected.
        """
        spec, report = self._spec, self.report
        if spec.stops and report.rejected:
            first = report.rejects[0]
            raise InvalidInput(
                f"nothing was sent, since the source has {counted(report.rejected, 'rejected row')}; "
                f"the first: {first.where}: {first.reason}"
            )
        if spec.remove is None or spec.allow_shrink:
            return
        if not counts.ids or (last is not None and counts.ids * 2 < last):
            before = "" if last is None else f", and the last one had {last:,}"
            refusal = (
                f"the source has {counted(counts.ids, 'id')}{before}; this would remove "
                f"{counted(counts.gone, 'member')}, and nothing was sent: mend the source, or allow it "
                "to shrink (allow_shrink=True, or --allow-shrink on the command line)"
            )
            if not spec.dry_run:
                raise InvalidInput(refusal)
            report.refusal = refusal

    def _list(self, difference: Difference) -> None:
        report, spec = self.report, self._spec
        if self._has_gone:
            difference.list_gone()
        report.samples = difference.samples(_SAMPLES)
        if spec.remove is None and spec.missing == "report":
            report.missing = report.counts.gone
            report.missing_ids = list(difference.gone_ids(_MISSING))

    def _write(self, difference: Difference, outgoing: Outgoing, gone: Outgoing) -> None:
        """Writes the rows that are to be sent."""
        if self._spec.reading.kind.is_list:
            outgoing.add_ids(difference.changed_ids())
            gone.add_ids(difference.gone_ids())
        elif difference.has_gaps:
            outgoing.drop(difference.dead_lines())
        if difference.has_gaps:
            difference.close_gaps()
        outgoing.close()
        gone.close()

    async def _send(self, route: Route, outgoing: Outgoing, state: StateFile, apply: Apply) -> None:
        if not outgoing.lines:
            return
        sending = Sending(
            route,
            self._spec,
            state,
            self._worker,
            apply=apply,
            owners=self._earlier.owners,
        )
        try:
            self.report.sends.append(await sending.send(outgoing, self._before))
        finally:
            self.report.applied += sending.applied
