"""The account's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from attrs import define, field

from appcues_async.sandbox.clock import SandboxClock
from appcues_async.sandbox.content import (
    AUTHOR,
    Checklist,
    Experience,
    Flow,
    Group,
    Tag,
    seed_checklists,
    seed_experiences,
    seed_flows,
    seed_tags,
)
from appcues_async.sandbox.downloads import Downloads
from appcues_async.sandbox.jobs import JobBook

__all__ = ["Segment", "State"]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


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


class State:
    """The data of one account.

    Args:
        clock: What time it is.
        jobs: The account's jobs.
        keep_rows: Whether imported rows are kept, or only counted.
        export_links: Whether the job of an event export ends with a link to its file.
    """

    def __init__(
        self, clock: SandboxClock, jobs: JobBook, *, keep_rows: bool, export_links: bool
    ) -> None:
        self.clock = clock
        self.jobs = jobs
        self.keep_rows = keep_rows
        self.export_links = export_links
        self.author = AUTHOR
        self.downloads: Downloads = Downloads(clock)
        self.profiles: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.segments: dict[str, Segment] = {}
        self.flows: dict[str, Flow] = seed_flows()
        self.experiences: dict[str, dict[str, Experience]] = seed_experiences()
        self.checklists: dict[str, Checklist] = seed_checklists()
        self.tags: dict[str, Tag] = seed_tags()
        self.groups: dict[str, Group] = {}
        self.customerio_segments: dict[int, set[str]] = _seed_customerio_segments()

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
        """Deletes users and their events."""
        gone = set(user_ids)
        for user_id in gone:
            self.profiles.pop(user_id, None)
        self.events[:] = [event for event in self.events if event["user_id"] not in gone]

    def clear(self) -> None:
        """Goes back to the beginning: no data but what is there at first."""
        self.jobs.clear()
        self.downloads.clear()
        self.profiles.clear()
        self.events.clear()
        self.segments.clear()
        self.groups.clear()
        # Whoever holds one of these dicts goes on to see the account's.
        _refill(self.flows, seed_flows())
        _refill(self.experiences, seed_experiences())
        _refill(self.checklists, seed_checklists())
        _refill(self.tags, seed_tags())
        _refill(self.customerio_segments, _seed_customerio_segments())


def _seed_customerio_segments() -> dict[int, set[str]]:
    return {1: set()}


def _refill(held: dict[_Key, _Value], seeds: dict[_Key, _Value]) -> None:
    held.clear()
    held.update(seeds)
