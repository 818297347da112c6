"""What a body would send, without sending it."""

from __future__ import annotations

from appcues_async.wire.request import Blocks, ChunkBody, HeldRows


def content(body: ChunkBody) -> bytes:
    """All of its bytes."""
    assert not isinstance(body, HeldRows)
    if isinstance(body, Blocks):
        return b"".join(body.blocks)
    with body.path.open("rb") as file:
        data = file.read()
    return body.head + b"".join(data[start : start + size] for start, size in body.pieces)
