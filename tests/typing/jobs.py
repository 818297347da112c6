"""Jobs and the handles that wait for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_type

from appcues_async import (
    AppcuesClient,
    Job,
    JobEvent,
    JobHandle,
)


async def jobs(client: AppcuesClient) -> None:
    assert_type(await client.jobs.list(), list[Job])
    assert_type(await client.jobs.get("7"), Job)
    handle = client.jobs.resume("7")
    assert_type(handle, JobHandle)
    assert_type(await client.jobs.wait_all([handle]), list[Job])
    assert_type(await client.jobs.wait_all([handle], timeout=60.0, return_failures=True), list[Job])
    async for ended in client.jobs.as_completed([handle]):
        assert_type(ended, JobHandle)


async def a_handle(handle: JobHandle) -> None:
    assert_type(await handle, Job)
    assert_type(await handle.wait(), Job)
    assert_type(await handle.wait(timeout=60), Job)
    assert_type(handle.id, str)
    assert_type(handle.url, str)
    assert_type(handle.token, str)
    assert_type(handle.job, Job | None)
    assert_type(handle.done(), bool)
    async for job in handle:
        assert_type(job, Job)
    handle.raise_for_failures()


def a_job(job: Job) -> None:
    assert_type(job.id, str)
    assert_type(job.name, str)
    assert_type(job.status, str)
    assert_type(job.started_at, datetime | None)
    assert_type(job.url, str)
    assert_type(job.events, tuple[JobEvent, ...])
    assert_type(job.extra, Mapping[str, Any])
    assert_type(job.ended, bool)
    assert_type(job.ingestions_completed, int | None)
    assert_type(job.ingestions_failed, int | None)
    assert_type(job.requests_failed, int | None)
    assert_type(job.runtime_ms, int | None)
