"""Which rows of a failed chunk are at fault: found by halves. Pure; it sends nothing itself.

A row counts as taken once a job took all rows that it was sent with, and as refused once a job of it
alone failed. All else only decides what is sent next: where a failure has come again once, rows that
failed together and went well by halves are taken to fail in the other half, which is then not sent as a
whole; rows of which nothing is suspected go out together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

__all__ = ["Halving", "Part"]

MOST_JOBS: Final = 20
"""Jobs for the rows of one failed chunk."""

Part: TypeAlias = tuple[range, ...]
"""Rows by their places in the chunk, in order."""


class Halving:
    """The search for the rows of one chunk; `next` says what to send, `note` takes what came of it."""

    def __init__(self, rows: int, most_jobs: int = MOST_JOBS) -> None:
        """Begins with a chunk whose job has failed.

        Args:
            rows: How many rows it has.
            most_jobs: The most jobs that may be spent on it.
        """
        self.jobs: int = 0
        self.refused: list[int] = []
        self._most_jobs = most_jobs
        self._suspects: list[Part] = [(range(rows),)]
        self._unsent: Part = ()
        self._sent: Part = ()
        self._other_half: Part = ()
        self._has_failed_again = False

    @property
    def left(self) -> int:
        """How many rows are neither known to be taken nor known to be refused."""
        parts = [*self._suspects, self._unsent, self._sent, self._other_half]
        return sum(map(_size, parts))

    def next(self) -> Part | None:
        """The rows to send next; None where all is known, or no more jobs may be spent."""
        left = self._most_jobs - self.jobs
        if not left or not (self._suspects or self._unsent):
            return None
        self.jobs += 1
        # The last job goes to the rows that are most likely to be good.
        if self._unsent and (left == 1 or not self._suspects):
            self._sent, self._unsent = self._unsent, ()
        else:
            largest = max(self._suspects, key=_size)
            self._suspects.remove(largest)
            self._sent, self._other_half = _halves(largest)
        return self._sent

    def note(self, *, taken: bool) -> None:
        """Takes in whether all rows were taken that were sent last."""
        sent, other, self._sent, self._other_half = self._sent, self._other_half, (), ()
        if not taken:
            self._has_failed_again = True
            if _size(sent) == 1:
                self.refused.append(sent[0].start)
            else:
                self._suspects.append(sent)
        if other and taken and self._has_failed_again:
            self._suspects.append(other)
        else:
            self._unsent = _joined([*self._unsent, *other])


def _size(part: Part) -> int:
    return sum(map(len, part))


def _halves(part: Part) -> tuple[Part, Part]:
    """The first half of some rows, or a single one, and the rest."""
    left = max(1, _size(part) // 2)
    first: list[range] = []
    second: list[range] = []
    for some in part:
        if some[:left]:
            first.append(some[:left])
        if some[left:]:
            second.append(some[left:])
        left = max(0, left - len(some))
    return tuple(first), tuple(second)


def _joined(parts: Iterable[range]) -> Part:
    """The same rows in order, those that adjoin in one range."""
    joined: list[range] = []
    for some in sorted(parts, key=lambda one: one.start):
        if joined and joined[-1].stop == some.start:
            joined[-1] = range(joined[-1].start, some.stop)
        else:
            joined.append(some)
    return tuple(joined)
