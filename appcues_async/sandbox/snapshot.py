"""The account's data and its requests, as plain values for the control plane."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from attrs import AttrsInstance, asdict

from appcues_async.sandbox.fault_forms import instruction_to_json
from appcues_async.sandbox.faults import Faults
from appcues_async.sandbox.jobs import Job
from appcues_async.sandbox.rate import TokenBucket
from appcues_async.sandbox.request_log import LoggedRequest, RequestLog, redacted
from appcues_async.sandbox.state import State

__all__ = ["live_view", "request_to_json", "state_to_json"]

#: How many of the latest things of a kind a live view shows.
_LATEST: Final = 50
_LATEST_REQUESTS: Final = 150
#: How many seconds of request counts it shows.
_SECONDS: Final = 60
#: How much of a body it shows, in bytes.
_EXCERPT: Final = 400
_MEMBERS: Final = 20

_Item = TypeVar("_Item")


def state_to_json(state: State) -> dict[str, Any]:
    """Returns all that the account holds."""
    return {
        "profiles": state.profiles,
        "events": state.events,
        "segments": {
            segment.id: {**asdict(segment), "user_ids": sorted(segment.user_ids)}
            for segment in state.segments.values()
        },
        "flows": _each(state.flows),
        "experiences": {noun: _each(shelf) for noun, shelf in state.experiences.items()},
        "checklists": _each(state.checklists),
        "tags": _each(state.tags),
        "groups": {
            group_id: {"attributes": group.attributes, "user_ids": sorted(group.user_ids)}
            for group_id, group in state.groups.items()
        },
        "customerio_segments": {
            str(segment_id): sorted(members)
            for segment_id, members in state.customerio_segments.items()
        },
        "jobs": {job.id: asdict(job) for job in state.jobs.all.values()},
    }


def request_to_json(entry: LoggedRequest) -> dict[str, Any]:
    """Describes a logged request, without its credentials and its body."""
    return {
        "method": entry.method,
        "path": entry.path,
        "query": entry.query,
        "headers": redacted(entry.headers),
        "authorized": entry.authorized,
        "arrived": entry.arrived,
        "connection": entry.connection,
        "status": entry.status,
        "body_bytes": entry.body_bytes,
        "aborted": entry.aborted,
        "applied": entry.applied,
    }


def live_view(state: State, log: RequestLog, faults: Faults, bucket: TokenBucket) -> dict[str, Any]:
    """Returns what an inspector shows: totals, and the latest of everything, newest first."""
    now = state.clock.time()
    entries = log.entries
    first = max(0, len(entries) - _LATEST_REQUESTS)
    shown = [
        {**request_to_json(entry), "number": first + number, "excerpt": _excerpt(entry)}
        for number, entry in enumerate(entries[first:], 1)
    ]
    return {
        "time": now,
        "now": state.clock.now(),
        "rate_limit": bucket.rate,
        "totals": {
            "requests": len(entries),
            "jobs": len(state.jobs.all),
            "profiles": len(state.profiles),
            "events": len(state.events),
            "segments": len(state.segments),
        },
        "per_second": _per_second(entries, now),
        "requests": shown[::-1],
        "jobs": [_progress_of(job, now) for job in _latest(state.jobs.all.values())],
        "profiles": [
            {"user_id": user_id, "attributes": attributes}
            for user_id, attributes in _latest(state.profiles.items())
        ],
        "events": _latest(state.events),
        "segments": [
            {
                "id": segment.id,
                "name": segment.name,
                "users": len(segment.user_ids),
                "user_ids": sorted(itertools.islice(segment.user_ids, _MEMBERS)),
            }
            for segment in _latest(state.segments.values())
        ],
        "faults": [instruction_to_json(one) for one in faults.instructions],
    }


def _each(things: Mapping[str, AttrsInstance]) -> dict[str, dict[str, Any]]:
    return {name: asdict(thing) for name, thing in things.items()}


def _latest(things: Iterable[_Item]) -> list[_Item]:
    return list(itertools.islice(reversed(list(things)), _LATEST))


def _excerpt(entry: LoggedRequest) -> str:
    return (entry.body or b"")[:_EXCERPT].decode(errors="replace")


def _progress_of(job: Job, now: float) -> dict[str, Any]:
    ended = job.status != "IN_PROGRESS"
    endless = math.isinf(job.seconds)
    part = 1.0 if ended else (now - job.started) / job.seconds if job.seconds else 0.0
    return {
        "id": job.id,
        "name": job.name,
        "kind": job.kind,
        "status": job.status,
        "rows": job.rows,
        "ingested": job.ingested,
        "failed": job.failed,
        "progress": None if endless and not ended else min(1.0, part),
        "seconds_left": None if ended or endless else max(0.0, job.started + job.seconds - now),
    }


def _per_second(entries: list[LoggedRequest], now: float) -> list[dict[str, int]]:
    """Counts the requests of each of the last seconds, oldest first."""
    counted: list[Counter[str]] = [Counter() for _ in range(_SECONDS)]
    for entry in reversed(entries):
        age = int(now - entry.arrived)
        if age >= _SECONDS:
            break
        second = counted[_SECONDS - 1 - max(0, age)]
        second["requests"] += 1
        second["refused"] += entry.status == 429
        second["failed"] += entry.status is None or entry.status >= 500
    return [{name: one[name] for name in ("requests", "refused", "failed")} for one in counted]
