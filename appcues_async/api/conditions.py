"""Which events an export holds, said in Python (reference, "Export Bulk Event Data", Conditions).

The API takes `[field, operator, value]`, `[field, operator]` and `[conjunction, condition, ...]`. The
operators here are those that its documents and its analytics vocabulary show; which fields there are,
and which operators go with them, is the server's to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from attrs import frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.attributes import check_json
from appcues_async.rows.values import check_text, shown

__all__ = ["Condition", "Conditions", "Field", "conditions_of", "where"]

_SHAPES: Final = "[field, operator, value], [field, operator] or [conjunction, condition, ...]"
_JOIN: Final = (
    "join conditions with & and |, each in parentheses, as in "
    '(where("name") == "a") | (where("name") == "b")'
)


def _no_truth(what: str) -> TypeError:
    return TypeError(f"{what} is neither true nor false; {_JOIN}")


@frozen(eq=False, repr=False)
class Condition:
    """A condition on events, made by `where`; joined to others with `&` and `|`.

    Attributes:
        parts: Field, operator and value; of joined conditions, those.
        conjunction: What joins them, `and` or `or`; None for a single condition.
    """

    parts: tuple[Any, ...]
    conjunction: str | None = None

    def __and__(self, other: Condition) -> Condition:
        return self._joined("and", other)

    def __or__(self, other: Condition) -> Condition:
        return self._joined("or", other)

    def _joined(self, conjunction: str, other: object) -> Condition:
        if not isinstance(other, Condition):
            raise TypeError(f"a condition cannot be joined to {shown(other)}; {_JOIN}")
        both = (*self.members(conjunction), *other.members(conjunction))
        return Condition(both, conjunction)

    def members(self, conjunction: str) -> tuple[Condition, ...]:
        """The conditions that a conjunction joins; a chain of one is flat, not lists in lists."""
        return self.parts if self.conjunction == conjunction else (self,)

    def as_list(self) -> list[Any]:
        """The condition as the lists that the API takes."""
        if self.conjunction is None:
            return list(self.parts)
        return [self.conjunction, *(member.as_list() for member in self.parts)]

    def __bool__(self) -> NoReturn:
        raise _no_truth("a condition")

    def __repr__(self) -> str:
        return f"<Condition {shown(self.as_list(), 200)}>"


class Field:  # noqa: PLW1641 - `==` makes a condition, by which nothing can be looked up
    """A field of events, to be compared; made by `where`."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        """Names a field; use `where`.

        Args:
            name: The field's name.
        """
        self._name = check_text(name, "the name of a field")

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compared("==", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compared("!=", value)

    def is_in(self, values: Iterable[Any]) -> Condition:
        """The field has one of these values."""
        return self._among("in", values)

    def not_in(self, values: Iterable[Any]) -> Condition:
        """The field has none of these values."""
        return self._among("not in", values)

    def like(self, pattern: str) -> Condition:
        """The field matches a pattern, in which `%` is any text."""
        return self._matched("like", pattern)

    def not_like(self, pattern: str) -> Condition:
        """The field does not match a pattern, in which `%` is any text."""
        return self._matched("not like", pattern)

    def ilike(self, pattern: str) -> Condition:
        """The field matches a pattern in upper or lower case."""
        return self._matched("ilike", pattern)

    def not_ilike(self, pattern: str) -> Condition:
        """The field does not match a pattern in upper or lower case."""
        return self._matched("not ilike", pattern)

    def is_null(self) -> Condition:
        """The field has no value."""
        return Condition((self._name, "is null"))

    def is_not_null(self) -> Condition:
        """The field has a value."""
        return Condition((self._name, "is not null"))

    def __and__(self, _: object) -> NoReturn:
        self._not_compared()

    def __or__(self, _: object) -> NoReturn:
        self._not_compared()

    __rand__ = __and__
    __ror__ = __or__

    def __bool__(self) -> NoReturn:
        raise _no_truth(f"the field {self._name}")

    def __repr__(self) -> str:
        return f"where({self._name!r})"

    def _not_compared(self) -> NoReturn:
        # Python reads `a == b & c == d` as `a == (b & c) == d`.
        raise TypeError(f"the field {self._name} is joined before it is compared; {_JOIN}")

    def _compared(self, operator: str, value: object) -> Condition:
        if value is None:
            other = "is_null" if operator == "==" else "is_not_null"
            raise InvalidInput(f"{self._name} is compared with None; use .{other}()")
        return self._condition(operator, value)

    def _among(self, operator: str, values: object) -> Condition:
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise InvalidInput(
                f"{self._name} {operator} is given {shown(values)}; give a list of values, even of one"
            )
        listed = list(values)
        if not listed:
            raise InvalidInput(f"{self._name} {operator} is given no values; give at least one")
        return self._condition(operator, listed)

    def _matched(self, operator: str, pattern: object) -> Condition:
        return self._condition(operator, check_text(pattern, f"the pattern of {self._name}"))

    def _condition(self, operator: str, value: object) -> Condition:
        return Condition((self._name, operator, check_json(value, self._name)))


def where(field: str) -> Field:
    """Begins a condition on one field of events.

    For example `where("name").like("appcues%")`, `where("flow_id") == "x"`,
    `where("name").is_in(["a", "b"])`, `where("nps_feedback").is_not_null()`.

    Args:
        field: Its name; which ones there are is the server's to say.

    Raises:
        InvalidInput: The name is empty or no text.
    """
    return Field(field)


Conditions: TypeAlias = Condition | Sequence[Condition | Sequence[Any]]
"""A condition, or a list of them, or of the lists that the API takes; all of a list must hold."""


def conditions_of(given: Any) -> list[list[Any]]:
    """Makes the API's list of conditions; all of them must hold, and an empty list is all events.

    Raises:
        InvalidInput: Something in it has not the shape of a condition.
    """
    if isinstance(given, Condition):
        given = [given]
    if not isinstance(given, list | tuple):
        raise InvalidInput(
            f"conditions is {shown(given)}; give a list of conditions, [] for all events"
        )
    found: list[list[Any]] = []
    for number, one in enumerate(given):
        if isinstance(one, Condition):
            # That all of a list must hold is documented; the conjunction that says so is not.
            found += [member.as_list() for member in one.members("and")]
        else:
            found.append(_checked(one, f"conditions[{number}]"))
    return found


def _checked(given: Any, place: str) -> list[Any]:
    if isinstance(given, Condition):
        return given.as_list()
    if not isinstance(given, list | tuple) or not given:
        raise InvalidInput(
            f"{place} is {shown(given)}; a condition is {_SHAPES}, in a list of them"
        )
    first, *others = given
    check_text(first, f"{place}[0]")
    if others and all(isinstance(one, Condition | list | tuple) for one in others):
        return [first, *(_checked(one, f"{place}[{n}]") for n, one in enumerate(others, start=1))]
    if len(others) not in {1, 2} or not isinstance(others[0], str) or not others[0]:
        raise InvalidInput(f"{place} is {shown(given)}; a condition is {_SHAPES}")
    return [first, *(check_json(one, place) for one in others)]
