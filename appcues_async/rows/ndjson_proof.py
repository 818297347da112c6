"""Blocks of NDJSON, decoded so that the decoding proves what the rows are.

A struct of the names that the first rows have, which takes no others, shows in the decode itself that
no value is nested, no number out of range and no name empty. Two things it cannot see: of two equal
names it takes the last, and it takes two rows on one line, and one row on two.

So the first name of each line is marked: what follows a line feed and a brace gets a random name, which
no file can hold. A struct that needs this name has one for each line that begins a row. Where there are
as many rows as lines, each line is a row; and where it is the id's, no row has a second one.
Where rows begin in different ways, each line is decoded by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from secrets import token_urlsafe
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from attrs import frozen

from appcues_async.rows.kinds import USER_ID, Kind

__all__ = ["NOT_JSON", "ProvingDecoder"]

NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of the decoder for text that is no JSON, or not of its types."""

_MOST_NAMES: Final = 500
"""Names of a struct; rows that have more between them are looked at one by one."""
_EXACT: Final = 1 << 53
"""Up to here a float holds every integer."""

_Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)]
_Scalar: TypeAlias = str | _Integer | float | bool | None
_Nested: TypeAlias = _Scalar | dict[_Name, _Scalar] | list[_Scalar]
_Free: TypeAlias = _Scalar | dict[_Name, _Nested] | list[_Nested]
"""Attributes of an event; what is nested more deeply is looked at row by row."""
_EventName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=127)]

_FIRST_NAME: Final = re.compile(rb'(\{[ \t]*")([ !#-\[\]-~]+)("[ \t]*:)')
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")
"""A letter spelt so that the bytes of its name are not found."""
_SHORTEST_MARK: Final = 6
"""Letters that nobody guesses; a shorter name is not marked."""

_decode_all: Final = msgspec.json.Decoder().decode_lines


@frozen
class _Marked:
    """How the first name of each line is marked.

    Attributes:
        lead: What every line begins with, after the line feed before it.
        marked: The same, with its name marked.
        decode: Decodes lines that are marked.
        is_id: Whether it is the name of the id.
    """

    lead: bytes
    marked: bytes
    decode: Callable[[bytes], list[Any]]
    is_id: bool


