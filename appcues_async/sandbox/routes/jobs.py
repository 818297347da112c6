"""Jobs: listed and shown."""

from __future__ import annotations

from typing import Any, Final

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.jobs import Job, JobKind, Work, stamp
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.route import Route

__all__ = ["ROUTES", "start_job"]

_COLUMNS: Final = ("id", "name", "status", "started_at", "url")
_ACCEPTED_COLUMNS: Final = ("status", "title", "job_id", "job_url")


def start_job(call: Call, kind: JobKind, work: Work) -> Reply:
    """Starts a job and answers 202 with its address."""
    job = call.state.jobs.start(kind, work)
    content = {
        "job_id": job.id,
        "job_url": _url(call, job),
        "status": 202,
        "title": "Accepted",
    }
    return Reply(202, content, columns=_ACCEPTED_COLUMNS)


async def _list_jobs(call: Call) -> Reply:
    listed = [_describe(call, job) for job in call.state.jobs.listed()]
    return Reply(200, listed, columns=_COLUMNS)


async def _get_job(call: Call) -> Reply:
    job = call.state.jobs.all.get(call.parameters["job_id"])
    if job is None or job.kind == "analytics_export":
        raise Refusal(404, f"Job {call.parameters['job_id']!r} does not exist")
    return Reply(200, {"events": job.events, **_describe(call, job)}, columns=_COLUMNS)


def _describe(call: Call, job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "started_at": stamp(job.started_at),
        "status": job.status,
        "url": _url(call, job),
    }


def _url(call: Call, job: Job) -> str:
    return f"{call.account_url}/jobs/{job.id}"


ROUTES: Final = (
    Route("GET", "jobs", _list_jobs),
    Route("GET", "jobs/{job_id}", _get_job),
)
