"""`groups`: one group of end users at a time."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.inputs import attributes_of, ids_of, split_ids
from appcues_async.cli.options import (
    DEFAULTS,
    AllowIds,
    Id,
    IdsFile,
    JsonFile,
    Options,
    Pairs,
    UserIds,
    open_client,
)
from appcues_async.cli.output import show_one
from appcues_async.rows.ids import id_rule

__all__ = ["app"]

app: App = App(name="groups", help="Groups of end users, one at a time.")


@app.command
async def get_profile(group_id: Id, /, *, options: Options = DEFAULTS) -> None:
    """Show a group's profile.

    Example: appcues-async groups get-profile acme
    """
    async with open_client(options) as client:
        show_one(await client.groups.get_profile(group_id), options.output)


@app.command
async def update_profile(
    group_id: Id,
    /,
    *pairs: Pairs,
    json: JsonFile = None,
    options: Options = DEFAULTS,
) -> None:
    """Change attributes of a group's profile; the others stay as they are.

    KEY=VALUE is text, leading zeros and all; KEY:=VALUE is JSON, such as a number or true.

    Example: appcues-async groups update-profile acme plan=enterprise seats:=40
    """
    attributes = attributes_of(pairs, json)
    async with open_client(options) as client:
        await client.groups.update_profile(group_id, attributes)
        show_one({"id": group_id, "updated": True}, options.output)


@app.command
async def add_users(
    group_id: Id,
    /,
    *ids: Annotated[Id, Parameter(help="Ids of users.")],
    user_ids: UserIds = (),
    file: IdsFile = None,
    allow_id: AllowIds = (),
    options: Options = DEFAULTS,
) -> None:
    """Put users into a group; a user who is in it stays in it.

    Example: appcues-async groups add-users acme 007 008
    """
    users = await ids_of((*ids, *split_ids(user_ids)), file, id_rule(allow_id))
    async with open_client(options) as client:
        await client.groups.add_users(group_id, users, allow_ids=allow_id)
        show_one({"id": group_id, "ids": len(users)}, options.output)
