"""`sandbox`: the API on loopback, until Ctrl-C."""

from __future__ import annotations

import asyncio
import shlex
import signal
from typing import Annotated

from cyclopts import App, Parameter

from appcues_async.errors import InvalidInput
from appcues_async.sandbox import Sandbox

__all__ = ["app"]

app = App(name="sandbox", help="Serve the API on loopback, without an account.")


@app.default
async def serve(
    *,
    port: Annotated[int, Parameter(help="The port; 0 takes a free one.")] = 0,
    rate_limit: Annotated[
        float, Parameter(help="Requests a second before it answers 429; 0 for no limit.")
    ] = 60,
    job_seconds: Annotated[float, Parameter(help="How long each job takes, in seconds.")] = 2,
) -> None:
    """Serve the API on loopback until Ctrl-C, and print what to export to reach it.

    Example: appcues-async sandbox --port 8080 --job-seconds 5
    """
    try:
        sandbox = Sandbox(port=port, rate_limit=rate_limit or None, job_seconds=job_seconds)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with sandbox:
            for name, value in sandbox.environment.items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            await stop.wait()
    except OSError as error:
        raise InvalidInput(
            f"port {port} cannot be served on: {error.strerror}; take another, or 0 for a free one"
        ) from None
