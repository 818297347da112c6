"""Publishing: the four endpoints that each kind of content has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import OK, Reply
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.state import State

__all__ = ["Shelf", "epoch_time", "iso_time"]


class Publishable(Protocol):
    """Content that can be published."""

    id: str
    published: bool
    updated_at: Any
    published_at: Any


_Thing = TypeVar("_Thing", bound=Publishable)


def iso_time(at: datetime) -> str:
    """Formats a time as most resources show it, in ISO 8601."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def epoch_time(at: datetime) -> int:
    """Formats a time as some resources show it, in milliseconds since 1970."""
    return int(at.timestamp() * 1000)


@frozen
class Shelf(Generic[_Thing]):
    """All content of one kind.

    Attributes:
        noun: Where they are, such as `flows`.
        label: What one of them is called in an error.
        things: Finds them by id.
        describe: What one of them looks like, save its address.
        stamp: How its times are written.
        columns: The columns of the CSV form; None where there is only a JSON form.
    """

    noun: str
    label: str
    things: Callable[[State], Mapping[str, _Thing]]
    describe: Callable[[_Thing], dict[str, Any]]
    stamp: Callable[[datetime], Any] = iso_time
    columns: Sequence[str] | None = None

    def routes(self) -> tuple[Route, ...]:
        """The endpoints."""
        one = f"{self.noun}/{{id}}"
        return (
            Route("GET", self.noun, self._list),
            Route("GET", one, self._get),
            Route("POST", f"{one}/publish", self._publish),
            Route("POST", f"{one}/unpublish", self._unpublish),
        )

    async def _list(self, call: Call) -> Reply:
        things = self.things(call.state).values()
        return Reply(200, [self._show(call, thing) for thing in things], columns=self.columns)

    async def _get(self, call: Call) -> Reply:
        return Reply(200, self._show(call, self._find(call)), columns=self.columns)

    async def _publish(self, call: Call) -> Reply:
        thing = self._find(call)
        if not thing.published:
            thing.published = True
            thing.updated_at = thing.published_at = self.stamp(call.state.clock.now())
        return OK

    async def _unpublish(self, call: Call) -> Reply:
        thing = self._find(call)
        if thing.published:
            thing.published = False
            thing.updated_at = self.stamp(call.state.clock.now())
        return OK

    def _find(self, call: Call) -> _Thing:
        thing = self.things(call.state).get(call.parameters["id"])
        if thing is None:
            raise Refusal(404, f"{self.label} {call.parameters['id']!r} does not exist")
        return thing

    def _show(self, call: Call, thing: _Thing) -> dict[str, Any]:
        return {**self.describe(thing), "url": f"{call.account_url}/{self.noun}/{thing.id}"}
