"""What the account holds."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import define, field

from appcues_async.sandbox.clock import SandboxClock
from appcues_async.sandbox.jobs import JobBook

__all__ = ["Flow", "Segment", "State"]


@define(eq=False, kw_only=True)
class Segment:
    """A segment and its members.

    Attributes:
        id: The segment's id.
        name: Its name.
        description: What it is for, if anybody said.
        created_at: When it was made, in UTC.
        created_by: Who made it.
        updated_at: When its name or description last changed, in UTC.
        updated_by: Who changed it.
        user_ids: The ids that were added and not removed since.
    """

    id: str
    name: str
    description: str | None = None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    user_ids: set[str] = field(factory=set[str])


@define(eq=False, kw_only=True)
class Flow:
    """A flow.

    Attributes:
        id: The flow's id.
        name: Its name.
        published: Whether it is shown to users.
        frequency: How often a user sees it, such as `once` or `every_time`.
        created_at: When it was made, in ISO 8601.
        created_by: Who made it.
        updated_at: When it last changed, in ISO 8601.
        updated_by: Who changed it.
        published_at: When it was last published, in ISO 8601; None for never.
    """

    id: str
    name: str
    published: bool
    frequency: str
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str
    published_at: str | None = None


_AUTHOR: Final = "620a104f-0000-4000-8000-000000000001"

_FLOWS: Final = (
    Flow(
        id="flow1",
        name="Welcome tour",
        published=True,
        frequency="once",
        created_at="2026-01-05T16:21:09Z",
        created_by=_AUTHOR,
        updated_at="2026-01-05T17:00:42Z",
        updated_by=_AUTHOR,
        published_at="2026-01-05T17:00:42Z",
    ),
    Flow(
        id="flow2",
        name="New report",
        published=False,
        frequency="every_time",
        created_at="2026-02-11T09:18:02Z",
        created_by=_AUTHOR,
        updated_at="2026-02-11T09:18:02Z",
        updated_by=_AUTHOR,
    ),
)


class State:
    """Profiles, events, segments, flows and jobs of one account.

    Args:
        clock: What time it is.
        jobs: The account's jobs.
        keep_rows: Whether imported rows are kept, or only counted.
    """

    def __init__(self, clock: SandboxClock, jobs: JobBook, *, keep_rows: bool) -> None:
        self.clock = clock
        self.jobs = jobs
        self.keep_rows = keep_rows
        self.author = _AUTHOR
        self.profiles: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.segments: dict[str, Segment] = {}
        self.flows: dict[str, Flow] = {flow.id: copy.copy(flow) for flow in _FLOWS}

    def update_profile(self, user_id: str, attributes: Mapping[str, Any]) -> None:
        """Sets attributes of a user and leaves the others as they are."""
        self.profiles.setdefault(user_id, {}).update(attributes)

    def update_profiles(self, rows: Sequence[dict[str, Any]]) -> None:
        """Sets attributes of many users, row by row; each row becomes the sandbox's own."""
        for row in rows:
            user_id = row.pop("user_id")
            profile = self.profiles.setdefault(user_id, row)
            if profile is not row:
                profile.update(row)

    def record_events(self, rows: Sequence[dict[str, Any]]) -> None:
        """Adds events, in their order."""
        self.events.extend(rows)

    def delete_profiles(self, user_ids: Sequence[str]) -> None:
        """Forgets users and their events."""
        gone = set(user_ids)
        for user_id in gone:
            self.profiles.pop(user_id, None)
        self.events[:] = [event for event in self.events if event["user_id"] not in gone]

    def clear(self) -> None:
        """Goes back to the beginning: no data, and the flows as they were."""
        self.jobs.clear()
        self.profiles.clear()
        self.events.clear()
        self.segments.clear()
        self.flows.clear()
        self.flows.update({flow.id: copy.copy(flow) for flow in _FLOWS})
