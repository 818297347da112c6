"""What the tests of rows share."""

from __future__ import annotations

from typing import Any

import pytest

from appcues_async.errors import Delivery, InvalidInput
from appcues_async.rows.file_head import Format
from appcues_async.rows.kinds import PROFILES, Kind
from appcues_async.rows.sources import Part, body_of
from appcues_async.wire.request import Blocks, Multipart

USERS_CSV = b"user_id,email\n007,harriet@example.com\n"
USERS_NDJSON = b'{"user_id": "007", "email": "harriet@example.com"}\n'
EVENTS_CSV = b"user_id,name,timestamp\n007,Paid,2026-07-14T12:34:56Z\n"
BOM = b"\xef\xbb\xbf"


async def media_of(
    source: Any,
    kind: Kind = PROFILES,
    as_format: Format | None = None,
) -> str:
    """The content type that a source is sent as."""
    return (await body_of(source, kind, format=as_format)).content_type


async def refusal_of(
    source: Any,
    kind: Kind = PROFILES,
    as_format: Any = None,
) -> str:
    with pytest.raises(InvalidInput) as caught:
        await body_of(source, kind, format=as_format)
    assert caught.value.delivery is Delivery.NOT_SENT
    return str(caught.value)


def sent(body: Part | Multipart) -> bytes:
    assert isinstance(body, Blocks)
    return b"".join(body.blocks)
