"""Options that every command has, and the client that they stand for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from attrs import frozen
from cyclopts import Parameter

from appcues_async.cli.failures import CONFIGURATION, USAGE, CommandFailed
from appcues_async.cli.output import Form
from appcues_async.client import AppcuesClient
from appcues_async.errors import InvalidInput
from appcues_async.notices import Listener
from appcues_async.sandbox import Sandbox

__all__ = ["DEFAULTS", "Options", "open_client", "seconds_of"]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@Parameter(name="*")
@frozen(kw_only=True)
class Options:
    """What every command takes.

    Attributes:
        profile: A profile of ~/.config/appcues/config.toml; else the environment decides.
        sandbox: Whether to run against an embedded sandbox.
        output: How results are written.
        quiet: Whether to leave out progress.
    """

    profile: Annotated[
        str | None,
        Parameter(help="Take the credentials from this profile of ~/.config/appcues/config.toml."),
    ] = None
    sandbox: Annotated[
        bool, Parameter(negative="", help="Run against an embedded sandbox; no account needed.")
    ] = False
    output: Annotated[
        Form, Parameter(name=("--output", "-o"), help="How results are written to stdout.")
    ] = "table"
    quiet: Annotated[
        bool, Parameter(name=("--quiet", "-q"), negative="", help="Show no progress.")
    ] = False


DEFAULTS: Final = Options()


@asynccontextmanager
async def open_client(
    options: Options, listener: Listener | None = None
) -> AsyncIterator[AppcuesClient]:
    """Opens the client that the options stand for.

    Raises:
        CommandFailed: There are no credentials, or they are malformed.
    """
    if options.sandbox:
        if options.profile is not None:
            raise CommandFailed(
                "--profile and --sandbox exclude each other; a sandbox has credentials of its own",
                kind="InvalidInput",
                exit_code=USAGE,
            )
        async with (
            Sandbox(job_seconds=1) as sandbox,
            AppcuesClient(**sandbox.credentials, on_notice=listener) as client,
        ):
            yield client
        return
    try:
        closed = (
            AppcuesClient.from_env(on_notice=listener)
            if options.profile is None
            else AppcuesClient.from_profile(options.profile, on_notice=listener)
        )
    except InvalidInput as error:
        raise CommandFailed(
            f"{error}; or try --sandbox", kind="InvalidInput", exit_code=CONFIGURATION
        ) from None
    async with closed as client:
        yield client


def seconds_of(text: str | None) -> float | None:
    """Reads a stretch of time such as `90`, `90s`, `15m` or `2h`.

    Raises:
        InvalidInput: It is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if match is None:
        raise InvalidInput(f"--timeout is {text!r}; give seconds, or such as 90s, 15m or 2h")
    return float(match[1]) * _UNITS[match[2]]
