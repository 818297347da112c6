"""Replies made by hand."""

from __future__ import annotations

import json

from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async.wire.reply import Reply


def reply(
    body: bytes | object = b"", status: int = 200, headers: dict[str, str] | None = None
) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, CIMultiDictProxy(CIMultiDict(headers or {})), content)
