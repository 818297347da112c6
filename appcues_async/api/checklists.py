"""An account's checklists; not in the reference, and used by the vendor's own command line."""

from __future__ import annotations

from typing import Final

from appcues_async.models import Checklist
from appcues_async.wire.codec import expect_success, reader, reader_of_list
from appcues_async.wire.request import Endpoint
from appcues_async.wire.sender import Sender

__all__ = ["Checklists"]

LIST: Final = Endpoint("GET", "checklists")
GET: Final = Endpoint("GET", "checklists/{checklist_id}")
PUBLISH: Final = Endpoint("POST", "checklists/{checklist_id}/publish")
UNPUBLISH: Final = Endpoint("POST", "checklists/{checklist_id}/unpublish")

_read_checklist: Final = reader(Checklist)
_read_checklists: Final = reader_of_list(Checklist)


class Checklists:
    """`client.checklists`: the account's checklists."""

    def __init__(self, sender: Sender) -> None:
        """Is made by the client.

        Args:
            sender: Sends.
        """
        self._sender = sender

    async def list(self) -> list[Checklist]:
        """Asks for all checklists."""
        return await self._sender.send(LIST.request(), _read_checklists)

    async def get(self, checklist_id: str) -> Checklist:
        """Asks for one checklist.

        Raises:
            NotFound: There is none of that id.
        """
        return await self._sender.send(GET.request(checklist_id=checklist_id), _read_checklist)

    async def publish(self, checklist_id: str) -> None:
        """Publishes a checklist.

        Raises:
            NotFound: There is none of that id.
        """
        await self._sender.send(PUBLISH.request(checklist_id=checklist_id), expect_success)

    async def unpublish(self, checklist_id: str) -> None:
        """Unpublishes a checklist.

        Raises:
            NotFound: There is none of that id.
        """
        await self._sender.send(UNPUBLISH.request(checklist_id=checklist_id), expect_success)
