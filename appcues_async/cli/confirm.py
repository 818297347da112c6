"""Questions on a terminal; the most important one comes before what cannot be undone."""

from __future__ import annotations

import getpass
import sys

from appcues_async.cli.failures import USAGE, CommandFailed
from appcues_async.cli.inputs import interruptible
from appcues_async.cli.options import Options
from appcues_async.errors import InvalidInput
from appcues_async.text import printable

__all__ = ["ask", "ask_secret", "can_ask", "confirm"]


def can_ask() -> bool:
    """Whether somebody at a terminal can answer."""
    return sys.stdin.isatty()


def ask(question: str) -> str:
    """Asks for a line of text."""
    with interruptible():
        print(printable(question), end=" ", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()


def ask_secret(question: str) -> str:
    """Asks for text that is not shown while it is typed."""
    with interruptible():
        return getpass.getpass(f"{question} ").strip()


def confirm(what: str, options: Options, *, yes: bool = False) -> None:
    """Asks on a terminal, unless nothing is sent or `yes` has answered already.

    Args:
        what: What is about to be done.
        options: Whether it is done at all, and whether a question is asked for.
        yes: Whether to do it without asking.

    Raises:
        InvalidInput: To ask and not to ask are both wanted.
        CommandFailed: The answer is no, or there is nobody to ask.
    """
    if yes and options.interactive:
        raise InvalidInput("--interactive and --yes exclude each other; give one of them")
    if yes or options.dry_run:
        return
    if not can_ask():
        raise CommandFailed(
            f"{what}: nobody can be asked here; give --yes to do it",
            kind="InvalidInput",
            exit_code=USAGE,
        )
    if ask(f"{what}? [y/N]").lower() not in {"y", "yes"}:
        raise CommandFailed("nothing was done", kind="InvalidInput", exit_code=USAGE)
