"""How files differ from what the API takes: another delimiter or encoding, other names of columns."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from attrs import field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.values import shown

__all__ = [
    "PLAIN",
    "Dialect",
    "dialect_of",
    "joined",
    "likely_id",
    "options_for",
    "other_delimiter",
    "with_options",
]

_DELIMITERS: Final = (",", ";", "\t", "|")
"""Marks that programs write between cells, the most likely one first."""
_UTF_8: Final = frozenset({"utf-8", "utf-8-sig"})
_OF_EVENTS: Final[Mapping[str, re.Pattern[str]]] = {
    "timestamp": re.compile("time|date|when|at$"),
    "name": re.compile("event|name|action|type"),
}
"""Likely names of the columns that an event needs."""
_ID: Final = re.compile("id$|^id|nummer|nr$|number|customer|kunde|user|mail|key")
"""Likely names of a column of ids."""
_NAMES: Final = 200
"""Characters of names in a message; what is longer is rather somebody's data."""


@frozen(kw_only=True)
class Dialect:
    """How sources are written, where that is not as the API takes them.

    Attributes:
        delimiter: What stands between the cells of a CSV.
        encoding: How text becomes bytes; None for UTF-8.
        names: The names that columns are sent under, by those that they have.
        id_column: The column that holds the ids, if one is named.
    """

    delimiter: str = ","
    encoding: str | None = None
    names: Mapping[str, str] = field(factory=dict)
    id_column: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the API takes files that are written like this."""
        return self == PLAIN

    @property
    def chooses_ids(self) -> bool:
        """Whether it says which column holds the ids, so that a list of ids may have others."""
        return self.id_column is not None or not {*USER_ID}.isdisjoint(self.names.values())

    def columns(self, given: Sequence[str], name: str) -> list[str]:
        """The names that columns are sent under.

        Args:
            given: The names that they have.
            name: What has them, for messages.

        Raises:
            InvalidInput: A column to rename is not there, or two would have one name.
        """
        named = [*self.names, *([] if self.id_column is None else [self.id_column])]
        missing = next((old for old in named if old not in given), None)
        if missing is not None:
            raise InvalidInput(f"{name} has no column {shown(missing)}; it has: {joined(given)}")
        renamed = [self.names.get(column, column) for column in given]
        for column in set(self.names.values()):
            if renamed.count(column) > 1:
                raise InvalidInput(
                    f"{name} would have the column {shown(column)} twice, as "
                    f"{' and '.join(shown(old) for old in given if self.names.get(old, old) == column)}"
                    " are sent under it; rename the other one as well"
                )
        return renamed

    def row(self, row: Any) -> Any:
        """A row with its values under the names that they are sent under.

        Args:
            row: A mapping; anything else stays as it is.

        Raises:
            InvalidInput: Two values would have one name.
        """
        if not isinstance(row, Mapping) or self.names.keys().isdisjoint(row):
            return row
        renamed = {self.names.get(name, name): value for name, value in row.items()}
        if len(renamed) < len(row):
            for old, new in self.names.items():
                others = [name for name in row if self.names.get(name, name) == new and name != old]
                if old in row and others:
                    raise InvalidInput(
                        f"the row has {shown(old)}, which is sent as {new}, and {shown(others[0])} "
                        "too; rename the other one as well"
                    )
        return renamed


PLAIN: Final = Dialect()
"""As the API takes it: commas, UTF-8, and the API's own names."""


def dialect_of(
    delimiter: object = None,
    encoding: object = None,
    id_column: object = None,
    rename: object = None,
) -> Dialect:
    """Makes a dialect of what a user has said.

    Args:
        delimiter: One character; a comma when left out.
        encoding: A name that Python knows; UTF-8 when left out.
        id_column: The column that holds the ids.
        rename: New names by those that columns have.

    Raises:
        InvalidInput: One of them cannot be.
    """
    names = _names_of(rename)
    if id_column is not None:
        if not isinstance(id_column, str) or not id_column:
            raise InvalidInput(f"id_column is {shown(id_column)}; give the name of a column")
        if id_column in names:
            raise InvalidInput(
                f"{shown(id_column)} is the id_column, and is in rename as well; name it once"
            )
        if id_column not in USER_ID:
            names = {**names, id_column: USER_ID[0]}
    return Dialect(
        delimiter=_delimiter_of(delimiter),
        encoding=_encoding_of(encoding),
        names=names,
        id_column=id_column,
    )


