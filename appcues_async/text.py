"""Text for people: numbers of things, and what must not be shown as it is.

That are secrets, links that open files, and what steers terminals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, SupportsIndex

__all__ = [
    "Link",
    "Secret",
    "counted",
    "guard_links",
    "hide_links",
    "printable",
    "remove_links",
    "type_in_words",
]

_LINK: Final = re.compile(r"(https?:)(?:\\*/){2}[^\s\"<>]*", re.IGNORECASE)
_DEEPEST: Final = 100
"""Levels of lists and objects that are kept; what is deeper could not even be printed."""


class Secret(str):
    """Text that does not show itself where a program prints or pickles its own state."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Secret:
        # What prints state cuts long text short first, and then asks for the repr of the rest.
        return Secret(super().__getitem__(key))

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("secrets are not pickled; give them anew where they are needed")


class Link(Secret):
    """Text that holds a link; it shows itself, and is pickled, without what the link leads to.

    Whoever sees a presigned link can fetch its file.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(hide_links(self))

    def __copy__(self) -> Link:
        return self

    def __deepcopy__(self, _: object) -> Link:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return str, (hide_links(self),)


def counted(number: int, noun: str) -> str:
    """A number of things, for people: `1 row`, `2,000 rows`.

    Args:
        number: How many.
        noun: What they are, in the singular or the plural.
    """
    one = noun[:-2] if noun.endswith("ches") else noun.removesuffix("s")
    if number == 1:
        return f"1 {one}"
    return f"{number:,} {one}{'es' if one.endswith('ch') else 's'}"


def type_in_words(value: object) -> str:
    """The type of a value with its article, for people: `a list`, `an int`."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def hide_links(text: str) -> str:
    """Takes what links lead to out of text."""
    return _LINK.sub(r"\1//…", text) if "/" in text else str(text)


def guard_links(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns JSON values in which each text with a link is a `Link`."""
    return _with_texts(values, _guarded, 0) if values else values


def remove_links(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns JSON values in which no text holds what a link leads to."""
    return _with_texts(values, hide_links, 0) if values else values


def printable(text: str) -> str:
    """Text without what steers a terminal or forges a line of a log, which becomes escapes.

    These are control characters, line breaks, and what reorders or hides text. Names and attributes are
    anybody's to choose.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or _is_harmless(c) else ascii(c)[1:-1] for c in text)


def _guarded(text: str) -> str:
    return Link(text) if "/" in text and _LINK.search(text) else text


def _with_texts(value: Any, change: Callable[[str], str], depth: int) -> Any:
    match value:
        case str():
            return change(value)
        case Mapping() | list() | tuple() if depth == _DEEPEST:
            return "…"
        case Mapping():
            return {
                change(name) if isinstance(name, str) else name: _with_texts(one, change, depth + 1)
                for name, one in value.items()
            }
        case list() | tuple():
            return [_with_texts(one, change, depth + 1) for one in value]
        case _:
            return value


def _is_harmless(character: str) -> bool:
    """Whether it is a space of another width, or joins the parts of an emoji or a letter."""
    return character in "\u200c\u200d" or unicodedata.category(character) == "Zs"
