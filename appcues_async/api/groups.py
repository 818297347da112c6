"""Groups of end users; not in the reference, and used by the vendor's own command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from appcues_async.api.resource import Resource
from appcues_async.api.users import changes_of
from appcues_async.rows.ids import UserId, check_user_ids, id_rule
from appcues_async.wire.codec import encode, expect_success, read_object
from appcues_async.wire.request import Endpoint

__all__ = ["Groups"]

GET_PROFILE: Final = Endpoint("GET", "groups/{group_id}/profile")
UPDATE_PROFILE: Final = Endpoint("PATCH", "groups/{group_id}/profile")
ADD_USERS: Final = Endpoint("POST", "groups/{group_id}/users")


class Groups(Resource):
    """`client.groups`: groups of end users, one at a time."""

    async def get_profile(self, group_id: str) -> dict[str, Any]:
        """Asks for a group's profile.

        Returns:
            Its attributes by name, as the API has them.

        Raises:
            NotFound: There is no such group.
        """
        return await self._sender.send(GET_PROFILE.request(group_id=group_id), read_object)

    async def update_profile(
        self, group_id: str, attributes: Mapping[str, Any], *, strict: bool = True
    ) -> None:
        """Changes attributes of a group's profile; the others stay as they are.

        Args:
            group_id: Which.
            attributes: Text, numbers, booleans, dates, aware datetimes or None, by name.
            strict: Refuse nested values, which Appcues drops without a word ("Supported Data Types" of
                its help pages), and times without a zone.

        Raises:
            InvalidInput: A value is refused, before anything is sent.
        """
        body = changes_of(attributes, strict=strict)
        await self._sender.send(UPDATE_PROFILE.request(body, group_id=group_id), expect_success)

    async def add_users(
        self, group_id: str, user_ids: Iterable[UserId], *, allow_ids: Iterable[UserId] = ()
    ) -> None:
        """Puts users into a group; a user who is in it stays in it.

        Args:
            group_id: Which.
            user_ids: Who.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Raises:
            InvalidInput: There are no ids, or one is refused.
        """
        body = encode({"user_ids": check_user_ids(user_ids, rule=id_rule(allow_ids))})
        await self._sender.send(ADD_USERS.request(body, group_id=group_id), expect_success)
