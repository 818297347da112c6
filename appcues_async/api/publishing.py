"""Flows, checklists and experiences: listed, got, published, unpublished. Tags: listed and got.

Flows are in the reference ("Flows"); the rest is not, and the vendor's own command line uses it.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar, get_args

import attrs

from appcues_async.api.resource import Resource
from appcues_async.errors import InvalidInput
from appcues_async.models import Experience
from appcues_async.rows.values import shown
from appcues_async.wire.codec import expect_success, reader, reader_of_list
from appcues_async.wire.request import Endpoint, Request
from appcues_async.wire.sender import Sender

__all__ = ["Collection", "ExperienceType", "Experiences", "Publishable"]

M = TypeVar("M", bound=attrs.AttrsInstance)

ExperienceType = Literal["pins", "mobile", "launchpads", "banners", "flows-v2", "embeds", "nps"]
"""The types of experiences, as they stand in paths."""


class Collection(Resource, Generic[M]):
    """Things of one kind that the account has."""

    def __init__(self, sender: Sender, model: type[M], route: str, id_name: str) -> None:
        super().__init__(sender)
        self._id_name = id_name
        self._one = f"{route}/{{{id_name}}}"
        self._list = Endpoint("GET", route)
        self._get = Endpoint("GET", self._one)
        self._read = reader(model)
        self._read_list = reader_of_list(model)

    async def list(self) -> list[M]:
        """Gets all of them; lists do not paginate."""
        return await self._sender.send(self._list.request(), self._read_list)

    async def get(self, item_id: str, /) -> M:
        """Gets one by its id.

        Raises:
            InvalidInput: The id is empty or no text.
            NotFound: There is none of that id.
        """
        return await self._sender.send(self._request(self._get, item_id), self._read)

    def _request(self, endpoint: Endpoint, item_id: str) -> Request:
        ids: dict[str, Any] = {self._id_name: item_id}
        return endpoint.request(**ids)


class Publishable(Collection[M]):
    """Things of one kind that users see once they are published: `client.flows`, `client.checklists`."""

    def __init__(self, sender: Sender, model: type[M], route: str, id_name: str) -> None:
        super().__init__(sender, model, route, id_name)
        self._publish = Endpoint("POST", f"{self._one}/publish")
        self._unpublish = Endpoint("POST", f"{self._one}/unpublish")

    async def publish(self, item_id: str, /) -> None:
        """Publishes one; harmless where it is published already.

        Raises:
            InvalidInput: The id is empty or no text.
            NotFound: There is none of that id.
        """
        await self._post(self._publish, item_id)

    async def unpublish(self, item_id: str, /) -> None:
        """Unpublishes one; harmless where it is not published.

        Raises:
            InvalidInput: The id is empty or no text.
            NotFound: There is none of that id.
        """
        await self._post(self._unpublish, item_id)

    async def _post(self, endpoint: Endpoint, item_id: str) -> None:
        await self._sender.send(self._request(endpoint, item_id), expect_success)


class Experiences(Resource):
    """`client.experiences`: pins, mobile, launchpads, banners, flows-v2, embeds and nps.

    Each type is a resource of its own. All methods raise `InvalidInput` where there is no such type.
    """

    async def list(self, type: ExperienceType) -> list[Experience]:  # noqa: A002 - the public word
        """Gets all experiences of a type, such as `pins`."""
        return await self._of(type).list()

    async def get(self, type: ExperienceType, experience_id: str) -> Experience:  # noqa: A002
        """Gets one experience by its id.

        Raises:
            NotFound: There is none of that id.
        """
        return await self._of(type).get(experience_id)

    async def publish(self, type: ExperienceType, experience_id: str) -> None:  # noqa: A002
        """Publishes an experience; harmless where it is published already.

        Raises:
            NotFound: There is none of that id.
        """
        await self._of(type).publish(experience_id)

    async def unpublish(self, type: ExperienceType, experience_id: str) -> None:  # noqa: A002
        """Unpublishes an experience; harmless where it is not published.

        Raises:
            NotFound: There is none of that id.
        """
        await self._of(type).unpublish(experience_id)

    def _of(self, given: str) -> Publishable[Experience]:
        known = get_args(ExperienceType)
        if given not in known:
            raise InvalidInput(
                f"type is {shown(given)}; it must be one of {', '.join(known)} "
                "(flows and checklists are client.flows and client.checklists)"
            )
        return Publishable(self._sender, Experience, given, "experience_id")
