"""How far the uploads of workers are, as they tell the driver while they send."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from distributed import Client

from appcues_async.cluster.attempt import Sent

__all__ = ["Progress"]


class Progress:
    """Hears from the workers of one run."""

    def __init__(self, client: Client) -> None:
        """Begins to listen.

        Args:
            client: Reaches the workers.
        """
        self._client = client
        self._followed: dict[str, Callable[[int], None]] = {}
        self.topic: str = f"appcues-{secrets.token_hex(8)}"
        client.subscribe_topic(self.topic, self._hear)

    @contextmanager
    def followed(self, number: str, on_sent: Callable[[int], None]) -> Iterator[None]:
        """Follows an attempt.

        Args:
            number: The attempt.
            on_sent: Called with the bytes sent so far.
        """
        self._followed[number] = on_sent
        try:
            yield
        finally:
            del self._followed[number]

    def close(self) -> None:
        """Stops listening."""
        with suppress(Exception):
            self._client.unsubscribe_topic(self.topic)

    def _hear(self, event: tuple[float, Any]) -> None:
        sent: Sent = event[1]
        on_sent = self._followed.get(sent["number"])
        if on_sent is not None:
            on_sent(sent["sent"])
