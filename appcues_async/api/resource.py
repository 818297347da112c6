"""The nouns of the API share how they are made: over a sender, and a starter where they start jobs."""

from __future__ import annotations

from appcues_async.recovery.starting import Starter
from appcues_async.wire.sender import Sender

__all__ = ["JobResource", "Resource"]


class Resource:
    """A noun of the API."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender


class JobResource(Resource):
    """A noun of the API that starts jobs."""

    def __init__(self, sender: Sender, starter: Starter) -> None:
        super().__init__(sender)
        self._starter = starter
