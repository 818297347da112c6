"""Experiences other than flows and checklists, by their type.

The reference does not have them: each type is a resource of its own, as the vendor's own command line
uses it.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from appcues_async.errors import InvalidInput
from appcues_async.models import Experience
from appcues_async.rows.values import shown
from appcues_async.wire.codec import expect_success, reader, reader_of_list
from appcues_async.wire.request import Endpoint
from appcues_async.wire.sender import Sender

__all__ = ["ExperienceType", "Experiences"]

ExperienceType = Literal["pins", "mobile", "launchpads", "banners", "flows-v2", "embeds", "nps"]
"""The types of experiences, as they stand in paths."""

_read_experience: Final = reader(Experience)
_read_experiences: Final = reader_of_list(Experience)


class Experiences:
    """`client.experiences`: pins, mobile, launchpads, banners, flows-v2, embeds and nps."""

    def __init__(self, sender: Sender) -> None:
        """Is made by the client.

        Args:
            sender: Sends.
        """
        self._sender = sender

    async def list(self, type: ExperienceType) -> list[Experience]:  # noqa: A002 - the public word
        """Asks for all experiences of a type.

        Args:
            type: Such as `pins`.

        Raises:
            InvalidInput: There is no such type.
        """
        endpoint = Endpoint("GET", _checked(type))
        return await self._sender.send(endpoint.request(), _read_experiences)

    async def get(
        self,
        type: ExperienceType,  # noqa: A002 - the public word
        experience_id: str,
    ) -> Experience:
        """Asks for one experience.

        Args:
            type: Such as `pins`.
            experience_id: Which.

        Raises:
            InvalidInput: There is no such type.
            NotFound: There is none of that id.
        """
        endpoint = Endpoint("GET", _checked(type) + "/{experience_id}")
        request = endpoint.request(experience_id=experience_id)
        return await self._sender.send(request, _read_experience)

    async def publish(
        self,
        type: ExperienceType,  # noqa: A002 - the public word
        experience_id: str,
    ) -> None:
        """Publishes an experience.

        Args:
            type: Such as `pins`.
            experience_id: Which.

        Raises:
            InvalidInput: There is no such type.
            NotFound: There is none of that id.
        """
        endpoint = Endpoint("POST", _checked(type) + "/{experience_id}/publish")
        await self._sender.send(endpoint.request(experience_id=experience_id), expect_success)

    async def unpublish(
        self,
        type: ExperienceType,  # noqa: A002 - the public word
        experience_id: str,
    ) -> None:
        """Unpublishes an experience.

        Args:
            type: Such as `pins`.
            experience_id: Which.

        Raises:
            InvalidInput: There is no such type.
            NotFound: There is none of that id.
        """
        endpoint = Endpoint("POST", _checked(type) + "/{experience_id}/unpublish")
        await self._sender.send(endpoint.request(experience_id=experience_id), expect_success)


def _checked(given: str) -> str:
    known = get_args(ExperienceType)
    if given not in known:
        raise InvalidInput(
            f"type is {shown(given)}; it must be one of {', '.join(known)} "
            "(flows and checklists are client.flows and client.checklists)"
        )
    return given
