"""The command `appcues-async`: its nouns, and how it ends."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cyclopts import App, CycloptsError, MissingArgumentError

from appcues_async.cli import (
    activity,
    analytics,
    customerio,
    demo,
    exports,
    gdpr,
    groups,
    guide,
    imports,
    jobs,
    journal,
    mcp,
    outbox,
    profiles,
    publishing,
    request,
    sandbox,
    screenshots,
    segments,
    status,
    sync,
    users,
)
from appcues_async.cli.failures import (
    INTERRUPTED,
    UNEXPECTED,
    USAGE,
    CommandFailed,
    exit_code_of,
    message_of,
)
from appcues_async.cli.output import json_text, say, writing
from appcues_async.cli.signals import SIGNALLED, interrupts
from appcues_async.errors import AppcuesError
from appcues_async.notices import log

__all__ = ["app", "run"]

app: App = App(
    name="appcues-async",
    help=(
        "Push data to Appcues, and know when it has arrived. Credentials come from APPCUES_ACCOUNT_ID, "
        "APPCUES_API_KEY and APPCUES_API_SECRET, or from --profile NAME; --sandbox needs none."
        "\n\nExample: appcues-async import profiles users.csv --sandbox"
    ),
    version=lambda: version("appcues-async"),
    suppress_keyboard_interrupt=False,
)
_NOUNS: Final = (
    imports.app,
    exports.app,
    segments.app,
    sync.app,
    users.app,
    groups.app,
    activity.app,
    publishing.FLOWS,
    publishing.EXPERIENCES,
    publishing.CHECKLISTS,
    publishing.TAGS,
    screenshots.app,
    analytics.app,
    jobs.app,
    journal.app,
    outbox.app,
    gdpr.app,
    customerio.app,
    request.app,
    status.app,
    profiles.app,
    mcp.app,
    sandbox.app,
    demo.app,
    guide.app,
)
for _noun in _NOUNS:
    app.command(_noun)


def run(arguments: Sequence[str]) -> int:
    """Runs one command; an error becomes words on a terminal, and one line of JSON elsewhere.

    Args:
        arguments: What follows the command's name.

    Returns:
        The exit code.
    """
    _fill_closed_streams()
    # The command tells all that in words of its own; `-v` logs it beside them.
    log.addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding does not have must not end the command.
            stream.reconfigure(errors="backslashreplace")
    with interrupts() as stopped:
        code = _run(arguments)
    if code in {0, INTERRUPTED} and stopped:
        name = stopped[0].name
        return _tell(f"stopped by {name}", kind=name, exit_code=SIGNALLED + stopped[0])
    if code == INTERRUPTED:
        return _tell("interrupted", kind="KeyboardInterrupt", exit_code=code)
    return code


def _fill_closed_streams() -> None:
    """Keeps the numbers of standard streams that are closed from files and sockets of this program.

    Writing to a closed stdout fails, as it does for any program; nobody misses what stderr would say.
    """
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8")
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end


def _run(arguments: Sequence[str]) -> int:
    try:
        with writing():
            app(
                arguments,
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
                backend="asyncio",
            )
    except (CycloptsError, CommandFailed, AppcuesError) as error:
        return _tell_of(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - told as the rest is, in one line
        return _tell_of_unexpected(error)
    return 0


def _tell_of(error: CycloptsError | CommandFailed | AppcuesError) -> int:
    match error:
        case CommandFailed():
            return _tell(
                str(error), kind=error.kind, exit_code=error.exit_code, status=error.status
            )
        case AppcuesError():
            kind, code = type(error).__name__, exit_code_of(error)
            return _tell(message_of(error), kind=kind, exit_code=code, status=error.status)
        case MissingArgumentError(keyword=None, argument=argument) if (
            argument and not argument.tokens
        ):
            tried = " ".join(["appcues-async", *(error.command_chain or ())])
            said = f"{tried} needs {argument.name}, which is missing."
            return _tell(f"{said} Try: {tried} --help", kind="UsageError", exit_code=USAGE)
        case _:
            said = re.sub(r"\s+", " ", str(error)).strip()
            tried = " ".join(["appcues-async", *(error.command_chain or ())])
            return _tell(f"{said} Try: {tried} --help", kind="UsageError", exit_code=USAGE)


def _tell_of_unexpected(error: Exception) -> int:
    if os.environ.get("APPCUES_DEBUG"):
        traceback.print_exception(error)
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    # Not what the error says: nobody has made sure that it tells no secret.
    return _tell(
        f"{type(error).__name__} was not expected here; APPCUES_DEBUG=1 shows where it is from",
        kind=type(error).__name__,
        exit_code=UNEXPECTED,
    )


def _tell(message: str, *, kind: str, exit_code: int, status: int | None = None) -> int:
    """Writes how the command ended to stderr; returns the exit code."""
    if sys.stderr.isatty():
        say(f"Error: {message}")
    else:
        line = {
            "error": True,
            "type": kind,
            "status": status,
            "message": message,
            "exit_code": exit_code,
        }
        with suppress(OSError):
            print(json_text(line, sys.stderr), file=sys.stderr, flush=True)
    return exit_code
