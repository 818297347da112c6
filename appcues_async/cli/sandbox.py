"""`sandbox`: the API on loopback, until Ctrl-C."""

from __future__ import annotations

import asyncio
import shlex
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from appcues_async.cli.options import at_least
from appcues_async.cli.sandbox_control import add_commands
from appcues_async.cli.signals import ENDING
from appcues_async.errors import InvalidInput

if TYPE_CHECKING:
    from appcues_async.sandbox import Sandbox

__all__ = ["JobSeconds", "RateLimit", "app"]

app: App = App(name="sandbox")
add_commands(app)


def _check_rate(_: Any, value: Any) -> None:
    if not (value == 0 or value >= 1):
        raise ValueError("must be at least 1, or 0 for no limit")


RateLimit = Annotated[
    float,
    Parameter(
        validator=_check_rate, help="Requests a second before it answers 429; 0 for no limit."
    ),
]
JobSeconds = Annotated[
    float, Parameter(validator=at_least(0), help="How long each job takes, in seconds.")
]


@app.default
async def serve(
    *,
    port: Annotated[
        int, Parameter(validator=at_least(0, 65_535), help="The port; 0 takes a free one.")
    ] = 0,
    rate_limit: RateLimit = 60,
    job_seconds: JobSeconds = 2,
    token: Annotated[
        str | None,
        Parameter(
            env_var="APPCUES_SANDBOX_TOKEN",
            help="What commands that steer it have to know; a random one is made when left out.",
        ),
    ] = None,
    keep_rows: Annotated[
        bool,
        Parameter(
            negative="--count-rows",
            show_default=False,
            help="Keep all rows (the default), or only count them, which takes no memory.",
        ),
    ] = True,
) -> None:
    """Serve the API on loopback until Ctrl-C, and print what to export to reach it.

    What it holds is shown live by the page that is printed last. Other commands of this group steer it
    from another terminal.

    Example: appcues-async sandbox --port 8080 --job-seconds 5
    """
    # A server takes its time to import, and most commands do without it.
    from appcues_async.sandbox import Sandbox  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGINT, *ENDING):
        # Where the loop cannot take signals, as on Windows, Ctrl-C interrupts it all the same.
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        sandbox = Sandbox(
            port=port,
            rate_limit=rate_limit or None,
            job_seconds=job_seconds,
            token=token,
            keep_rows=keep_rows,
        )
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    try:
        async with sandbox:
            for name, value in _environment_of(sandbox).items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            print(f"# Inspector: {sandbox.inspector_url}", flush=True)
            await stop.wait()
    except OSError as error:
        raise InvalidInput(
            f"port {port} cannot be served on: {error.strerror}; take another, or 0 for a free one"
        ) from None


def _environment_of(sandbox: Sandbox) -> dict[str, str]:
    """All that the commands read of it, Customer.io's included."""
    site = sandbox.customerio_credentials
    return {
        **sandbox.environment,
        "APPCUES_LEGACY_API_KEY": sandbox.legacy_api_key,
        "APPCUES_SANDBOX_TOKEN": sandbox.token,
        **{f"CUSTOMERIO_{name.upper()}": str(value) for name, value in site.items()},
    }
