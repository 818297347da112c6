"""Blocks of rows, checked as fast as each degree of checking allows.

A block is first judged as a whole, by what its bytes prove and by one call of a decoder; nearly every
block passes there. Only a block that does not is taken apart, row by row, with the checks of single
uploads, which also find the words for what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

from attrs import field, frozen

__all__ = ["Bad", "Check", "Checked", "Checker", "is_utf8", "joined", "lines_of"]

Check = Literal["full", "ids", "none"]
"""How much of each row is checked: everything, whether it has what its kind needs, or nothing."""


@frozen
class Bad:
    """A row that is not to be sent.

    Attributes:
        index: Which row of its block, from 0.
        line: How many lines of the block come before it.
        reason: What is wrong.
        row: The row, or its text where it cannot be read.
    """

    index: int
    line: int
    reason: str
    row: Any


@frozen
class Checked:
    """A block, judged.

    Attributes:
        rows: How many rows it has, bad ones included.
        bad: Those that are not to be sent.
        pieces: Start and end of each run of good rows; None when the block can go as it is.
    """

    rows: int
    bad: Sequence[Bad] = ()
    pieces: Sequence[tuple[int, int]] | None = field(default=None, repr=False)


class Checker(Protocol):
    """Judges blocks of whole rows."""

    def check(self, block: bytes, marks: Any = None) -> Checked:
        """Judges one, by what is known of it already."""
        ...


def lines_of(block: bytes) -> int:
    """How many lines of a block are not blank."""
    if block.startswith((b"\n", b"\r", b" ")) or b"\n\n" in block or b"\n\r" in block:
        return sum(not line.isspace() for line in block.splitlines(keepends=True))
    return block.count(b"\n") + (not block.endswith(b"\n"))


def is_utf8(block: bytes) -> bool:
    """Whether all of a block is UTF-8."""
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of rows that follow each other, as one piece each."""
    pieces: list[tuple[int, int]] = []
    for start, stop in spans:
        if pieces and pieces[-1][1] == start:
            pieces[-1] = (pieces[-1][0], stop)
        else:
            pieces.append((start, stop))
    return pieces
