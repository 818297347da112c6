"""Conditions of exports, as they are written on a command line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from appcues_async.errors import InvalidInput

__all__ = ["conditions_of"]

_CONDITION: Final = re.compile(
    r"\s*(?P<field>\S+)\s+(?:(?P<bare>is\s+(?:not\s+)?null)\s*"
    r"|(?P<operator>==|!=|(?:not\s+)?(?:in|like|ilike))\s+(?P<value>.*))",
    re.DOTALL,
)


def conditions_of(texts: Sequence[str], raw: str | None) -> list[Any]:
    """Reads conditions, all of which must hold.

    Args:
        texts: Each FIELD OPERATOR VALUE or FIELD is [not] null; values are text, and those of `in` are
            parted by commas.
        raw: The API's own JSON list of conditions, for what this cannot say.

    Raises:
        InvalidInput: One of them is no condition.
    """
    given: Any = []
    if raw is not None:
        try:
            given = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"--conditions holds no JSON: {error}") from None
        if not isinstance(given, list):
            raise InvalidInput("--conditions must be a JSON list of conditions, [] for all events")
    return [*given, *map(_condition, texts)]


def _condition(text: str) -> list[Any]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"--condition is {text!r}; it must be FIELD OPERATOR VALUE, such as 'name like appcues%', "
            "or FIELD is not null; the operators are ==, !=, in, like, ilike and their opposites: "
            "anything else goes into --conditions, as JSON"
        )
    if match["bare"]:
        return [match["field"], " ".join(match["bare"].split())]
    operator, value = " ".join(match["operator"].split()), match["value"].strip()
    if operator in {"in", "not in"}:
        return [match["field"], operator, [one.strip() for one in value.split(",")]]
    return [match["field"], operator, value]
