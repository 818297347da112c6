"""Conditions on events: their shape is checked, and events are matched."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from appcues_async.sandbox.problems import Refusal

__all__ = ["check_condition", "matches", "value_of"]

_CONJUNCTIONS: Final = frozenset({"and", "or"})


def check_condition(condition: object, *, nested: bool = True) -> None:
    """Checks the shape of a condition; which fields and operators exist is not documented.

    Args:
        condition: What was sent.
        nested: Whether conditions may be joined by `and` and `or`.

    Raises:
        Refusal: 400 if it is no condition.
    """
    if not isinstance(condition, list) or not condition or not isinstance(condition[0], str):
        raise Refusal(400, "each of `conditions` must be an array that starts with a string")
    if nested and condition[0] in _CONJUNCTIONS:
        if len(condition) == 1:
            raise Refusal(400, f"{condition[0]!r} must be followed by conditions")
        for inner in condition[1:]:
            check_condition(inner)
    elif len(condition) not in {2, 3} or not isinstance(condition[1], str):
        raise Refusal(400, "each condition must be [field, operator, value]")


def value_of(event: Mapping[str, Any], field: str) -> Any:
    """Returns an event's value of a field; None where it has none."""
    if field == "event":
        field = "name"
    if field in {"name", "user_id", "timestamp"}:
        return event[field]
    return event["attributes"].get(field)


def matches(event: Mapping[str, Any], conditions: Sequence[Sequence[Any]]) -> bool:
    """Returns whether an event meets all conditions."""
    return all(_meets(event, condition) for condition in conditions)


def _meets(event: Mapping[str, Any], condition: Sequence[Any]) -> bool:
    match condition:
        case ["and", *inner]:
            return matches(event, inner)
        case ["or", *inner]:
            return any(_meets(event, one) for one in inner)
        case [field, operator, *given]:
            compare = _OPERATORS.get(operator)
            given_value = given[0] if given else None
            return compare is not None and compare(value_of(event, field), given_value)
        case _:
            return False


def _is_in(value: object, given: object) -> bool:
    return isinstance(given, list) and value in given


def _like(value: object, given: object, *, case: bool = True) -> bool:
    if not isinstance(value, str) or not isinstance(given, str):
        return False
    return _pattern(given, case=case).fullmatch(value) is not None


@functools.lru_cache(maxsize=256)
def _pattern(given: str, *, case: bool) -> re.Pattern[str]:
    """Compiles an SQL pattern: % matches anything, _ one character."""
    wild = {"%": ".*", "_": "."}
    text = "".join(wild.get(character) or re.escape(character) for character in given)
    return re.compile(text, re.DOTALL if case else re.DOTALL | re.IGNORECASE)


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda value, given: bool(value == given),
    "!=": lambda value, given: bool(value != given),
    "in": _is_in,
    "not in": lambda value, given: not _is_in(value, given),
    "like": _like,
    "not like": lambda value, given: not _like(value, given),
    "ilike": lambda value, given: _like(value, given, case=False),
    "not ilike": lambda value, given: not _like(value, given, case=False),
    "is null": lambda value, _: value is None,
    "is not null": lambda value, _: value is not None,
}
