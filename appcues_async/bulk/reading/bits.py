"""One bit for each byte of a block, 64 of them to a word: numpy's part in finding rows.

This is how simdjson looks at text, as far as numpy can do it: a comparison of all bytes at once, packed
to bits, and then arithmetic on words, of which there are 64 times fewer.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy import bitwise_count  # since numpy 2.0

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words: TypeAlias = NDArray[np.uint64]
    """A bit for each byte of a block, the first one lowest."""
    Places: TypeAlias = NDArray[np.int64]
    """Offsets in a block."""

__all__ = [
    "after",
    "by_size",
    "byte_at",
    "bytes_of",
    "count",
    "digits",
    "last",
    "later",
    "letters",
    "odd_up_to",
    "places",
    "sooner",
    "up_to",
    "where",
    "windows",
    "with_end",
]

_rooms: Final = threading.local()


def bytes_of(block: bytes) -> Any:
    """The bytes as numbers; nothing is copied."""
    return np.frombuffer(block, np.uint8)


def where(data: Any, byte: int) -> Words:
    """Where a byte is."""
    return _packed(np.equal(data, byte, out=_room(len(data)).view(np.bool_)))


def up_to(data: Any, byte: int) -> Words:
    """Where a byte is this one or a lower one."""
    return _packed(np.less_equal(data, byte, out=_room(len(data)).view(np.bool_)))


def digits(data: Any) -> Words:
    """Where decimal digits are."""
    room = _room(len(data))
    np.subtract(data, np.uint8(48), out=room)
    return _packed(np.less(room, 10, out=room.view(np.bool_)))


def letters(data: Any, letter: str) -> Words:
    """Where a letter is, small or large."""
    return where(np.bitwise_or(data, np.uint8(32), out=_room(len(data))), ord(letter))


def places(words: Words) -> Places:
    """Where the bits are that are set."""
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little").view(np.bool_))


def with_end(starts: Places, end: int) -> Places:
    """The places, and the end."""
    return np.append(starts, end)


def after(stops: Places) -> Places:
    """Where that begins which these places end: at the beginning, and after each but the last."""
    return np.concatenate((np.zeros(1, stops.dtype), stops[:-1] + 1))


def byte_at(data: Any, these: Places, at_end: int) -> Any:
    """The bytes at these places; `at_end` for the one behind the last."""
    return np.where(these < len(data), data[np.minimum(these, len(data) - 1)], np.uint8(at_end))


def by_size(data: Any, begins: Places, ends: Places) -> dict[int, Any]:
    """The bytes from and to these places; for each length a table with a line for each."""
    sizes = ends - begins
    return {
        size: np.frombuffer(windows(data, size, begins[sizes == size]), np.uint8).reshape(-1, size)
        for size in np.unique(sizes).tolist()
        if size
    }


def windows(data: Any, size: int, starts: Places) -> bytes:
    """The `size` bytes from each of these places on, one after the other."""
    every = np.ndarray(len(data) - size + 1, f"V{size}", data, strides=(1,))
    return every[starts].tobytes()


def count(words: Words) -> int:
    """How many bits are set."""
    return int(bitwise_count(words).sum())


def last(words: Words) -> int:
    """One more than the place of the last bit that is set; 0 if none is."""
    there = np.flatnonzero(words)
    return 64 * int(there[-1]) + int(words[there[-1]]).bit_length() if len(there) else 0


def later(words: Words) -> Words:
    """The bits, each one place later."""
    moved = words << np.uint64(1)
    moved[1:] |= words[:-1] >> np.uint64(63)
    return moved


def sooner(words: Words) -> Words:
    """The bits, each one place sooner."""
    moved = words >> np.uint64(1)
    moved[:-1] |= words[1:] << np.uint64(63)
    return moved


def odd_up_to(words: Words) -> Words:
    """For each place whether an odd number of bits is set up to it, its own among them."""
    odd = words.copy()
    for step in (1, 2, 4, 8, 16, 32):
        odd ^= odd << np.uint64(step)
    carried = np.bitwise_xor.accumulate(odd >> np.uint64(63))
    odd[1:] ^= np.uint64(0) - carried[:-1]
    return odd


def _packed(mask: Any) -> Words:
    packed = np.packbits(mask, bitorder="little")
    words = np.zeros(len(packed) + 7 >> 3, "<u8")
    words.view(np.uint8)[: len(packed)] = packed
    return words


def _room(size: int) -> Any:
    """Bytes to write masks to: memory taken anew for each costs more than what is done with it."""
    room = getattr(_rooms, "room", None)
    if room is None or len(room) < size:
        room = _rooms.room = np.empty(size, np.uint8)
    return room[:size]
