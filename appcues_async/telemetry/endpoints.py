"""Endpoints as telemetry names them, and the call that a task makes."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from attrs import define, field
from opentelemetry.trace import Span

__all__ = ["Call", "Endpoint", "Endpoints", "current_call", "describe_endpoint"]

_ACCOUNT: Final = "/v2/accounts/{account_id}/"


@define(eq=False)
class Outcome:
    """The ends of attempts on an endpoint.

    Attributes:
        attributes: Those of the endpoint, with a status or an error.
        attempts: How many there were.
    """

    attributes: dict[str, str | int]
    attempts: int = 0


@define(eq=False)
class Endpoint:
    """An endpoint of a server, described once for all calls of it.

    Attributes:
        name: The name of its spans.
        attributes: Those of its spans.
        outcomes: What its attempts have ended with, by status or by the name of an error.
    """

    name: str
    attributes: dict[str, str | int]
    outcomes: dict[int | str, Outcome] = field(factory=dict)

    def ended(self, status: int | None, error: str | None) -> Outcome:
        """Counts an attempt."""
        key = status or error or ""
        outcome = self.outcomes.get(key)
        if outcome is None:
            attributes = dict(self.attributes)
            if status is not None:
                attributes["http.response.status_code"] = status
            if error is not None:
                attributes["error.type"] = error
            outcome = self.outcomes[key] = Outcome(attributes)
        outcome.attempts += 1
        return outcome


Endpoints: TypeAlias = dict[tuple[str, str, str], Endpoint]
"""By origin, method and route."""


Call: TypeAlias = tuple[Span | None, Endpoint]
"""A call's span, None where nothing records it, and what it asks for."""

current_call: Final[ContextVar[Call | None]] = ContextVar("appcues_async_call", default=None)
"""The call that the running task makes."""


def describe_endpoint(origin: str, method: str, route: str) -> Endpoint:
    """Describes an endpoint; one without an origin is elsewhere, and has no address."""
    template = route if route.startswith("/") or not origin else _ACCOUNT + route
    attributes: dict[str, str | int] = {"http.request.method": method, "url.template": template}
    parts = urlsplit(origin)
    if parts.hostname:
        attributes["server.address"] = parts.hostname
        attributes["server.port"] = parts.port or (443 if parts.scheme == "https" else 80)
    return Endpoint(f"{method} {template}", attributes)
