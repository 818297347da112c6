"""Keeps outboxes that are open usable while this process forks.

SQLite must not be carried into a child: what it knows of locks would be wrong there, and neither process
would notice. So a store closes its file before a fork and opens it again after it, in the parent alone.
"""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet

__all__ = ["Forked", "watch"]


class Forked(Protocol):
    """Something that a fork must not find open."""

    def pause(self) -> None:
        """Closes what is open, before this process forks."""
        ...

    def resume(self) -> None:
        """Opens it again, in the parent."""
        ...

    def disown(self) -> None:
        """Gives it up, in the child."""
        ...


_open: Final[WeakSet[Forked]] = WeakSet()
_inherited: Final[list[Forked]] = []
"""Objects that a child has of its parent, kept so that nothing of them is closed there."""


def watch(one: Forked) -> None:
    """Watches over something until it is collected."""
    _open.add(one)


def _pause() -> None:
    for one in list(_open):
        one.pause()


def _resume() -> None:
    for one in list(_open):
        one.resume()


def _disown() -> None:
    for one in list(_open):
        _inherited.append(one)
        one.disown()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_disown)
