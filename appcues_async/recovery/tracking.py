"""Tracks the jobs of an open client: the poller, their owners and the searches that its calls share."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from appcues_async.models import Job
from appcues_async.recovery.inquiry import Inquiries
from appcues_async.recovery.ownership import LocalOwners, of_this_process
from appcues_async.recovery.starting import Starter
from appcues_async.settings import Credentials, PollPolicy
from appcues_async.waiting.address import JobAddress
from appcues_async.waiting.handle import JobHandles
from appcues_async.waiting.lookup import get_by_address, list_summaries
from appcues_async.waiting.watcher import Watcher
from appcues_async.wire.codec import JobSummary
from appcues_async.wire.sender import Sender

__all__ = ["JobTracking"]


@frozen(kw_only=True)
class JobTracking:
    """Follows the jobs of an open client, and those of the clients that its `with_options` makes.

    Attributes:
        credentials: The account's.
        watcher: Polls jobs that are waited for.
        owners: Whose jobs are whose, in this process.
        inquiries: Poll for what became of requests whose answers were lost.
    """

    credentials: Credentials
    watcher: Watcher
    owners: LocalOwners
    inquiries: Inquiries

    @classmethod
    def of(cls, sender: Sender, credentials: Credentials) -> JobTracking:
        """Prepares all of it; nothing is sent before somebody waits.

        Args:
            sender: Sends what is asked of jobs.
            credentials: The account's.
        """
        owners = of_this_process.of(credentials.origin, credentials.account_id)

        async def get(address: JobAddress) -> Job:
            job = await get_by_address(sender, address)
            owners.record_seen({job.id: job})
            return job

        async def list_recent() -> Mapping[str, JobSummary]:
            listed = await list_summaries(sender)
            owners.record_seen(listed)
            return listed

        watcher = Watcher(
            get=get,
            list_recent=list_recent,
            clock=sender.clock,
            listener=sender.listener,
            check=sender.connections.check,
        )
        return cls(
            credentials=credentials,
            watcher=watcher,
            owners=owners,
            inquiries=Inquiries(sender.clock, sender.listener),
        )

    def starter(self, sender: Sender, polling: PollPolicy) -> Starter:
        """Makes the starter of one client's options.

        Args:
            sender: Sends what starts a job.
            polling: How often a job is polled.
        """
        handles = JobHandles(
            sender=sender,
            watcher=self.watcher,
            origin=self.credentials.origin,
            account_id=self.credentials.account_id,
            polling=polling,
            wait_timeout=sender.timeouts.wait,
        )
        return Starter(sender=sender, owners=self.owners, inquiries=self.inquiries, handles=handles)

    async def close(self) -> None:
        """Ends every search and every wait."""
        self.inquiries.close()
        await self.watcher.close()
