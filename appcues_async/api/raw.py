"""Any request to the account, for endpoints that have no method."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from appcues_async.errors import InvalidInput
from appcues_async.rows.attributes import check_json
from appcues_async.wire.codec import encode
from appcues_async.wire.request import Endpoint, Repeat, Request

__all__ = ["raw_request"]


def raw_request(
    method: str, path: str, *, json: Any, query: Mapping[str, str] | None, accept: str
) -> Request:
    """Checks the parts of a request; a POST is not repeated after an ambiguous failure.

    Raises:
        InvalidInput: The path leads elsewhere, or a value cannot be sent.
    """
    method = method.upper()
    if not re.fullmatch(r"[A-Z]+", method):
        raise InvalidInput(f"method is {method!r}; it must be one word, such as GET or PATCH")
    if not accept.isascii() or not accept.isprintable():
        raise InvalidInput(f"accept is {accept!r}; it must be a media type, such as text/csv")
    if not path or path.startswith("/") or "://" in path:
        raise InvalidInput(
            f"path is {path!r}; give what follows /v2/accounts/{{account_id}}/, such as 'tags'"
        )
    if {".", "..", ""} & set(path.split("/")) or "?" in path or "#" in path:
        raise InvalidInput(
            f"path is {path!r}; quote the ids in it (urllib.parse.quote(id, safe='')) and give "
            "query parameters as query="
        )
    repeat = Repeat.UNSAFE if method == "POST" else Repeat.SAFE
    endpoint = Endpoint(method, "{path}", repeat)
    body = None if json is None else encode(check_json(json))
    filled = endpoint.request(body, query=query, accept=accept)
    try:
        quoted = quote(path, safe="/%:@!$&'()*+,;=~")
    except UnicodeEncodeError:
        raise InvalidInput(f"path is {path!r}, which no server can read as UTF-8") from None
    return Request(endpoint, filled.path.replace("{path}", quoted), body, accept)
