"""Gets jobs from whichever route shows them, and the files that they made.

Offline jobs are at `jobs/{job_id}` (reference, "Offline Jobs"). Analytics exports are at
`analytics/exports/{job_id}` and nowhere else, with statuses of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen

from appcues_async.errors import NoDownload, UnexpectedReply
from appcues_async.models import COMPLETED, FAILED, Job, JobEvent
from appcues_async.text import Link
from appcues_async.waiting.address import ANALYTICS, JobAddress
from appcues_async.wire.codec import (
    JobSummary,
    expect_saved,
    read_summaries,
    reader,
    reader_of_list,
)
from appcues_async.wire.links import is_safe_link
from appcues_async.wire.request import Endpoint, Lane, Server
from appcues_async.wire.sender import Sender

__all__ = ["download", "get_by_address", "get_job", "list_jobs", "list_summaries"]

LIST: Final = Endpoint("GET", "jobs", lane=Lane.POLL)
GET: Final = Endpoint("GET", "jobs/{job_id}", lane=Lane.POLL)
GET_EXPORT: Final = Endpoint("GET", "analytics/exports/{job_id}", lane=Lane.POLL)
FILE: Final = Endpoint("GET", "the file of an export", server=Server.EXTERNAL)

LINKS: Final = ("signed_s3_url", "download_url")
"""Attributes of a job's events that hold a link, for event exports and analytics exports."""
_ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "done": (COMPLETED, "Completed"),
    "failed": (FAILED, "Failed"),
}


@frozen(kw_only=True)
class _Export:
    """An analytics export as the API answers it."""

    status: str
    failure_reason: str | None = None
    download_url: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    extra: Mapping[str, Any] = field(factory=dict, repr=False)


_read_job: Final = reader(Job)
_read_jobs: Final = reader_of_list(Job)
_read_export: Final = reader(_Export)


async def get_job(sender: Sender, job_id: str) -> Job:
    """Gets one offline job, its events included."""
    return await sender.send(GET.request(job_id=job_id), _read_job)


async def list_jobs(sender: Sender) -> list[Job]:
    """Lists the account's recent jobs, without their events."""
    return await sender.send(LIST.request(), _read_jobs)


async def list_summaries(sender: Sender) -> dict[str, JobSummary]:
    """Lists the account's recent jobs, by id; reads only what waiting needs of each."""
    return await sender.send(LIST.request(), read_summaries)


async def get_by_address(sender: Sender, address: JobAddress) -> Job:
    """Gets one job of any kind."""
    if address.kind != ANALYTICS:
        return await get_job(sender, address.id)
    export = await sender.send(GET_EXPORT.request(job_id=address.id), _read_export)
    return _job_of(export, address)


async def download(sender: Sender, address: JobAddress, path: Path) -> None:
    """Fetches the file of an export that has ended.

    The job is asked for once more: a link is good for an hour, and each reply holds a new one.

    Raises:
        NoDownload: The job has no link.
        UnexpectedReply: The link is not one to https at a public address.
    """
    job = await get_by_address(sender, address)
    link = _link_of(job)
    if link is None:
        raise NoDownload(
            f"job {job.id} ({job.name}) shows no link to its file; the file of an event export comes "
            "by e-mail, to the addresses that the export was given",
            job,
        )
    if not is_safe_link(link, address.origin):
        raise UnexpectedReply(
            f"the link to the file of job {job.id} is not one to https at a public address"
        )
    await sender.send(evolve(FILE.request(), path=link, save_to=path, accept="*/*"), expect_saved)


def _job_of(export: _Export, address: JobAddress) -> Job:
    status, happened = _ENDS.get(export.status, (export.status, ""))
    attributes: dict[str, Any] = {}
    if export.failure_reason is not None:
        attributes["failure_reason"] = export.failure_reason
    if export.download_url is not None:
        attributes["download_url"] = Link(export.download_url)
    if export.expires_at is not None:
        attributes["expires_at"] = export.expires_at
    return Job(
        id=address.id,
        name="Analytics Export",
        status=status,
        url=address.url,
        # An event before the end would hold another link each time, and pass for a change.
        events=(JobEvent(name=happened, attributes=attributes),) if happened else (),
        extra={name: value for name, value in export.extra.items() if name != "job_id"},
    )


def _link_of(job: Job) -> str | None:
    for event in reversed(job.events):
        for name in LINKS:
            link = event.attributes.get(name)
            if isinstance(link, str) and link:
                return link
    return None
