"""Values of odd kinds, and what refuses them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from appcues_async.errors import InvalidInput


class Text(str):
    """Text of a kind of its own, as numpy's is."""

    __slots__ = ()


class RunSpec(str, enum.Enum):  # noqa: UP042 - its str() is not its value
    PRO = "pro"


class Level(enum.IntEnum):
    HIGH = 3


class Color(enum.Enum):
    RED = "red"


class Float(float):
    """A float of a kind of its own, as numpy's is."""

    __slots__ = ()


class Missing(datetime):
    """A missing time as pandas has it: a datetime whose text is `NaT`."""

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return "NaT"

    def __repr__(self) -> str:
        return "NaT"


def refusal_of(check: Callable[..., object], *args: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        check(*args)
    return str(caught.value)
