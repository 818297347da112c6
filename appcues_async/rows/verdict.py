"""The verdict on a block of rows, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

from attrs import field, frozen

__all__ = ["BadRow", "Check", "Judge", "Verdict", "merge_spans", "without_subject"]

Check = Literal["full", "none"]
"""How much of each row is checked: everything, or nothing."""


@frozen
class BadRow:
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
    row: Any = field(repr=False)


def without_subject(reason: str) -> str:
    """A reason as it stands after the place of its row, which says already what it is about."""
    return reason.removeprefix("the row: ")


@frozen
class Verdict:
    """The whole rows at the beginning of a block, judged.

    Attributes:
        size: Their bytes; 0 where the first row ends beyond the block.
        rows: How many there are, bad ones included.
        lines: How many line breaks are in them.
        bad: Those that are not to be sent.
        spans: Start and end of each run of good rows; None where all of it is good.
    """

    size: int
    rows: int
    lines: int
    bad: Sequence[BadRow] = ()
    spans: Sequence[tuple[int, int]] | None = field(default=None, repr=False)


class Judge(Protocol):
    """Judges the rows of one file, block by block."""

    def judge(self, block: bytes, *, at_end: bool, first_only: bool = False) -> Verdict:
        """Judges the whole rows at the beginning of a block.

        Args:
            block: Bytes that begin where a row does.
            at_end: Whether nothing comes after them, so that the last row is whole in any case.
            first_only: Whether to stop after the first row, of a block that begins with a bad one.
        """
        ...

    def row_end(self, block: bytes) -> int:
        """Where the first row of a block ends; 0 where that is beyond it, or nobody can tell."""
        ...


def merge_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Joins spans that follow each other without a gap."""
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged
