"""The log of requests, as they were on the wire."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

__all__ = ["BODY_KEPT", "LoggedRequest", "OpenEntry", "RequestLog", "redacted"]

#: A body is kept in the log up to this many bytes.
BODY_KEPT = 64 * 1024


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the headers without the credentials."""
    return {
        name: "(redacted)" if name.lower() == "authorization" else value
        for name, value in headers.items()
    }


def _show_headers(headers: Mapping[str, str]) -> str:
    return repr(redacted(headers))


@frozen(kw_only=True)
class LoggedRequest:
    """A request, and what became of it.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, still percent-encoded, without the query.
        query: The query as it was sent, without the question mark.
        headers: The request's headers, found by any case; the repr leaves out the credentials.
        authorized: Whether an Authorization header was there, right or wrong.
        arrived: When, in seconds of the sandbox's clock.
        connection: Which TCP connection it came on; the same number is the same connection.
        status: What was answered; None as long as nothing was.
        body_bytes: How many bytes of the body were taken in.
        body: Those bytes, if there were no more than 65,536 of them; else None.
        aborted: The client went away before it had an answer.
        applied: Whether it took effect (a GET: whether it was worked out), whatever the client was
            told of that.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=_show_headers)
    authorized: bool
    arrived: float
    connection: int
    status: int | None = None
    body_bytes: int = 0
    body: bytes | None = field(default=b"", repr=False)
    aborted: bool = False
    applied: bool = False


class OpenEntry:
    """An open entry of the log, until its request is answered."""

    def __init__(self, log: RequestLog, place: int, generation: int) -> None:
        self._log = log
        self.place = place
        self.generation = generation
        self._open = True

    def took_effect(self) -> None:
        """Records that the request was applied."""
        self._log.change(self, applied=True)

    def answered(self, status: int | None, body_bytes: int, body: bytes | None) -> None:
        """Records the answer, or None for a connection that the sandbox cut itself."""
        self._open = False
        self._log.change(self, status=status, body_bytes=body_bytes, body=body, aborted=False)

    def abandoned(self, body_bytes: int, body: bytes | None) -> None:
        """Records that the client went away, unless it had its answer already."""
        if self._open:
            self._log.change(self, status=None, body_bytes=body_bytes, body=body, aborted=True)


class RequestLog:
    """All requests in order of arrival; an entry is replaced when more is known."""

    def __init__(self) -> None:
        self.entries: list[LoggedRequest] = []
        self._generation = 0
        self._lock = threading.Lock()

    def open(
        self,
        *,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        arrived: float,
        connection: int,
    ) -> OpenEntry:
        """Writes down a request that has just come in."""
        entry = LoggedRequest(
            method=method,
            path=path,
            query=query,
            headers=headers,
            authorized="Authorization" in headers,
            arrived=arrived,
            connection=connection,
        )
        with self._lock:
            self.entries.append(entry)
            return OpenEntry(self, len(self.entries) - 1, self._generation)

    def change(self, opened: OpenEntry, **changes: Any) -> None:
        """Replaces an entry, unless the log was cleared since it was written."""
        with self._lock:
            if opened.generation == self._generation:
                self.entries[opened.place] = evolve(self.entries[opened.place], **changes)

    def clear(self) -> None:
        """Forgets all requests."""
        with self._lock:
            self.entries.clear()
            self._generation += 1
