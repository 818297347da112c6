"""Ids of users: which are one, and what they are as text.

An id that is none makes a user whom nobody meant: all rows in which a program wrote `nan` for nothing
become one user, and `42` followed by a zero-width space is another user than `42`. So such ids are
refused where data is made. Reading, deleting and removing take any id, so that such users can be
cleaned up.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from attrs import field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.values import plain_scalar, plain_text, shown

__all__ = [
    "ANY_ID",
    "NEW_ID",
    "PLACEHOLDERS",
    "SPREADSHEET_NUMBER",
    "IdRule",
    "UserId",
    "check_user_ids",
    "id_rule",
]

UserId: TypeAlias = str | int | UUID
"""The id of a user; sent as text."""

PLACEHOLDERS: Final = frozenset(
    {
        "nan", "NaN", "None", "null", "NULL", "undefined", "[object Object]", "\\N", "#N/A", "#REF!",
        "#VALUE!", "<NA>", "NaT",
    }
)  # fmt: skip
"""Texts that programs write where there is no id, in exactly these spellings."""
_IN_PLACEHOLDERS: Final = "nN#["
"""Each of them holds one of these."""

SPREADSHEET_NUMBER: Final = re.compile(r"[0-9](?:[.,][0-9]+E[+-]?[0-9]+|[0-9]*\.0)")
"""An id of digits as a spreadsheet rewrites it; the whole id is one."""

_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Characters that show nothing, and are no format characters to Unicode."""
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode's categories of what shows nothing: controls, zero-width, directions, separators of lines."""
_VISIBLE: Final = bytes(range(0x21, 0x7F))
_TYPES: Final = frozenset({str, int, UUID})


@frozen
class IdRule:
    """Which ids are taken.

    Attributes:
        allowed: Ids that are taken although they look like none.
        any_text: Whether every id is taken that is not empty.
    """

    allowed: frozenset[str] = frozenset()
    any_text: bool = False
    _placeholders: frozenset[str] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        # Attributes of a frozen class are set like this.
        object.__setattr__(self, "_placeholders", PLACEHOLDERS - self.allowed)

    def check(self, value: object, where: str = "user_id") -> str:
        """Takes an id as text, with its leading zeros.

        Args:
            value: Text, an integer or a UUID.
            where: What it is, for the message.

        Raises:
            InvalidInput: It is no id.
        """
        text = _text_of(value, where)
        if not text:
            raise InvalidInput(f"{where} is empty; every row needs the id of its user")
        if not self.any_text and text not in self.allowed:
            _refuse(text, where)
        return text

    def prove(self, ids: Sequence[Any]) -> Sequence[str] | None:
        """Takes a whole column of ids at once.

        Args:
            ids: The ids of some rows.

        Returns:
            The same as text; None where one of them may be no id, which `check` finds out.
        """
        try:
            texts, joined = ids, "".join(ids)
        except TypeError:
            found = _as_texts(ids)
            if found is None:
                return None
            texts, joined = found, "".join(found)
        if not all(texts):
            return None
        if self.any_text:
            # Half characters are found by `check`.
            good = joined.isascii() or joined.isprintable()
        else:
            good = (
                _are_visible(joined, texts)
                and not self._may_be_placeholders(joined, texts)
                and not _may_be_numbers(joined, texts)
            )
        return texts if good else None

    def _may_be_placeholders(self, joined: str, ids: Sequence[str]) -> bool:
        if not any(letter in joined for letter in _IN_PLACEHOLDERS):
            return False
        return not self._placeholders.isdisjoint(ids)


NEW_ID: Final = IdRule()
"""Where data is made: text that cannot be an id is refused."""
ANY_ID: Final = IdRule(any_text=True)
"""Where nothing is made: any id that is not empty."""


def id_rule(allow_ids: object = ()) -> IdRule:
    """Makes the rule for ids where data is made.

    Args:
        allow_ids: Ids that are taken although they look like none.

    Raises:
        InvalidInput: One of them is no text, or empty.
    """
    if not isinstance(allow_ids, Iterable) or isinstance(allow_ids, str | bytes | Mapping):
        raise InvalidInput(f"allow_ids is {shown(allow_ids)}; give a set of ids, even of one")
    allowed = frozenset(ANY_ID.check(one, "an id of allow_ids") for one in allow_ids)
    return IdRule(allowed) if allowed else NEW_ID


