"""Replies of routes, before they are encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from appcues_async.sandbox.encoding import encode_csv, encode_json

__all__ = ["ANY_COLUMNS", "OK", "Reply"]

#: The columns of a CSV answer are those that its rows have.
ANY_COLUMNS: Final[tuple[str, ...]] = ()


@frozen
class Reply:
    """A reply: JSON, or CSV where the caller asks for it and the route has columns, or a file.

    Args:
        status: The HTTP status.
        content: What to encode; an object, or a list of objects; or bytes, which go out as they
            are.
        columns: The columns of the CSV form; `ANY_COLUMNS` to take them from the content, None
            where there is only a JSON form.
        headers: Headers to add.
        media_type: What the content is, where it is bytes.
    """

    status: int
    content: Any
    columns: Sequence[str] | None = None
    headers: Mapping[str, str] = field(factory=dict[str, str])
    media_type: str = "application/octet-stream"

    def encode(self, *, csv: bool) -> tuple[bytes, str]:
        """Returns the body and its content type."""
        if isinstance(self.content, bytes):
            return self.content, self.media_type
        if not csv or self.columns is None:
            return encode_json(self.content), "application/json"
        rows = self.content if isinstance(self.content, list) else [self.content]
        return encode_csv(rows, self.columns or None), "text/csv"


#: The answer of every request that was done at once and has nothing else to say.
OK: Final = Reply(200, {"status": 200, "title": "OK"}, columns=("status", "title"))
