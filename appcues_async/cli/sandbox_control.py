"""`sandbox fault`, `clock`, `reset`, `seed`, `state`: a sandbox in another process, steered."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from appcues_async.cli.failures import CONFIGURATION, CommandFailed
from appcues_async.cli.options import Output, at_least
from appcues_async.cli.output import show
from appcues_async.errors import InvalidInput

if TYPE_CHECKING:
    from appcues_async.sandbox import SandboxConnection

__all__ = ["add_commands"]

Url = Annotated[
    str | None,
    Parameter(
        name="--url", env_var="APPCUES_BASE_URL", help="Where the sandbox listens, as it printed."
    ),
]
Token = Annotated[
    str | None,
    Parameter(
        name="--token",
        env_var="APPCUES_SANDBOX_TOKEN",
        help="Its token, as it printed at its start.",
    ),
]


def add_commands(app: App) -> None:
    """Adds the commands that steer a sandbox in another process."""
    for command in (fault, faults, clear_faults, clock, reset, seed, state):
        app.command(command)


def fault(
    kind: str,
    *details: Annotated[str, Parameter(name="KEY=VALUE")],
    url: Url = None,
    token: Token = None,
    method: Annotated[
        str | None, Parameter(help="To requests of this HTTP method; any when left out.")
    ] = None,
    path: Annotated[
        str | None,
        Parameter(help="To requests whose path has a match for this regular expression."),
    ] = None,
    skip: Annotated[
        int, Parameter(validator=at_least(0), help="How many of those to leave alone first.")
    ] = 0,
    times: Annotated[
        int, Parameter(validator=at_least(0), help="How many requests; 0 for all from now on.")
    ] = 1,
    probability: Annotated[
        float, Parameter(validator=at_least(0, 1), help="The chance of each of them, 0 to 1.")
    ] = 1.0,
) -> None:
    """Let something go wrong: answer, reset, close, stall, truncate, misstate, raw or amend.

    Details are the attributes of that fault, such as status=503 or applied=true.

    Example: appcues-async sandbox fault answer status=503 --path /import/ --times 3
    """
    content: dict[str, Any] = {"kind": kind, **dict(_pair(text) for text in details)}
    content.update(skip=skip, times=times or None, probability=probability)
    content.update({name: value for name, value in (("method", method), ("path", path)) if value})
    with _connected(url, token) as sandbox:
        sandbox.call("POST", "faults", content)


def faults(*, url: Url = None, token: Token = None, output: Output = "table") -> None:
    """List the faults in force, with how often each has happened.

    Example: appcues-async sandbox faults
    """
    with _connected(url, token) as sandbox:
        show(sandbox.call("GET", "faults"), output)


def clear_faults(*, url: Url = None, token: Token = None) -> None:
    """End all faults, and let go what they hold.

    Example: appcues-async sandbox clear-faults
    """
    with _connected(url, token) as sandbox:
        sandbox.faults.clear()


def clock(
    seconds: Annotated[float, Parameter(validator=at_least(0))],
    *,
    url: Url = None,
    token: Token = None,
) -> None:
    """Move the sandbox's clock forward, so that its jobs end.

    Example: appcues-async sandbox clock 3600
    """
    with _connected(url, token) as sandbox:
        sandbox.advance(seconds)


def reset(*, url: Url = None, token: Token = None) -> None:
    """Go back to the beginning: no data, no faults, no requests.

    Example: appcues-async sandbox reset
    """
    with _connected(url, token) as sandbox:
        sandbox.reset()


def seed(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    url: Url = None,
    token: Token = None,
) -> None:
    """Put data in, from a JSON file with profiles, events and segments; - reads stdin.

    The file is like {"profiles": {"007": {"plan": "pro"}}, "events": [{"user_id": "007", "name":
    "Signed up"}], "segments": {"vip": ["007"]}}.

    Example: appcues-async sandbox seed seed.json
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        content = json.loads(text)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON: {error}") from None
    with _connected(url, token) as sandbox:
        sandbox.call("POST", "seed", content)


def state(*, url: Url = None, token: Token = None) -> None:
    """Print all that the sandbox holds, as JSON.

    Example: appcues-async sandbox state
    """
    with _connected(url, token) as sandbox:
        print(json.dumps(sandbox.call("GET", "state"), indent=2))


@contextmanager
def _connected(url: str | None, token: str | None) -> Iterator[SandboxConnection]:
    if url is None or token is None:
        raise InvalidInput(
            "it is not known which sandbox is meant: export APPCUES_BASE_URL and APPCUES_SANDBOX_TOKEN "
            "as it printed them, or give --url and --token"
        )
    # A server takes its time to import, and most commands do without it.
    from appcues_async.sandbox import Sandbox  # noqa: PLC0415

    try:
        yield Sandbox.connect(url, token)
    except (ValueError, TypeError) as error:
        raise InvalidInput(str(error)) from None
    except RuntimeError as error:
        raise CommandFailed(str(error), kind="SandboxNotReached", exit_code=CONFIGURATION) from None


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f"{text!r} is no detail of a fault; write it as KEY=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
