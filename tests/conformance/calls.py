"""One call of every endpoint, by the name that the guide gives its method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from appcues_async import AppcuesClient
from appcues_async.customerio import CustomerIOClient
from appcues_async.sandbox import Group, Sandbox, Segment

__all__ = ["CALLS", "LARGE", "Caller", "settle_in"]

ROWS: Final = [{"user_id": "007", "plan": "pro"}]
EVENTS: Final = [{"user_id": "007", "name": "seen", "timestamp": "2026-07-14T12:00:00Z"}]
SPEC: Final = {"metrics": ["users"], "start_time": date.today().isoformat()}
_LINE: Final = b'{"user_id": "007", "name": "seen", "timestamp": "2026-07-14T12:00:00Z"}\n'
_MANY: Final = _LINE * (3_000_000 // len(_LINE))


SEGMENT: Final = "-seg1"


@frozen
class Caller:
    """Who calls, on an account that has what calls are about.

    Attributes:
        client: A client of the account.
        cio: A client of the site; only calls of its methods may use it.
        job: What the call is about, where that is a job: its id, or an export's address.
        sandbox: The server.
        file: Where a download goes.
        patience: Seconds that a wait for a job may take.
    """

    client: AppcuesClient
    cio: CustomerIOClient
    job: str
    sandbox: Sandbox
    file: Path
    patience: float


async def settle_in(sandbox: Sandbox, name: str) -> str:
    """Makes what a call is about; returns what names its job, if it is about one."""
    now = datetime.now(UTC)
    sandbox.profiles["007"] = {"plan": "free"}
    sandbox.groups["g"] = Group()
    sandbox.segments[SEGMENT] = Segment(
        id=SEGMENT, name="one", created_at=now, created_by="h", updated_at=now, updated_by="h"
    )
    if name not in {"client.jobs.get", "client.jobs.resume"}:
        return ""
    async with AppcuesClient(**sandbox.credentials, throttle=None) as client:
        if name == "client.jobs.get":
            return (await client.imports.profiles([{"user_id": "008"}])).id
        return (await client.analytics.export(SPEC)).url


async def _export(caller: Caller) -> object:
    return await caller.client.exports.events(
        email="harriet@example.com", format="json", conditions=[], start_time=date(2026, 7, 1)
    )


async def _change(change: Callable[..., Awaitable[Any]]) -> None:
    report = await change(1, ["a", "b"])
    report.raise_for_failures()


Call = Callable[[Caller], Awaitable[object]]

CALLS: Final[dict[str, Call]] = {
    "client.flows.list": lambda c: c.client.flows.list(),
    "client.flows.get": lambda c: c.client.flows.get("flow1"),
    "client.flows.publish": lambda c: c.client.flows.publish("flow2"),
    "client.flows.unpublish": lambda c: c.client.flows.unpublish("flow1"),
    "client.segments.list": lambda c: c.client.segments.list(),
    "client.segments.get": lambda c: c.client.segments.get(SEGMENT),
    "client.segments.create": lambda c: c.client.segments.create("two"),
    "client.segments.update": lambda c: c.client.segments.update(SEGMENT, name="new"),
    "client.segments.delete": lambda c: c.client.segments.delete(SEGMENT),
    "client.segments.add_user_ids": lambda c: c.client.segments.add_user_ids(SEGMENT, ["007"]),
    "client.segments.remove_user_ids": lambda c: c.client.segments.remove_user_ids(
        SEGMENT, ["007"]
    ),
    "client.users.get_profile": lambda c: c.client.users.get_profile("007"),
    "client.users.update_profile": lambda c: c.client.users.update_profile("007", {"plan": "pro"}),
    "client.users.list_events": lambda c: c.client.users.list_events("007"),
    "client.users.track_event": lambda c: c.client.users.track_event("007", "seen"),
    "client.users.delete_profile": lambda c: c.client.users.delete_profile("007"),
    "client.imports.profiles": lambda c: c.client.imports.profiles(ROWS),
    "client.imports.events": lambda c: c.client.imports.events(EVENTS),
    "client.exports.events": _export,
    "client.jobs.list": lambda c: c.client.jobs.list(),
    "client.jobs.get": lambda c: c.client.jobs.get(c.job),
    "client.jobs.resume": lambda c: c.client.jobs.resume(c.job).wait(c.patience),
    "client.experiences.list": lambda c: c.client.experiences.list("pins"),
    "client.experiences.get": lambda c: c.client.experiences.get("pins", "pin1"),
    "client.experiences.publish": lambda c: c.client.experiences.publish("pins", "pin2"),
    "client.experiences.unpublish": lambda c: c.client.experiences.unpublish("pins", "pin1"),
    "client.checklists.list": lambda c: c.client.checklists.list(),
    "client.checklists.get": lambda c: c.client.checklists.get("checklist1"),
    "client.checklists.publish": lambda c: c.client.checklists.publish("checklist2"),
    "client.checklists.unpublish": lambda c: c.client.checklists.unpublish("checklist1"),
    "client.tags.list": lambda c: c.client.tags.list(),
    "client.tags.get": lambda c: c.client.tags.get("tag1"),
    "client.groups.get_profile": lambda c: c.client.groups.get_profile("g"),
    "client.groups.update_profile": lambda c: c.client.groups.update_profile("g", {"plan": "pro"}),
    "client.groups.add_users": lambda c: c.client.groups.add_users("g", ["007"]),
    "client.analytics.query": lambda c: c.client.analytics.query(SPEC),
    "client.analytics.export": lambda c: c.client.analytics.export(SPEC),
    "client.screenshots.download": lambda c: c.client.screenshots.download("flow1", c.file),
    "client.gdpr.delete": lambda c: c.client.gdpr.delete(
        ["nobody"], legacy_api_key=c.sandbox.legacy_api_key
    ),
    "client.activity.record": lambda c: c.client.activity.record(
        "007", events=[{"name": "seen"}], profile_update={"plan": "pro"}
    ),
    "client.activity.record, a profile only": lambda c: c.client.activity.record(
        "007", profile_update={"plan": "pro"}
    ),
    "cio.segments.add_customers": lambda c: _change(c.cio.segments.add_customers),
    "cio.segments.remove_customers": lambda c: _change(c.cio.segments.remove_customers),
}
"""By the method's name, and what it is given where that makes a difference."""

LARGE: Final[dict[str, Call]] = {
    "client.segments.add_user_ids": lambda c: c.client.segments.add_user_ids(
        SEGMENT, (f"user-{number:07}" for number in range(220_000))
    ),
    "client.imports.profiles": lambda c: c.client.imports.profiles(_MANY, format="ndjson"),
    "client.imports.events": lambda c: c.client.imports.events(_MANY, format="ndjson"),
}
"""Uploads of some 3 MB, by the method's name."""
