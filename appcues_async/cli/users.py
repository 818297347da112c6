"""`users`: one end user at a time, profile and events."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.confirm import confirm
from appcues_async.cli.follow import Followed, follow
from appcues_async.cli.inputs import attributes_of
from appcues_async.cli.options import (
    DEFAULTS,
    AllowIds,
    Id,
    JsonFile,
    Options,
    Pairs,
    Timeout,
    Wait,
    Yes,
    open_client,
    seconds_of,
)
from appcues_async.cli.output import show, show_one
from appcues_async.cli.progress import open_display
from appcues_async.models import as_row

__all__ = ["app"]

app: App = App(name="users", help="End users, one at a time: profiles and events.")

COLUMNS = ("timestamp", "name", "attributes")
DELETED = ("source", "seconds", "status", "job")


@app.command
async def get_profile(user_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Show a user's profile.

    Example: appcues-async users get-profile 007
    """
    async with open_client(options) as client:
        show_one(await client.users.get_profile(user_id), options.output)


@app.command
async def update_profile(
    user_id: Id,
    /,
    *pairs: Pairs,
    json: JsonFile = None,
    allow_id: AllowIds = (),
    options: Options = DEFAULTS,
) -> None:
    """Change attributes of a user's profile; the others stay as they are.

    KEY=VALUE is text, leading zeros and all; KEY:=VALUE is JSON, such as a number or true.

    Example: appcues-async users update-profile 007 plan=pro seats:=3
    """
    attributes = attributes_of(pairs, json)
    async with open_client(options) as client:
        await client.users.update_profile(user_id, attributes, allow_ids=allow_id)
        show_one({"id": user_id, "updated": True}, options.output)


@app.command
async def delete_profile(
    user_id: Id,
    /,
    *,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Timeout = None,  # noqa: ASYNC109 - of the job
    options: Options = DEFAULTS,
) -> None:
    """Reset a user: profile, state of experiences, events that targeting uses.

    This is no erasure: what the user did stays in analytics. Erasure is `gdpr delete`.

    Example: appcues-async users delete-profile 007 --yes
    """
    seconds = seconds_of(timeout)
    confirm(f"delete the profile of user {user_id} for good", options, yes=yes)
    display = open_display(options.quiet, options.output)
    async with open_client(options, display) as client:
        handle = await client.users.delete_profile(user_id)
        if handle is None:
            # The documents do not say whether it is a job; where it is none, it is done.
            show_one({"id": user_id, "deleted": True}, options.output)
            return
        one = Followed(user_id, handle=handle)
        await follow([one], display, options, wait=wait, timeout=seconds, columns=DELETED)


@app.command
async def list_events(
    user_id: Id,
    /,
    *,
    limit: Annotated[int, Parameter(help="How many at the most.")] = 100,
    time_zone: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True, help="The zone of their times, such as -04:00; else UTC."
        ),
    ] = None,
    options: Options = DEFAULTS,
) -> None:
    """List a user's most recent events, the most recent first.

    Example: appcues-async users list-events 007 --limit 10 --time-zone -04:00
    """
    async with open_client(options) as client:
        events = await client.users.list_events(user_id, limit=limit, time_zone=time_zone)
        show(map(as_row, events), options.output, COLUMNS)


@app.command
async def track_event(
    user_id: Id,
    name: str,
    /,
    *pairs: Pairs,
    timestamp: Annotated[
        str | None, Parameter(help="When: ISO 8601 with an offset; now if left out.")
    ] = None,
    json: JsonFile = None,
    allow_id: AllowIds = (),
    options: Options = DEFAULTS,
) -> None:
    """Record that a user did something.

    KEY=VALUE is an attribute that is text; KEY:=VALUE is one that is JSON.

    Example: appcues-async users track-event 007 "Verified email" from=mobile attempts:=2
    """
    attributes = attributes_of(pairs, json) or None
    async with open_client(options) as client:
        await client.users.track_event(
            user_id, name, timestamp=timestamp, attributes=attributes, allow_ids=allow_id
        )
        show_one({"user_id": user_id, "name": name, "recorded": True}, options.output)
