"""Tools that read the account, and change nothing."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from attrs import frozen
from pydantic import Field

from appcues_async.api.publishing import ExperienceType
from appcues_async.mcp.answers import Content, Scope, content_of, plain
from appcues_async.models import without_links

__all__ = ["ExperienceKind", "ItemId", "Reading", "SegmentId", "UserId"]

ItemId: TypeAlias = Annotated[str, Field(description="The id, as the list shows it.")]
SegmentId: TypeAlias = Annotated[str, Field(description="The id of a segment.")]
UserId: TypeAlias = Annotated[str, Field(description="The id of an end user.")]
ExperienceKind: TypeAlias = Annotated[
    ExperienceType, Field(description="The type: the API keeps each type by itself.")
]

_ROWS: Final = 200
"""Rows of an answer: what a model reads should not fill its window."""


@frozen
class Reading:
    """Tools that read.

    Attributes:
        scope: What they work on.
    """

    scope: Scope

    async def check_credentials(self) -> Content:
        """Check with one request whether the server's credentials may read the account."""
        tags = await self.scope.client.tags.list()
        return {"may_read": True, "tags": len(tags)}

    async def list_flows(self) -> list[Content]:
        """List all flows, with whether they are published."""
        return [content_of(flow) for flow in await self.scope.client.flows.list()]

    async def get_flow(self, flow_id: ItemId) -> Content:
        """Get one flow."""
        return content_of(await self.scope.client.flows.get(flow_id))

    async def list_checklists(self) -> list[Content]:
        """List all checklists."""
        return [content_of(one) for one in await self.scope.client.checklists.list()]

    async def get_checklist(self, checklist_id: ItemId) -> Content:
        """Get one checklist."""
        return content_of(await self.scope.client.checklists.get(checklist_id))

    async def list_experiences(self, experience_type: ExperienceKind) -> list[Content]:
        """List all experiences of a type."""
        found = await self.scope.client.experiences.list(experience_type)
        return [content_of(one) for one in found]

    async def get_experience(
        self, experience_type: ExperienceKind, experience_id: ItemId
    ) -> Content:
        """Get one experience."""
        client = self.scope.client
        return content_of(await client.experiences.get(experience_type, experience_id))

    async def list_tags(self) -> list[Content]:
        """List all tags."""
        return [content_of(tag) for tag in await self.scope.client.tags.list()]

    async def get_tag(self, tag_id: ItemId) -> Content:
        """Get one tag."""
        return content_of(await self.scope.client.tags.get(tag_id))

    async def list_segments(self) -> list[Content]:
        """List all segments. No endpoint lists who is in one."""
        return [content_of(one) for one in await self.scope.client.segments.list()]

    async def get_segment(self, segment_id: SegmentId) -> Content:
        """Get one segment."""
        return content_of(await self.scope.client.segments.get(segment_id))

    async def get_user_profile(self, user_id: UserId) -> Content:
        """Get the attributes of a user."""
        profile: Content = plain(await self.scope.client.users.get_profile(user_id))
        return profile

    async def list_user_events(
        self,
        user_id: UserId,
        limit: Annotated[int, Field(ge=1, le=1_000, description="How many at the most.")] = 50,
    ) -> list[Content]:
        """List a user's most recent events, the most recent first."""
        events = await self.scope.client.users.list_events(user_id, limit=limit)
        return [content_of(event) for event in events]

    async def get_group_profile(
        self, group_id: Annotated[str, Field(description="The id of a group of users.")]
    ) -> Content:
        """Get the attributes of a group."""
        profile: Content = plain(await self.scope.client.groups.get_profile(group_id))
        return profile

    async def list_jobs(self) -> list[Content]:
        """List the account's recent offline jobs, whoever started them."""
        return [content_of(without_links(job)) for job in await self.scope.client.jobs.list()]

    async def get_job(self, job_id: Annotated[str, Field(description="The job's id.")]) -> Content:
        """Get one offline job, with its events and counts; does not wait."""
        return content_of(without_links(await self.scope.client.jobs.get(job_id)))

    async def query_analytics(
        self,
        spec: Annotated[
            dict[str, Any],
            Field(
                description="metrics and dimensions, or columns; start_time, end_time, conditions as "
                "[[field, operator, value], ...], order_by, limit, timezone."
            ),
        ],
    ) -> Content:
        """Ask the account's analytics a question over 90 days at the most; answers with rows.

        Larger answers come as a file: start_analytics_export.
        """
        rows = await self.scope.client.analytics.query(spec)
        return {
            "rows": plain(list(rows[:_ROWS])),
            "count": len(rows),
            "truncated": rows.truncated or len(rows) > _ROWS,
        }
