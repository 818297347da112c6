"""Attributes that are replaced while telemetry is on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["Patches"]


class Patches:
    """Attributes that were replaced, so that they can be put back."""

    def __init__(self) -> None:
        self._former: list[tuple[Any, str, Any]] = []

    def wrap(self, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
        """Replaces an attribute by what `wrapper` makes of it."""
        former = getattr(owner, name)
        self._former.append((owner, name, former))
        setattr(owner, name, functools.wraps(former)(wrapper(former)))

    def undo(self) -> None:
        """Puts everything back."""
        while self._former:
            owner, name, former = self._former.pop()
            setattr(owner, name, former)
