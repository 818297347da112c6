"""Tools that start and follow offline jobs, and fetch the files that they make."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from attrs import frozen
from pydantic import Field

from appcues_async.client import AppcuesClient
from appcues_async.errors import JobFailed, JobPending
from appcues_async.mcp.answers import Content, Scope, job_content
from appcues_async.mcp.changing import Preview
from appcues_async.mcp.progress import Call, progress_of
from appcues_async.waiting.handle import JobHandle

__all__ = ["Following"]

JobName: TypeAlias = Annotated[str, Field(description="The id, the url or the token of a job.")]
Seconds: TypeAlias = Annotated[
    float, Field(gt=0, description="How long to wait; if the job then still runs, call again.")
]
Target: TypeAlias = Annotated[
    str, Field(description="Where to write it, below the server's folder; a file is replaced.")
]


@frozen
class Following:
    """Tools for jobs and files.

    Attributes:
        scope: What they work on.
    """

    scope: Scope

    async def wait_for_job(
        self, job: JobName, call: Call, timeout_seconds: Seconds = 120
    ) -> Content:
        """Wait until a job has ended, whoever started it, and say how.

        A token that another tool, program or day has left takes the wait up again.
        """
        handle = self.scope.client.jobs.resume(job)
        async with progress_of(call, lambda: _described(handle), timeout_seconds):
            try:
                await handle.wait(timeout_seconds)
            except (JobFailed, JobPending) as error:
                return {**job_content(handle), "ok": False, "message": self.scope.message_of(error)}
        counts = handle.job
        failed = counts is not None and (counts.ingestions_failed or counts.requests_failed)
        return {**job_content(handle), "ok": not failed}

    async def start_analytics_export(
        self,
        spec: Annotated[
            dict[str, Any], Field(description="A question as for query_analytics, of any size.")
        ],
        dry_run: Preview = False,
    ) -> Content:
        """Ask the account's analytics a question that is answered in a file; answers with a job."""

        async def export(client: AppcuesClient) -> Content:
            return job_content(await client.analytics.export(spec))

        return await self.scope.change(export, dry_run=dry_run)

    async def export_events(
        self,
        email: Annotated[
            list[str], Field(min_length=1, description="Where the link to the file is sent.")
        ],
        start_time: Annotated[str, Field(description="The beginning: a date, or ISO 8601.")],
        *,
        end_time: Annotated[str | None, Field(description="The end, likewise.")] = None,
        conditions: Annotated[
            list[Any] | None,
            Field(description='Which events, such as [["name", "like", "appcues%"]]; else all.'),
        ] = None,
        form: Annotated[Literal["csv", "json"], Field(description="How it is written.")] = "csv",
        dry_run: Preview = False,
    ) -> Content:
        """Export events to a file; a link to it comes by e-mail. Answers with a job."""

        async def export(client: AppcuesClient) -> Content:
            handle = await client.exports.events(
                email=email,
                format=form,
                conditions=conditions or [],
                start_time=start_time,
                end_time=end_time,
            )
            return job_content(handle)

        return await self.scope.change(export, dry_run=dry_run)

    async def download_job(
        self, job: JobName, path: Target, call: Call, timeout_seconds: Seconds = 120
    ) -> Content:
        """Wait until an export has ended, and write its file to disk."""
        target = self.scope.folder.file(path)
        handle = self.scope.client.jobs.resume(job)
        async with progress_of(call, lambda: _described(handle), timeout_seconds):
            await handle.wait(timeout_seconds)
            await handle.download(target)
        return {"path": path, "bytes": target.stat().st_size}

    async def download_screenshots(
        self,
        resource_id: Annotated[str, Field(description="The id of a flow or an experience.")],
        path: Target,
    ) -> Content:
        """Write the pictures of a flow or an experience to disk, as a ZIP file."""
        target = self.scope.folder.file(path)
        await self.scope.client.screenshots.download(resource_id, target)
        return {"path": path, "bytes": target.stat().st_size}


def _described(handle: JobHandle) -> str:
    return f"job {handle.id}: {'not looked at yet' if handle.job is None else handle.job.status}"
