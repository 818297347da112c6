"""Routes: an endpoint is found by method and path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from urllib.parse import unquote

from attrs import frozen

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply

__all__ = ["Handler", "Route", "RouteTable", "decode_segment"]

Handler = Callable[[Call], Awaitable[Reply]]


@frozen
class Route:
    """An endpoint.

    Attributes:
        method: The HTTP method.
        template: The path below the account, such as `segments/{segment_id}`.
        handle: What answers.
    """

    method: str
    template: str
    handle: Handler


class RouteTable:
    """All endpoints of one version of the API."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route, route.template.split("/")) for route in routes]

    def find(self, method: str, parts: Sequence[str]) -> tuple[Handler, Mapping[str, str]] | None:
        """Returns the endpoint of a path and its decoded parameters, or None."""
        for route, template in self._routes:
            if route.method == method and len(template) == len(parts):
                parameters = _match(template, parts)
                if parameters is not None:
                    return route.handle, parameters
        return None


def decode_segment(raw: str) -> str:
    """Decodes one part of a path; %2F becomes a slash within it.

    Raises:
        Refusal: 400 if it is not UTF-8.
    """
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise Refusal(400, "The path is not valid UTF-8") from error


def _match(template: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    parameters: dict[str, str] = {}
    for pattern, raw in zip(template, parts, strict=True):
        if pattern.startswith("{"):
            if not raw:
                return None
            parameters[pattern[1:-1]] = raw
        elif pattern != raw:
            return None
    return {name: decode_segment(raw) for name, raw in parameters.items()}
