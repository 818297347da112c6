"""The tags that experiences are sorted by; not in the reference, used by the vendor's command line."""

from __future__ import annotations

from typing import Final

from appcues_async.models import Tag
from appcues_async.wire.codec import reader, reader_of_list
from appcues_async.wire.request import Endpoint
from appcues_async.wire.sender import Sender

__all__ = ["Tags"]

LIST: Final = Endpoint("GET", "tags")
GET: Final = Endpoint("GET", "tags/{tag_id}")

_read_tag: Final = reader(Tag)
_read_tags: Final = reader_of_list(Tag)


class Tags:
    """`client.tags`: the account's tags."""

    def __init__(self, sender: Sender) -> None:
        """Is made by the client.

        Args:
            sender: Sends.
        """
        self._sender = sender

    async def list(self) -> list[Tag]:
        """Asks for all tags."""
        return await self._sender.send(LIST.request(), _read_tags)

    async def get(self, tag_id: str) -> Tag:
        """Asks for one tag.

        Raises:
            NotFound: There is none of that id.
        """
        return await self._sender.send(GET.request(tag_id=tag_id), _read_tag)
