"""Counts the rows of a run as they are read, and keeps the rejected ones."""

from __future__ import annotations

import threading
from typing import Final

from appcues_async.bulk.rejects import Reject, RejectsFile

__all__ = ["RowCounter", "Stopped"]

REJECTS_KEPT: Final = 1_000
"""Rejected rows that stay in memory; all of them are counted, and written to a file if one is named."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run was cancelled while its source was being read, or a rejected row ends it."""


class RowCounter:
    """Counts what is read and what is rejected in one run.

    One thread reads at a time; others may put rows aside beside it.
    """

    def __init__(self, *, stop_at_reject: bool = False) -> None:
        """Begins at nothing.

        Args:
            stop_at_reject: Whether the first rejected row ends the reading.
        """
        self.stop: threading.Event = threading.Event()
        self.rows: int = 0
        self.bytes: int = 0
        self.rejected: int = 0
        self.rejects: list[Reject] = []
        self.file: RejectsFile | None = None
        self._stop_at_reject = stop_at_reject
        self._mutex = threading.Lock()

    def go_on(self) -> None:
        """Is called now and then by whatever reads.

        Raises:
            Stopped: The run was cancelled.
        """
        if self.stop.is_set():
            raise Stopped

    def passed(self, rows: int, size: int) -> None:
        """Counts rows that have been read, the rejected ones among them, and their bytes."""
        self.rows += rows
        self.bytes += size

    def reject(self, reject: Reject) -> None:
        """Puts a row aside that is not to be sent.

        Raises:
            Stopped: One is enough to end the run.
            InvalidInput: It cannot be written down.
        """
        self.put_aside(reject)
        if self._stop_at_reject:
            raise Stopped

    def put_aside(self, reject: Reject) -> None:
        """Counts and keeps a rejected row, whoever rejected it.

        Raises:
            InvalidInput: It cannot be written down.
        """
        with self._mutex:
            self.rejected += 1
            if len(self.rejects) < REJECTS_KEPT:
                self.rejects.append(reject)
        if self.file is not None:
            self.file.write(reject)

    def begin_again(self) -> None:
        """Forgets what was read ahead."""
        self.rows = self.bytes = 0

    def close(self) -> None:
        """Closes the file of rejected rows.

        Raises:
            InvalidInput: It cannot be written.
        """
        file, self.file = self.file, None
        if file is not None:
            file.close()