def _delimiter_of(value: object) -> str:
    if value is None:
        return ","
    is_mark = isinstance(value, str) and len(value) == 1 and value.isascii()
    if not is_mark or str(value).isalnum() or value in {'"', "\r", "\n", "\0", " "}:
        raise InvalidInput(
            f"delimiter is {shown(value)}; it must be the one character between cells, such as ';' "
            "or '\\t'"
        )
    return str(value)


def _encoding_of(value: object) -> str | None:
    if value is None:
        return None
    try:
        found = codecs.lookup(value)  # type: ignore[arg-type]
        # Python calls what is no text an encoding as well, such as hex.
        "".encode(found.name)
    except (LookupError, TypeError, ValueError):
        raise InvalidInput(
            f"encoding is {shown(value)}, which Python does not know; give one such as 'cp1252', "
            "'utf-16' or 'shift_jis'"
        ) from None
    return None if found.name in _UTF_8 else found.name


def _names_of(rename: object) -> dict[str, str]:
    if rename is None:
        return {}
    if not isinstance(rename, Mapping):
        raise InvalidInput(
            f"rename is {shown(rename)}; give new names by old ones, such as {{'E-Mail': 'email'}}"
        )
    for one in (*rename.keys(), *rename.values()):
        if not isinstance(one, str) or not one:
            raise InvalidInput(f"rename has {shown(one)}; names of columns are text and not empty")
    if len(set(rename.values())) < len(rename):
        raise InvalidInput(
            f"rename is {shown(dict(rename))}, which gives one name to two columns; give each its own"
        )
    return {old: new for old, new in rename.items() if old != new}


# --- what messages say ---------------------------------------------------------------------------


def joined(names: Iterable[str]) -> str:
    """Names as a message lists them."""
    text = ", ".join(map(str, names))
    return text if len(text) <= _NAMES else text[: _NAMES - 1] + "…"


def with_options(message: str, *options: str) -> str:
    """A refusal, with the options that `client.bulk` takes the file with."""
    given = [option for option in options if option]
    *first, last = given or [""]
    said = f"{', '.join(first)} and {last}" if first else last
    return f"{message}; client.bulk reads it with {said}" if given else message


def other_delimiter(first: str, delimiter: str) -> str | None:
    """A mark that more likely parts a header's cells; None for the one that was named."""
    found = max(_DELIMITERS, key=first.count)
    return found if first.count(found) and not first.count(delimiter) else None


def likely_id(columns: Iterable[str]) -> str | None:
    """The column that is most likely to hold ids."""
    return _likely(_ID, columns)


def options_for(columns: Sequence[str], kind: Kind) -> list[str]:
    """The options that give a file the columns that its rows need, as far as they can be guessed."""
    needed = kind.columns or (USER_ID,)
    taken = {*chain(*needed)}
    left = [column for column in columns if column and column not in taken]
    missing = {spellings[0] for spellings in needed if not {*spellings} & {*columns}}
    renames: dict[str, str] = {}
    for name, pattern in _OF_EVENTS.items():
        if name in missing:
            found = _likely(pattern, left)
            if found is not None:
                renames[found] = name
                left.remove(found)
    options = [f"rename={renames}"] if renames else []
    if USER_ID[0] in missing and left:
        options.insert(0, f"id_column={likely_id(left) or left[0]!r}")
    return options


def _likely(pattern: re.Pattern[str], columns: Iterable[str]) -> str | None:
    plain = ((column, re.sub(r"[\W_]", "", column.lower())) for column in columns)
    return next((column for column, text in plain if pattern.search(text)), None)
