"""Bytes that are unpacked as they go by."""

from __future__ import annotations

import io
import sys
import threading

import pytest
import zstandard

from appcues_async import InvalidInput
from appcues_async.bulk.reading.inputs import StreamFeed, open_stream

DATA = b"".join(b"%08d,pro\n" % number for number in range(200_000))
PACKED = zstandard.compress(DATA)
SKIPPED = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


def unpacked(packed: bytes) -> bytes:
    feed = StreamFeed(io.BytesIO(packed), "the file", threading.Event())
    blocks, size = [], 0
    while block := feed.read(size, 300_000):
        blocks.append(block)
        size += len(block)
    return b"".join(blocks)


@pytest.mark.parametrize("packed", [PACKED[:-1], PACKED[: len(PACKED) // 2], PACKED + PACKED[:99]])
def test_zstd_without_its_end_is_no_whole_file(packed: bytes) -> None:
    with pytest.raises(InvalidInput, match="cut off before its end"):
        unpacked(packed)


@pytest.mark.parametrize(
    ("packed", "times"), [(PACKED, 1), (PACKED + PACKED, 2), (PACKED + SKIPPED + PACKED, 2)]
)
def test_all_frames_of_zstd_are_read(packed: bytes, times: int) -> None:
    assert unpacked(packed) == times * DATA


def test_a_standard_input_that_is_closed_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InvalidInput, match="the standard input is closed"):
        open_stream(None, threading.Event())