class ProvingDecoder:
    """Decodes blocks of rows that have names; learns the names as it goes."""

    def __init__(self, kind: Kind) -> None:
        """Knows no names yet.

        Args:
            kind: What the rows are.
        """
        self._kind = kind
        # In the order in which rows have them: there the decoder finds them soonest.
        self._names: dict[str, None] = {}
        # Those of the attributes of events.
        self._inner: dict[str, None] = {}
        self._id_name = b""
        self._decode: Callable[[bytes], Any] | None = None
        self._marked: _Marked | None = None

    def rows(self, block: bytes, breaks: int) -> list[Any] | None:
        """The rows of a block, with `id`, and for events `name` and `timestamp`.

        Each is an object on a line of its own; all but ids, names and times are values that the API
        takes, and nothing is named twice that names the user.

        Args:
            block: Whole lines.
            breaks: How many line feeds are in it.

        Returns:
            The rows; None where that is not proved.
        """
        try:
            marked = self._marked
            if marked is not None:
                found = _decoded(b"\n" + block, marked)
                if found is not None and len(found) == breaks + (not block.endswith(b"\n")):
                    return found if marked.is_id or self._names_one_user(block, found) else None
            found = self._by_lines(block)
        except NOT_JSON:
            return None
        if found is None or not self._names_one_user(block, found):
            return None
        if marked is self._marked:
            # Rows begin in different ways, or there are blank lines: it is not tried again.
            self._marked = None
        return found

    def _names_one_user(self, block: bytes, rows: list[Any]) -> bool:
        if block.count(self._id_name) != len(rows):
            return False
        return b"\\" not in block or _ESCAPED_LETTER.search(block) is None

    def _by_lines(self, block: bytes) -> list[Any] | None:
        lines = [line for line in block.split(b"\n") if line and not line.isspace()]
        if self._decode is not None:
            try:
                return list(map(self._decode, lines))
            except NOT_JSON:
                pass
        if not self._learn(block) or self._decode is None:
            return None
        return list(map(self._decode, lines))

    def _learn(self, block: bytes) -> bool:
        """Adds the names that the rows of a block have; whether there are any new ones."""
        rows = [row for row in _decode_all(block) if isinstance(row, dict)]
        names = _names_of(self._names, rows)
        inner = _names_of(self._inner, (row["attributes"] for row in rows if self._has_inner(row)))
        ids = [name for name in USER_ID if name in names]
        new = len(names) > len(self._names) or len(inner) > len(self._inner)
        if not new or len(names) + len(inner) > _MOST_NAMES or len(ids) != 1:
            return False
        first = _FIRST_NAME.match(block)
        try:
            self._decode = self._decoder(names, inner, ids[0]).decode
            self._marked = None
            if first is not None and len(first[2]) >= _SHORTEST_MARK:
                self._marked = self._mark(first, names, inner, ids[0])
        except ValueError:
            # Names with quotes in them.
            return False
        self._names, self._inner, self._id_name = names, inner, f'"{ids[0]}"'.encode()
        return True

    def _has_inner(self, row: dict[str, Any]) -> bool:
        return self._kind.is_events and isinstance(row.get("attributes"), dict)

    def _mark(
        self, first: re.Match[bytes], names: Iterable[str], inner: Iterable[str], id_name: str
    ) -> _Marked:
        before, name, after = first.groups()
        # As long as the name, for it is replaced in place.
        mark = token_urlsafe(len(name))[: len(name)].encode()
        spelling = {name.decode(): mark.decode()}
        return _Marked(
            b"\n" + first[0],
            b"\n" + before + mark + after,
            self._decoder(names, inner, id_name, spelling).decode_lines,
            name.decode() == id_name,
        )

    def _decoder(
        self,
        names: Iterable[str],
        inner: Iterable[str],
        id_name: str,
        marked: Mapping[str, str] | None = None,
    ) -> msgspec.json.Decoder[Any]:
        """Makes a decoder of rows of these names; one that is marked is needed.

        Raises:
            ValueError: A struct cannot be called by one of the names.
        """
        fields, columns = {id_name: "id"}, dict.fromkeys(names, _Scalar) | {id_name: str}
        if self._kind.is_events:
            fields |= {"name": "name", "timestamp": "timestamp"}
            attributes = _struct(dict.fromkeys(inner, _Free), {}, {})
            columns = dict.fromkeys(names, _Free) | {
                id_name: str,
                "name": _EventName,
                "timestamp": str,
                "attributes": attributes | None,
            }
        return msgspec.json.Decoder(_struct(columns, fields, marked or {}))


def _struct(
    columns: Mapping[str, Any], fields: Mapping[str, str], marked: Mapping[str, str]
) -> Any:
    """A struct that takes these names and no others; it needs those that have fields, or are marked.

    Raises:
        ValueError: It cannot be called by one of the names.
    """
    made: list[Any] = []
    spelt: dict[str, str] = {}
    for index, (name, kind) in enumerate(columns.items()):
        field = fields.get(name, f"column{index}")
        made.append((field, kind) if name in fields or name in marked else (field, kind, None))
        spelt[field] = marked.get(name, name)
    return msgspec.defstruct(
        "Row", made, rename=spelt, forbid_unknown_fields=True, gc=False, kw_only=True
    )


def _names_of(known: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, None]:
    """All names, those that are known first; one without a letter is none."""
    names = dict.fromkeys(known)
    for row in rows:
        names.update(dict.fromkeys(row))
    names.pop("", None)
    return names


def _decoded(block: bytes, marked: _Marked) -> list[Any] | None:
    try:
        return marked.decode(block.replace(marked.lead, marked.marked))
    except NOT_JSON:
        return None
