"""`gdpr`: erasure of users."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.confirm import confirm
from appcues_async.cli.failures import CONFIGURATION, CommandFailed
from appcues_async.cli.inputs import ids_of
from appcues_async.cli.options import DEFAULTS, Id, IdsFile, Options, Yes, open_account
from appcues_async.cli.output import show_one
from appcues_async.rows.ids import ANY_ID
from appcues_async.text import Secret, counted

__all__ = ["app"]

app: App = App(name="gdpr", help="Erasure of users.")


@app.command
async def delete(
    *user_ids: Id,
    file: IdsFile = None,
    legacy_api_key_env: Annotated[
        str, Parameter(help="The environment variable that holds the account's Legacy API key.")
    ] = "APPCUES_LEGACY_API_KEY",
    yes: Yes = False,
    options: Options = DEFAULTS,
) -> None:
    """Have users erased for good, with all that Appcues knows of them.

    It takes the account's Legacy API key, which is read from the environment alone: arguments are seen
    by everybody on a machine, and kept in the shell's history.

    Example: appcues-async gdpr delete 007 008 --yes
    """
    ids = await ids_of(user_ids, file, ANY_ID)
    key = os.environ.get(legacy_api_key_env, "")
    if not key and not options.sandbox:
        raise CommandFailed(
            f"the environment gives no {legacy_api_key_env}; set it to the Legacy API key of the "
            "account, as in Appcues Studio, settings; or try --sandbox",
            kind="InvalidInput",
            exit_code=CONFIGURATION,
        )
    confirm(f"erase {counted(len(ids), 'user')} for good", options, yes=yes)
    async with open_account(options) as (client, sandbox):
        secret = Secret(key if sandbox is None else sandbox.legacy_api_key)
        said = await client.gdpr.delete(ids, legacy_api_key=secret)
        show_one({"ids": len(ids), "message": said}, options.output)