def check_user_ids(values: object, where: str = "user_ids", rule: IdRule = NEW_ID) -> list[str]:
    """Takes the ids of one request.

    Raises:
        InvalidInput: There are none, or one of them is refused.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidInput(f"{where} is {shown(values)}; give a list of ids, even of one")
    ids = [rule.check(value, f"{where}[{number}]") for number, value in enumerate(values)]
    if not ids:
        raise InvalidInput(f"{where} is empty; give at least one id")
    return ids


def _as_texts(ids: Sequence[Any]) -> Sequence[str] | None:
    if not set(map(type, ids)) <= _TYPES:
        return None
    try:
        return list(map(str, ids))
    except ValueError:
        # Python refuses to write out integers of thousands of digits.
        return None


def _are_visible(joined: str, ids: Sequence[str]) -> bool:
    """Whether all characters are seen, and none of the ids is padded."""
    if joined.isascii() and not joined.encode().translate(None, _VISIBLE):
        return True
    # What Python calls printable is less than what is taken one by one.
    if not joined.isprintable() or not _FILLERS.isdisjoint(joined):
        return False
    return " " not in joined or all(one == one.strip() for one in ids)


def _may_be_numbers(joined: str, ids: Sequence[str]) -> bool:
    """Whether an id may be what a spreadsheet made of a number."""
    if "." not in joined and ("E" not in joined or "," not in joined):
        return False
    if ".0" not in joined and "E" not in joined:
        return False
    return any(map(SPREADSHEET_NUMBER.fullmatch, ids))


def _text_of(value: object, where: str) -> str:
    given, value = value, plain_scalar(value)
    if isinstance(value, str):
        return plain_text(value, where)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(int(value))
        except ValueError:
            raise InvalidInput(f"{where} is {shown(value)}; give it as text") from None
    if value is None:
        raise InvalidInput(f"{where} is missing; ids are text, such as '007'")
    kind, fix = type(given).__name__, ""
    if isinstance(value, float | Decimal):
        fix = ": a float drops digits and zeros, so read the column as text"
    elif isinstance(value, bytes | bytearray):
        fix = ": decode it"
    raise InvalidInput(
        f"{where} is {shown(given)}, a {kind}; ids are text, such as '007', an int or a UUID{fix}"
    )


def _refuse(text: str, where: str) -> None:
    """Refuses text that is no id.

    Raises:
        InvalidInput: It is none.
    """
    if not text.strip():
        raise InvalidInput(f"{where} is blank; every row needs the id of its user")
    for one in "" if text.isprintable() and text.isascii() else text:
        if unicodedata.category(one) not in _INVISIBLE and one not in _FILLERS:
            continue
        if one < " " or one == "\x7f":
            # Lines of an open file end in one, and no user is called that.
            raise InvalidInput(
                f"{where} is {shown(text)}; an id holds no control characters: take them off with "
                "strip()"
            )
        name = unicodedata.name(one, "a control character").lower()
        raise InvalidInput(
            f"{where} is {text!a}, which holds {name} (U+{ord(one):04X}); nobody sees it, and it "
            "makes another user: take it out, or name the id in allow_ids"
        )
    if text != text.strip():
        raise InvalidInput(
            f"{where} is {shown(text)}; the blanks around it make another user: take them off with "
            "strip(), or name the id in allow_ids"
        )
    if text in PLACEHOLDERS:
        raise InvalidInput(
            f"{where} is {shown(text)}, which programs write where there is no id; leave the row out, "
            "or name the id in allow_ids if a user is called that"
        )
    if SPREADSHEET_NUMBER.fullmatch(text):
        raise InvalidInput(
            f"{where} is {shown(text)}, which a spreadsheet made of a number; export the column as "
            "text, or name the id in allow_ids if a user is called that"
        )
