"""`request`: any request to the account, for what has no command."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.cli.inputs import json_of
from appcues_async.cli.options import DEFAULTS, JsonFile, Options, open_client
from appcues_async.cli.output import print_lines, writing
from appcues_async.errors import InvalidInput
from appcues_async.wire.reply import Reply

__all__ = ["app"]

app: App = App(name="request")


@app.default
async def request(
    method: str,
    path: Annotated[
        str, Parameter(help="Below /v2/accounts/ACCOUNT_ID/; ids in it are quoted already.")
    ],
    /,
    *,
    query: Annotated[
        list[str] | None,
        Parameter(negative="", help="A query parameter, as NAME=VALUE; may be repeated."),
    ] = None,
    json: JsonFile = None,
    accept: Annotated[
        str, Parameter(help="The media type asked for, such as text/csv.")
    ] = "application/json",
    options: Options = DEFAULTS,
) -> None:
    """Send any request to the account, and write the answer as it comes.

    Example: appcues-async request GET flows --accept text/csv
    """
    parameters: dict[str, str] = {}
    for one in query or ():
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--query is {one!r}; it must be NAME=VALUE")
        parameters[name] = value
    body = None if json is None else json_of(json)
    async with open_client(options) as client:
        reply = await client.request(method, path, json=body, query=parameters, accept=accept)
        with writing():
            _write(reply)


def _write(reply: Reply) -> None:
    if sys.stdout.isatty():
        print_lines(reply.text().splitlines())
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(reply.body)
    if reply.body and not reply.body.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
