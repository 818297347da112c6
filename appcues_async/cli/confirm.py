"""Asking before what cannot be undone."""

from __future__ import annotations

import sys

from appcues_async.cli.failures import USAGE, CommandFailed
from appcues_async.cli.inputs import interruptible
from appcues_async.text import printable

__all__ = ["confirm"]


def confirm(what: str, yes: bool) -> None:
    """Asks on a terminal, unless `yes` has answered already.

    Raises:
        CommandFailed: The answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{what}: nobody can be asked here; give --yes to do it",
            kind="InvalidInput",
            exit_code=USAGE,
        )
    with interruptible():
        print(printable(f"{what}? [y/N] "), end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
    if answer.strip().lower() not in {"y", "yes"}:
        raise CommandFailed("nothing was done", kind="InvalidInput", exit_code=USAGE)
