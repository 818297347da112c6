"""SIGTERM and SIGHUP end a command as Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["ENDING", "SIGNALLED", "interrupts"]

ENDING: Final = tuple(number for number in signal.Signals if number.name in {"SIGTERM", "SIGHUP"})
"""The signals that end a command, of those that there are here."""

SIGNALLED: Final = 128
"""An exit code of a command that a signal ended is this and the signal's number, as shells have it."""


@contextmanager
def interrupts() -> Iterator[list[signal.Signals]]:
    """Makes SIGTERM and SIGHUP interrupt what runs, where they are not ignored, as under nohup.

    Handlers are set for process 1 of a container as well, which no signal ends by default.

    Yields:
        The signals that came.
    """
    came: list[signal.Signals] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(signal.Signals(number))
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):
            # Ctrl-C is ignored, as in the background of a shell.
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    before = {
        number: signal.signal(number, interrupt)
        for number in ENDING
        if signal.getsignal(number) is signal.SIG_DFL
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
