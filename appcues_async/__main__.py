"""`python -m appcues_async`, and the command `appcues-async`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Final, NoReturn

INSTALL: Final = "pip install 'appcues-async[cli]'"
USAGE: Final = 2


def main() -> None:
    """Runs the command line; says what to install where its libraries are missing."""
    if sys.argv[1:] == ["--version"]:
        # Known without the libraries, and without the time that they take to import.
        print(version("appcues-async"))
        return
    try:
        with _ended_by_signals():
            # Only now: whoever did without the extra is to be told so.
            from appcues_async.cli.app import run  # noqa: PLC0415
    except ImportError as error:
        missing = (error.name or "cyclopts").partition(".")[0]
        if missing == "appcues_async":
            raise
        raise SystemExit(_refuse(missing)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(run(sys.argv[1:]))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end an import too: process 1 of a container ignores them by default."""
    names = signal.Signals.__members__
    numbers = [names[name] for name in ("SIGTERM", "SIGHUP") if name in names]
    unhandled = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in unhandled:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in unhandled:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    # As shells have it.
    raise SystemExit(128 + number)


def _refuse(missing: str) -> int:
    message = f"the command line needs {missing}; run: {INSTALL}"
    error = {
        "error": True,
        "type": "MissingExtra",
        "status": None,
        "message": message,
        "exit_code": USAGE,
    }
    print(f"Error: {message}" if sys.stderr.isatty() else json.dumps(error), file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    main()
