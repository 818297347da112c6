"""The knowledge that the bulk runs of one account in this process share."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final
from weakref import WeakKeyDictionary

from appcues_async.recovery.ownership import LocalOwners

__all__ = ["BulkMemory", "memory_of"]


class BulkMemory:
    """Outlasts single runs; for any number of threads."""

    def __init__(self) -> None:
        """Begins with nothing known."""
        self._mutex = threading.Lock()
        self._held: Counter[tuple[int, bool]] = Counter()
        self.unwritten: dict[str, str] = {}
        """Jobs that could not be written down as accepted, by their claims: to the rest of this process
        they have an owner from then on, so that none of its runs would find them again."""

    def row_counts(self, *, unsafe: bool) -> frozenset[int]:
        """The row counts that are taken by chunks which are being sent, or are about to be.

        Args:
            unsafe: Whether they are taken for an unsafe upload; a safe one may share them with others
                that are safe.
        """
        with self._mutex:
            return frozenset(rows for rows, theirs in self._held if theirs or unsafe)

    def hold(self, rows: int, *, unsafe: bool, shared: bool = False) -> bool:
        """Takes a row count for a chunk until it is settled; says whether it could.

        Args:
            rows: The count.
            unsafe: Whether the chunk must not be applied twice.
            shared: Whether others may have it already.
        """
        with self._mutex:
            if not shared and (
                (rows, True) in self._held or (unsafe and (rows, False) in self._held)
            ):
                return False
            self._held[rows, unsafe] += 1
            return True

    def release(self, rows: int, *, unsafe: bool) -> None:
        """Releases the row count of a settled chunk."""
        with self._mutex:
            self._held[rows, unsafe] -= 1
            if not self._held[rows, unsafe]:
                del self._held[rows, unsafe]


_memories: Final[WeakKeyDictionary[LocalOwners, BulkMemory]] = WeakKeyDictionary()
_mutex: Final = threading.Lock()


def memory_of(owners: LocalOwners) -> BulkMemory:
    """The memory that lasts as long as what this process knows of an account's jobs."""
    with _mutex:
        return _memories.setdefault(owners, BulkMemory())
