"""`activity`: a user's events and profile in one request, version 1."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from appcues_async.cli.inputs import object_of, pairs_of
from appcues_async.cli.options import DEFAULTS, AllowIds, Id, JsonFile, Options, Pairs, open_client
from appcues_async.cli.output import show_one
from appcues_async.errors import InvalidInput

__all__ = ["app"]

app: App = App(
    name="activity", help="A user's events and profile in one request, version 1 of the API."
)

FIELDS = ("request_id", "events", "profile_update")


@app.command
async def record(
    user_id: Id,
    /,
    *pairs: Pairs,
    event: Annotated[
        list[str] | None,
        Parameter(negative="", help="The name of an event that happens now; may be repeated."),
    ] = None,
    json: JsonFile = None,
    allow_id: AllowIds = (),
    options: Options = DEFAULTS,
) -> None:
    """Record events of a user, change attributes of the profile, or both.

    KEY=VALUE changes an attribute to text, KEY:=VALUE to JSON. A file of JSON is an object of events,
    profile_update and request_id; what is given beside it is added to it.

    Example: appcues-async activity record 007 --event "Signed up" plan=pro
    """
    given: dict[str, Any] = {} if json is None else object_of(json)
    if others := given.keys() - set(FIELDS):
        raise InvalidInput(f"{min(others)!r} is no field of activity; it has {', '.join(FIELDS)}")
    events, changes = given.get("events", []), given.get("profile_update", {})
    if not isinstance(events, list) or not isinstance(changes, dict):
        raise InvalidInput("events must be a JSON list, and profile_update an object")
    events = [*events, *({"name": name} for name in event or ())]
    changes = {**changes, **pairs_of(pairs)}
    async with open_client(options) as client:
        await client.activity.record(
            user_id,
            events=events,
            profile_update=changes or None,
            request_id=given.get("request_id"),
            allow_ids=allow_id,
        )
        show_one(
            {"user_id": user_id, "events": len(events), "attributes": len(changes)}, options.output
        )
