"""Tools that change one thing, by one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias

from attrs import frozen
from pydantic import Field

from appcues_async.client import AppcuesClient
from appcues_async.mcp.answers import Content, Scope, content_of
from appcues_async.mcp.reading import ExperienceKind, ItemId, SegmentId, UserId

__all__ = ["Changing", "DryRun", "Preview"]

DryRun: TypeAlias = Annotated[
    bool,
    Field(
        description="True (the default) sends nothing and shows what would be sent: this cannot be "
        "undone. Pass false to do it."
    ),
]
Preview: TypeAlias = Annotated[
    bool, Field(description="True sends nothing and shows what would be sent.")
]
Attributes: TypeAlias = Annotated[
    dict[str, Any],
    Field(description="Text, numbers, booleans, ISO 8601 times or null, by name; not nested."),
]


@frozen
class Changing:
    """Tools that change something.

    Attributes:
        scope: What they work on.
    """

    scope: Scope

    async def publish_flow(self, flow_id: ItemId, dry_run: Preview = False) -> Content:
        """Publish a flow, so that users see it; harmless where it is published already."""
        return await self._publish(
            lambda client: client.flows.publish(flow_id), flow_id, True, dry_run
        )

    async def unpublish_flow(self, flow_id: ItemId, dry_run: Preview = False) -> Content:
        """Unpublish a flow; harmless where it is not published."""
        return await self._publish(
            lambda client: client.flows.unpublish(flow_id), flow_id, False, dry_run
        )

    async def publish_checklist(self, checklist_id: ItemId, dry_run: Preview = False) -> Content:
        """Publish a checklist; harmless where it is published already."""
        return await self._publish(
            lambda client: client.checklists.publish(checklist_id), checklist_id, True, dry_run
        )

    async def unpublish_checklist(self, checklist_id: ItemId, dry_run: Preview = False) -> Content:
        """Unpublish a checklist; harmless where it is not published."""
        return await self._publish(
            lambda client: client.checklists.unpublish(checklist_id), checklist_id, False, dry_run
        )

    async def publish_experience(
        self, experience_type: ExperienceKind, experience_id: ItemId, dry_run: Preview = False
    ) -> Content:
        """Publish an experience; harmless where it is published already."""
        return await self._publish(
            lambda client: client.experiences.publish(experience_type, experience_id),
            experience_id,
            True,
            dry_run,
        )

    async def unpublish_experience(
        self, experience_type: ExperienceKind, experience_id: ItemId, dry_run: Preview = False
    ) -> Content:
        """Unpublish an experience; harmless where it is not published."""
        return await self._publish(
            lambda client: client.experiences.unpublish(experience_type, experience_id),
            experience_id,
            False,
            dry_run,
        )

    async def create_segment(
        self,
        name: Annotated[str, Field(description="Its name.")],
        description: Annotated[str | None, Field(description="What it is for.")] = None,
        dry_run: Preview = False,
    ) -> Content:
        """Make an empty segment; answers with its id."""

        async def create(client: AppcuesClient) -> Content:
            return content_of(await client.segments.create(name, description))

        return await self.scope.change(create, dry_run=dry_run)

    async def update_segment(
        self,
        segment_id: SegmentId,
        name: Annotated[str | None, Field(description="Its new name.")] = None,
        description: Annotated[str | None, Field(description="Its new description.")] = None,
        dry_run: Preview = False,
    ) -> Content:
        """Change a segment's name or description."""

        async def update(client: AppcuesClient) -> Content:
            changed = await client.segments.update(segment_id, name=name, description=description)
            return content_of(changed)

        return await self.scope.change(update, dry_run=dry_run)

    async def delete_segment(self, segment_id: SegmentId, dry_run: DryRun = True) -> Content:
        """Delete a segment for good."""

        async def delete(client: AppcuesClient) -> Content:
            await client.segments.delete(segment_id)
            return {"id": segment_id, "deleted": True}

        return await self.scope.change(delete, dry_run=dry_run)

    async def update_user_profile(
        self, user_id: UserId, attributes: Attributes, dry_run: DryRun = True
    ) -> Content:
        """Change attributes of a user; others stay as they are, and old values are gone."""

        async def update(client: AppcuesClient) -> Content:
            await client.users.update_profile(user_id, attributes)
            return {"id": user_id, "updated": sorted(attributes)}

        return await self.scope.change(update, dry_run=dry_run)

    async def track_user_event(
        self,
        user_id: UserId,
        name: Annotated[str, Field(description="What the user did; at most 127 characters.")],
        attributes: Annotated[
            dict[str, Any] | None, Field(description="What is known of it, by name.")
        ] = None,
        timestamp: Annotated[
            str | None, Field(description="When: ISO 8601 with an offset; now if left out.")
        ] = None,
        dry_run: DryRun = True,
    ) -> Content:
        """Record that a user did something. Recording it twice makes it two events."""

        async def track(client: AppcuesClient) -> Content:
            await client.users.track_event(
                user_id, name, timestamp=timestamp, attributes=attributes
            )
            return {"id": user_id, "recorded": name}

        return await self.scope.change(track, dry_run=dry_run)

    async def delete_user_profile(self, user_id: UserId, dry_run: DryRun = True) -> Content:
        """Reset a user: profile, state of experiences, events that targeting uses. No erasure."""

        async def delete(client: AppcuesClient) -> Content:
            job = await client.users.delete_profile(user_id)
            return {"id": user_id, "accepted": True, "token": None if job is None else job.token}

        return await self.scope.change(delete, dry_run=dry_run)

    async def update_group_profile(
        self,
        group_id: Annotated[str, Field(description="The id of a group of users.")],
        attributes: Attributes,
        dry_run: DryRun = True,
    ) -> Content:
        """Change attributes of a group; others stay as they are, and old values are gone."""

        async def update(client: AppcuesClient) -> Content:
            await client.groups.update_profile(group_id, attributes)
            return {"id": group_id, "updated": sorted(attributes)}

        return await self.scope.change(update, dry_run=dry_run)

    async def add_group_users(
        self,
        group_id: Annotated[str, Field(description="The id of a group of users.")],
        user_ids: Annotated[list[str], Field(min_length=1, description="Ids of users.")],
        dry_run: DryRun = True,
    ) -> Content:
        """Put users into a group. No endpoint takes them out again."""

        async def add(client: AppcuesClient) -> Content:
            await client.groups.add_users(group_id, user_ids)
            return {"id": group_id, "added": len(user_ids)}

        return await self.scope.change(add, dry_run=dry_run)

    async def _publish(
        self,
        call: Callable[[AppcuesClient], Awaitable[None]],
        item_id: str,
        published: bool,
        dry_run: bool,
    ) -> Content:
        async def publish(client: AppcuesClient) -> Content:
            await call(client)
            return {"id": item_id, "published": published}

        return await self.scope.change(publish, dry_run=dry_run)
