"""Analytics: queries answered at once, or in a file."""

from __future__ import annotations

from typing import Any, Final

from appcues_async.sandbox.analytics_query import parse_query, run_query
from appcues_async.sandbox.call import NDJSON, Call
from appcues_async.sandbox.downloads import File
from appcues_async.sandbox.encoding import encode_json
from appcues_async.sandbox.jobs import Job, Work
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.publishing import iso_time
from appcues_async.sandbox.routes.route import Route

__all__ = ["ROUTES"]

#: The most rows of an answer at once.
_MOST_ROWS: Final = 1000
#: Above so many events, they are gone through in a thread.
_RUN_AT_ONCE: Final = 5_000
_LINK_SECONDS: Final = 3600
_ENDS: Final = {"COMPLETED": "done", "FAILED": "failed"}


async def _query(call: Call) -> Reply:
    query = parse_query(await call.json_object(), call.state.clock.now(), at_once=True)
    events = list(call.state.events)
    if len(events) > _RUN_AT_ONCE:
        rows = await call.in_thread(lambda: run_query(query, events))
    else:
        rows = run_query(query, events)
    headers = {"X-Rows-Truncated": "true"} if len(rows) > _MOST_ROWS else {}
    return Reply(200, rows[:_MOST_ROWS], headers=headers)


async def _start_export(call: Call) -> Reply:
    query = parse_query(await call.json_object(), call.state.clock.now(), at_once=False)
    state = call.state

    def finish(job: Job) -> dict[str, Any]:
        rows = run_query(query, list(state.events))
        content = b"".join(encode_json(row) + b"\n" for row in rows)
        state.downloads.keep(job.id, File(content, NDJSON))
        return {}

    job = state.jobs.start("analytics_export", Work(reads=state.events, finish=finish))
    return Reply(202, {"job_id": job.id, "status": "queued"})


async def _get_export(call: Call) -> Reply:
    job = call.state.jobs.all.get(call.parameters["job_id"])
    if job is None or job.kind != "analytics_export":
        raise Refusal(404, f"Export {call.parameters['job_id']!r} does not exist")
    status = _status(job, call.state.clock.time())
    url = expires_at = reason = None
    if status == "done":
        link = call.state.downloads.mint(job.id, _LINK_SECONDS)
        url, expires_at = call.origin + link.path, iso_time(link.expires_at)
    elif status == "failed":
        reason = job.events[-1]["attributes"]["detail"]
    content = {
        "job_id": job.id,
        "status": status,
        "download_url": url,
        "expires_at": expires_at,
        "failure_reason": reason,
    }
    return Reply(200, content)


def _status(job: Job, now: float) -> str:
    if job.status != "IN_PROGRESS":
        return _ENDS.get(job.status, job.status)
    return "queued" if now < job.started + job.seconds / 2 else "running"


ROUTES: Final = (
    Route("POST", "analytics/query", _query),
    Route("POST", "analytics/exports", _start_export),
    Route("GET", "analytics/exports/{job_id}", _get_export),
)
