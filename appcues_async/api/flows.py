"""An account's flows (reference, "Flows")."""

from __future__ import annotations

from typing import Final

from appcues_async.models import Flow
from appcues_async.wire.codec import expect_success, reader, reader_of_list
from appcues_async.wire.request import Endpoint
from appcues_async.wire.sender import Sender

__all__ = ["Flows"]

LIST: Final = Endpoint("GET", "flows")
GET: Final = Endpoint("GET", "flows/{flow_id}")
PUBLISH: Final = Endpoint("POST", "flows/{flow_id}/publish")
UNPUBLISH: Final = Endpoint("POST", "flows/{flow_id}/unpublish")

_read_flow: Final = reader(Flow)
_read_flows: Final = reader_of_list(Flow)


class Flows:
    """`client.flows`: the account's flows."""

    def __init__(self, sender: Sender) -> None:
        """Is made by the client.

        Args:
            sender: Sends.
        """
        self._sender = sender

    async def list(self) -> list[Flow]:
        """Asks for all flows."""
        return await self._sender.send(LIST.request(), _read_flows)

    async def get(self, flow_id: str) -> Flow:
        """Asks for one flow.

        Raises:
            NotFound: There is none of that id.
        """
        return await self._sender.send(GET.request(flow_id=flow_id), _read_flow)

    async def publish(self, flow_id: str) -> None:
        """Publishes a flow; harmless where it is published already.

        Raises:
            NotFound: There is none of that id.
        """
        await self._sender.send(PUBLISH.request(flow_id=flow_id), expect_success)

    async def unpublish(self, flow_id: str) -> None:
        """Unpublishes a flow; harmless where it is not published.

        Raises:
            NotFound: There is none of that id.
        """
        await self._sender.send(UNPUBLISH.request(flow_id=flow_id), expect_success)
