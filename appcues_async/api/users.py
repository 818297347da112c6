"""End users, one at a time: their profiles and their events (reference, "End Users")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from appcues_async.api.resource import JobResource
from appcues_async.errors import InvalidInput
from appcues_async.models import Event
from appcues_async.rows.attributes import flat_attributes, free_attributes
from appcues_async.rows.ids import ANY_ID, UserId, id_rule
from appcues_async.rows.moments import Zone, offset_of
from appcues_async.rows.values import check_event_name, iso_time, whole_number
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.codec import encode, expect_success, read_object, reader_of_list
from appcues_async.wire.request import Endpoint, Repeat

__all__ = ["Users", "changes_of"]

GET_PROFILE: Final = Endpoint("GET", "users/{user_id}/profile")
UPDATE_PROFILE: Final = Endpoint("PATCH", "users/{user_id}/profile")
DELETE_PROFILE: Final = Endpoint("DELETE", "users/{user_id}/profile")
LIST_EVENTS: Final = Endpoint("GET", "users/{user_id}/events")
TRACK_EVENT: Final = Endpoint("POST", "users/{user_id}/events", Repeat.UNSAFE)

_read_events: Final = reader_of_list(Event)


def changes_of(attributes: Mapping[str, Any], *, strict: bool) -> bytes:
    """Makes the body that updates a profile.

    Raises:
        InvalidInput: There is nothing in it, or an attribute is refused.
    """
    checked = flat_attributes(attributes, strict=strict)
    if not checked:
        raise InvalidInput("attributes is empty; give what is to be changed")
    return encode(checked)


class Users(JobResource):
    """`client.users`: end users, one at a time."""

    async def get_profile(self, user_id: UserId) -> dict[str, Any]:
        """Asks for a user's profile.

        Returns:
            Its attributes by name, as the API has them.

        Raises:
            NotFound: There is no such user.
        """
        return await self._sender.send(
            GET_PROFILE.request(user_id=ANY_ID.check(user_id)), read_object
        )

    async def update_profile(
        self,
        user_id: UserId,
        attributes: Mapping[str, Any],
        *,
        strict: bool = True,
        allow_ids: Iterable[UserId] = (),
    ) -> None:
        """Changes attributes of a user's profile; the others stay as they are.

        Args:
            user_id: Who.
            attributes: Text, numbers, booleans, dates, aware datetimes or None, by name. Datetimes go
                out as ISO 8601 with their offset.
            strict: Refuse nested values, which Appcues drops without a word ("Supported Data Types" of
                its help pages), and times without a zone.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Raises:
            InvalidInput: A value is refused, before anything is sent.
        """
        user = id_rule(allow_ids).check(user_id)
        body = changes_of(attributes, strict=strict)
        await self._sender.send(UPDATE_PROFILE.request(body, user_id=user), expect_success)

    async def delete_profile(self, user_id: UserId) -> JobHandle | None:
        """Resets a user: profile, state of experiences, and events as far as targeting uses them.

        This is no erasure: what the user did stays in analytics and reports ("Schedule API User
        Deletion" of the help pages). Erasure is `client.gdpr.delete`.

        Returns:
            The job that does it, or None where the answer names none.
        """
        return await self._starter.start_if_any(
            DELETE_PROFILE.request(user_id=ANY_ID.check(user_id))
        )

    async def list_events(
        self, user_id: UserId, *, limit: int = 100, time_zone: Zone | None = None
    ) -> list[Event]:
        """Asks for a user's most recent events, the most recent first.

        Args:
            user_id: Who.
            limit: How many at the most.
            time_zone: The zone of their times, UTC if left out, as an offset from UTC: text such as
                `-04:00`, minutes, a timedelta or a tzinfo (of one with summer time, the offset that it
                has now).

        Raises:
            InvalidInput: A value is refused, before anything is sent.
        """
        query = {"limit": str(whole_number(limit, "limit", 1))}
        if time_zone is not None:
            query["time_zone"] = offset_of(time_zone, self._sender.clock.now())
        request = LIST_EVENTS.request(query=query, user_id=ANY_ID.check(user_id))
        return await self._sender.send(request, _read_events)

    async def track_event(
        self,
        user_id: UserId,
        name: str,
        *,
        timestamp: datetime | str | None = None,
        attributes: Mapping[str, Any] | None = None,
        strict: bool = True,
        allow_ids: Iterable[UserId] = (),
    ) -> None:
        """Records that a user did something.

        Targeting sees it at once, insights and history some minutes later. Recording it twice makes it
        two events, so a request whose answer was lost is not repeated.

        Args:
            user_id: Who.
            name: What: at most 127 characters, not beginning with `appcues:`.
            timestamp: When: an aware datetime, or ISO 8601 text with an offset. None is now, taken once:
                another attempt sends the same moment.
            attributes: What is known of it, by name; may be nested.
            strict: Refuse times without a zone.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Raises:
            InvalidInput: A value is refused, before anything is sent.
            OutcomeUnknown: Nothing says whether it was recorded.
        """
        user = id_rule(allow_ids).check(user_id)
        moment = self._sender.clock.now() if timestamp is None else timestamp
        body: dict[str, Any] = {
            "name": check_event_name(name),
            "timestamp": iso_time(moment, strict=strict),
        }
        if attributes is not None:
            body["attributes"] = free_attributes(attributes, strict=strict)
        await self._sender.send(TRACK_EVENT.request(encode(body), user_id=user), expect_success)
