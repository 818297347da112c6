"""What a run has under way, and how far it is."""

from __future__ import annotations

import asyncio

from attrs import define

from appcues_async.bulk.report import Outcome

__all__ = ["Slot", "Totals"]


@define
class Slot:
    """A place among the uploads at a time, or among those that may have to be sent later."""

    room: asyncio.Semaphore
    taken: bool = True

    async def move_to(self, room: asyncio.Semaphore) -> None:
        """Changes it for one elsewhere."""
        if room is not self.room:
            self.leave()
            await room.acquire()
            self.room, self.taken = room, True

    def leave(self) -> None:
        """Gives it to the next, if it was not given already."""
        if self.taken:
            self.taken = False
            self.room.release()


@define
class Totals:
    """What has been accepted so far, kept up to date since nobody is to add up all chunks each time."""

    rows: int = 0
    bytes: int = 0
    ingested: int = 0

    def put(self, outcome: Outcome, sign: int = 1) -> None:
        """Adds an outcome, or takes it away again (-1)."""
        if outcome.handle is not None:
            self.rows += sign * outcome.rows
            self.bytes += sign * outcome.size
            self.ingested += sign * outcome.ingested
