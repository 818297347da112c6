"""Finds out whether a process is dead: a connection that broke shows no more than that it broke."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from attrs import frozen

__all__ = ["Process", "is_dead", "this_process"]


@frozen
class Process:
    """A process, told from every other that ever was.

    Attributes:
        place: Where its number counts: the machine since it was started, and its namespace; empty where
            that cannot be known.
        pid: Its number there.
        started: When it began, in ticks since the machine was started.
    """

    place: str
    pid: int
    started: str


@cache
def this_process() -> Process:
    """The process that this is."""
    pid = os.getpid()
    found = _look_at(pid)
    return Process(_place(), pid, "" if found is None else found[1])


def is_dead(process: Process) -> bool | None:
    """Whether a process has ended; None where that cannot be seen from here."""
    if not process.place or process.place != _place():
        return None
    found = _look_at(process.pid)
    # One that nobody has waited for yet sends no more; another may have its number by now.
    return found is None or found[0] in "ZX" or found[1] != process.started


@cache
def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it leads to no file
    except (OSError, ValueError):
        return ""


def _look_at(pid: int) -> tuple[str, str] | None:
    """The state of a process and when it began; None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # Its name, in brackets, may hold anything.
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], fields[19]
