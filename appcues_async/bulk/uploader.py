"""Sends the chunks of one run, so that each is applied once, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from attrs import evolve

from appcues_async.bulk.journal.records import ChunkRecord
from appcues_async.bulk.journal.run_journal import RunJournal
from appcues_async.bulk.journal.settling import BY_HAND
from appcues_async.bulk.memory import memory_of
from appcues_async.bulk.report import Outcome
from appcues_async.errors import AppcuesError, Delivery, InvalidInput, OutcomeUnknown
from appcues_async.models import COMPLETED, FAILED, Job, JobEvent
from appcues_async.recovery.evidence import Claim
from appcues_async.recovery.ownership import LocalOwners
from appcues_async.recovery.starting import Starter
from appcues_async.rows.file_head import MEDIA
from appcues_async.rows.sources import POST_LIMIT
from appcues_async.settings import OnUnknown
from appcues_async.waiting.handle import JobHandle
from appcues_async.waiting.lookup import list_summaries
from appcues_async.wire.request import ChunkBody, Endpoint, Multipart, Repeat, Request
from appcues_async.wire.sender import Transport

__all__ = ["ChunkUploader"]

_COUNTS: Final = {
    "ingestions_completed": "completed",
    "ingestions_failed": "failed",
    "requests_failed": "requests_failed",
}


class ChunkUploader:
    """Sends the chunks of one run, and takes up what was sent of it before."""

    def __init__(
        self,
        starter: Starter,
        endpoint: Endpoint,
        ids: Mapping[str, str],
        on_unknown: OnUnknown,
        name: str,
    ) -> None:
        """Sends nothing yet.

        Args:
            starter: Starts jobs.
            endpoint: Where the chunks go.
            ids: The ids in its route.
            on_unknown: What to do when nothing says whether a chunk was accepted.
            name: What the rows are, for the names of large uploads.
        """
        self._name = name
        self._starter = starter
        self._endpoint = endpoint
        self._ids = ids
        self._on_unknown = on_unknown
        self._memory = memory_of(starter.owners)
        self._before: frozenset[str] | None = None
        self._listing = asyncio.Lock()
        self._settling: dict[int, asyncio.Task[JobHandle | AppcuesError | None]] = {}
        self.journal: RunJournal | None = None

    @property
    def owners(self) -> LocalOwners:
        """The jobs and requests of the account that this process knows."""
        return self._starter.owners

    @property
    def kind(self) -> str:
        """The route of where the chunks go."""
        return self._endpoint.route

    @property
    def path(self) -> str:
        """The same with its ids."""
        return self._endpoint.request(**self._ids).path  # type: ignore[arg-type]

    def check(self) -> None:
        """Makes sure that the client is open, on this loop and in this process.

        Raises:
            RuntimeError: It is not.
        """
        self._starter.sender.connections.check()

    def send_through(self, transport: Transport) -> None:
        """Makes the attempts to send chunks elsewhere; all else is asked from here."""
        sender = evolve(self._starter.sender, transport=transport)
        self._starter = evolve(self._starter, sender=sender)

    @property
    def transport(self) -> Transport:
        """The transport that makes the attempts."""
        return self._starter.sender.transport

    def begin(self, journal: RunJournal, group: asyncio.TaskGroup) -> None:
        """Begins to find out what became of the chunks that were about to be sent in an earlier run.

        That does not take long, and need not wait until these chunks have been read.
        """
        self.journal = journal
        asks = self.is_unsafe and self._on_unknown == "reconcile"
        for record in journal.records.values():
            known = journal.claim_id(record.number) in self._memory.unwritten
            if (asks or known) and record.status in {"intent", "unknown"}:
                settling = group.create_task(self._settle(journal, record))
                self._settling[record.number] = settling

    def is_settling(self, number: int) -> bool:
        """Whether it is still being found out what became of a chunk."""
        return number in self._settling and not self._settling[number].done()

    async def taken_up(self, record: ChunkRecord) -> JobHandle | None:
        """The job of a chunk that was sent in an earlier run; None if it is to be sent.

        Raises:
            OutcomeUnknown: Nothing says whether it was accepted.
        """
        if record.job is not None or record.status == "completed":
            return self._handle_of(record)
        if record.number in self._settling:
            await asyncio.wait([self._settling[record.number]])
            found = self._settling[record.number].result()
            if isinstance(found, AppcuesError):
                raise found
            return found
        unsettled = record.status in {"intent", "unknown"}
        if unsettled and self.is_unsafe and self._on_unknown == "raise":
            raise OutcomeUnknown(
                "an earlier run ended while this chunk was being sent; on_unknown='reconcile' "
                "finds out what became of it"
            )
        return None

    async def send(
        self,
        number: int,
        rows: int,
        body: ChunkBody,
        record: ChunkRecord | None,
    ) -> JobHandle:
        """Sends a chunk.

        Args:
            number: Its number in the run.
            rows: How many rows it has.
            body: What is sent.
            record: What the journal has of it, if there is one.

        Raises:
            AppcuesError: It was not accepted, or nothing says whether it was.
        """
        before = await self._listed_before()
        request, journal = self._request(body), self.journal
        claim = evolve(self._claim(request, rows), before=before)
        if journal is None or record is None:
            return await self._starter.start(request, claim=claim)
        if record.status in {"intent", "unknown"} and number not in self._settling:
            # It is sent once more without anybody knowing what became of the first time.
            past = await journal.claim_before(record)
            await journal.add_request(number, past)
        claim = evolve(claim, id=journal.claim_id(number))
        await journal.intend(number, claim)
        try:
            handle = await self._starter.start(request, claim=claim, owners=journal)
        except AppcuesError as error:
            await self._not_accepted(journal, claim, number, error)
            raise
        self._memory.unwritten[claim.id] = handle.id
        journal.step("sent", number)
        await self._accepted(journal, claim, number, handle)
        return handle

    async def send_part(self, number: int, rows: int, body: ChunkBody) -> JobHandle:
        """Sends rows of a chunk once more, beside the chunk's own job.

        Args:
            number: The chunk's number in the run.
            rows: How many rows these are.
            body: What is sent.

        Raises:
            AppcuesError: It was not accepted, or nothing says whether it was.
        """
        request, journal = self._request(body), self.journal
        claim = self._claim(request, rows)
        if journal is None:
            return await self._starter.start(request, claim=claim)
        known = await journal.add_request(number, claim)
        try:
            handle = await self._starter.start(request, claim=claim, owners=journal)
        except AppcuesError as error:
            if error.delivery is not Delivery.UNKNOWN:
                await self._written(journal.end_request(known, None))
            raise
        await self._written(journal.end_request(known, handle.id))
        await self._keep_unsettled(journal, claim, number)
        return handle

    async def end(self, outcome: Outcome) -> None:
        """Writes down how a chunk has ended, if that is not known yet."""
        journal = self.journal
        if journal is None:
            return
        record = journal.records.get(outcome.chunk)
        ended = record is not None and record.status in {"completed", "failed"}
        if not ended or (outcome.retried is not None and outcome.retried.jobs):
            await self._written(journal.end(outcome))

    @property
    def is_unsafe(self) -> bool:
        """Whether its chunks must not be applied twice."""
        return self._endpoint.repeat is Repeat.UNSAFE

    async def _listed_before(self) -> frozenset[str]:
        """The jobs that were listed before anything was sent here; asked for once."""
        if not self.is_unsafe or self._on_unknown != "reconcile":
            return frozenset()
        async with self._listing:
            if self._before is None:
                try:
                    self._before = frozenset(await list_summaries(self._starter.sender))
                except AppcuesError:
                    # It only makes what may have to be found out later easier.
                    self._before = frozenset()
                if self.journal is not None and self._before:
                    await self.journal.note_jobs(self._before)
        return self._before

    async def _settle(
        self, journal: RunJournal, record: ChunkRecord
    ) -> JobHandle | AppcuesError | None:
        try:
            claim = await journal.claim_before(record)
        except InvalidInput as error:
            return error
        try:
            if (job := self._memory.unwritten.get(claim.id)) is not None:
                handle: JobHandle | None = self._resumed(job)
            else:
                handle = await self._starter.recover(claim, owners=journal)
        except AppcuesError as error:
            if isinstance(error, OutcomeUnknown):
                await self._not_accepted(journal, claim, record.number, error)
            return error
        if handle is not None:
            await self._accepted(journal, claim, record.number, handle)
        return handle

    async def _accepted(
        self, journal: RunJournal, claim: Claim, number: int, handle: JobHandle
    ) -> None:
        owners = self._starter.owners
        certain = owners.is_certain(handle.id)
        self._memory.unwritten[claim.id] = handle.id
        heard = evolve(claim, ended=self._starter.now()) if certain else claim
        if await self._written(journal.accept(number, handle.id, heard, certain=certain)):
            del self._memory.unwritten[claim.id]
        await self._keep_unsettled(journal, claim, number)

    async def _not_accepted(
        self, journal: RunJournal, claim: Claim, number: int, error: AppcuesError
    ) -> None:
        lost = self._starter.owners.unsettled(claim.id)
        if error.delivery is Delivery.UNKNOWN:
            if lost is None and claim.ended is None:
                claim = evolve(claim, ended=self._starter.now())
            await self._written(journal.mark_unknown(number, error, lost or claim))
            return
        await self._written(journal.refuse(number, error))
        await self._keep_unsettled(journal, claim, number)

    async def _keep_unsettled(self, journal: RunJournal, claim: Claim, number: int) -> None:
        """Keeps in mind that an earlier attempt may have started a job as well, which is nobody's."""
        if (lost := self._starter.owners.unsettled(claim.id)) is not None:
            await self._written(journal.add_request(number, lost))

    def _claim(self, request: Request, rows: int) -> Claim:
        claim = self._starter.claim(self.kind, rows=rows)
        return evolve(claim, linger=self.transport.linger(request))

    def _request(self, body: ChunkBody) -> Request:
        whole: ChunkBody | Multipart = body
        if body.size > POST_LIMIT:
            suffix = "csv" if body.content_type == MEDIA["csv"] else "ndjson"
            whole = Multipart(body, f"{self._name.replace(' ', '-')}.{suffix}")
        asked = self._endpoint.request(whole, **self._ids)  # type: ignore[arg-type]
        return evolve(asked, retry_through_outage=True)

    async def _written(self, writing: Coroutine[Any, Any, object]) -> bool:
        """Writes down what has happened already; says whether it could.

        If that cannot be done the journal says so to whoever wants to send more; what has happened is
        not undone by it.
        """
        try:
            await writing
        except InvalidInput:
            return False
        return True

    def _resumed(self, job_id: str, job: Job | None = None) -> JobHandle:
        handles = self._starter.handles
        return handles.of(handles.address(job_id, self.kind), job)

    def _handle_of(self, record: ChunkRecord) -> JobHandle:
        """The job of a chunk as the journal has it."""
        job: Job | None = None
        job_id = record.job or BY_HAND
        if record.status in {"completed", "failed"}:
            counts = {
                name: getattr(record, mine)
                for name, mine in _COUNTS.items()
                if getattr(record, mine) is not None
            }
            done = record.status == "completed"
            ended = JobEvent(name="Completed" if done else "Failed", attributes=counts)
            status = COMPLETED if done else FAILED
            job = Job(id=job_id, name=self.kind, status=status, events=(ended,))
        return self._resumed(job_id, job)
