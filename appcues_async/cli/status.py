"""`status`: whether the credentials work."""

from __future__ import annotations

import os
import time

from cyclopts import App

from appcues_async.cli.failures import CONFIGURATION, CommandFailed
from appcues_async.cli.options import DEFAULTS, Options, credentials_of, open_account
from appcues_async.cli.output import show_one
from appcues_async.errors import BadRequest, Forbidden, Unauthorized

__all__ = ["app"]

app: App = App(name="status")


@app.default
async def status(*, options: Options = DEFAULTS) -> None:
    """Check the credentials with one request, which reads the account's tags.

    Whether the key may write as well is not tried, since that would change something.

    Example: appcues-async status --profile eu
    """
    async with open_account(options) as (client, sandbox):
        source, credentials = _source_of(options), credentials_of(options, sandbox)
        account, origin = credentials.account_id, credentials.origin
        began = time.monotonic()
        try:
            await client.tags.list()
        except (Unauthorized, Forbidden, BadRequest) as error:
            # A key or an account that is malformed is answered with 400.
            raise CommandFailed(
                f"{error}; the credentials are from {source}, for account {account} at {origin}; "
                "a key works in its own region only, and may lack the right to read",
                kind=type(error).__name__,
                exit_code=CONFIGURATION,
                status=error.status,
            ) from None
        row = {
            "account_id": account,
            "origin": origin,
            "from": source,
            "may_read": True,
            "may_write": "not tried",
            "seconds": round(time.monotonic() - began, 3),
        }
        show_one(row, options.output)


def _source_of(options: Options) -> str:
    """Where the credentials are from."""
    if options.sandbox:
        return "the sandbox"
    if options.profile is None and os.environ.get("APPCUES_API_KEY"):
        return "the environment"
    return f"profile {options.profile or os.environ.get('APPCUES_PROFILE') or 'default'}"
