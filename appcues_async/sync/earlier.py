"""The uploads of earlier runs, waited for until none of them can take effect any more.

A job that still runs would overtake what is sent now. Jobs that are known are waited for. Where a run
was killed, or an answer was lost, it is not known which jobs there are: then every job of the account
is waited for that runs and may be one of these. One that ran before the upload began is none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen

from appcues_async.api.jobs import Jobs
from appcues_async.clock import Clock, sleep_on
from appcues_async.errors import AppcuesError, JobFailed, JobPending, NotFound
from appcues_async.recovery.evidence import telling_name
from appcues_async.recovery.ownership import LocalOwners
from appcues_async.sync.state import Upload
from appcues_async.waiting.handle import JobHandle

__all__ = ["EarlierUploads"]


@frozen
class EarlierUploads:
    """Waits for what earlier runs have sent.

    Attributes:
        jobs: The account's jobs.
        owners: Knows whose jobs are whose in this process.
        clock: What to measure by.
        settle: Seconds after which a job shows in the list that was started.
    """

    jobs: Jobs
    owners: LocalOwners
    clock: Clock
    settle: float

    async def wait(self, uploads: Sequence[Upload], since: float) -> None:
        """Waits until none of them can take effect any more.

        Args:
            uploads: The uploads.
            since: When the runs that made them were over at the latest, by the clock's `time`.

        Raises:
            JobPending: One of their jobs still runs, and the time to wait for it is over.
            AppcuesError: It could not be found out.
        """
        tokens = [one.job for one in uploads if one.job is not None]
        unknown = [one for one in uploads if one.job is None]
        handles = [self.jobs.resume(token) for token in tokens]
        if unknown:
            before = frozenset[str].intersection(*(one.before for one in unknown))
            routes = {one.route for one in unknown}
            handles += await self._unnamed(routes, before, since)
        for handle in handles:
            await _ended(handle)

    async def running(self) -> frozenset[str]:
        """The account's jobs that run, as far as a list shows them; only makes waiting shorter."""
        try:
            return frozenset(job.id for job in await self.jobs.list() if not job.ended)
        except AppcuesError:
            return frozenset()

    async def _unnamed(
        self, routes: Collection[str], before: Collection[str], since: float
    ) -> list[JobHandle]:
        """The jobs that run, and that lost requests to these routes may have started."""
        await sleep_on(self.clock, self.settle - (self.clock.time() - since))
        running = {job.id: job for job in await self.jobs.list() if not job.ended}
        owned = self.owners.whose(running)
        names = {telling_name(owned.names.get(route, {})) for route in routes}
        return [
            self.jobs.resume(job.id)
            for job in running.values()
            # A job that this process has started elsewhere is none of these.
            if job.id not in before
            and owned.jobs.get(job.id, "") in {"", *routes}
            and (None in names or not job.name or job.name in names)
        ]


async def _ended(handle: JobHandle) -> None:
    try:
        await handle.wait()
    except (JobFailed, NotFound):
        # It has ended badly, or so long ago that the server has forgotten it.
        pass
    except JobPending as error:
        error.add_note(
            "an earlier run of this sync has started the job; what is new is sent once it has ended"
        )
        raise
