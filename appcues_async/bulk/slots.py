"""Places among the uploads at a time."""

from __future__ import annotations

import asyncio

from attrs import define

__all__ = ["Slot"]


@define
class Slot:
    """A place among the uploads at a time, or among the chunks that are held in memory.

    Attributes:
        room: Where it is one.
        taken: Whether it is taken.
        kept: Whether it is kept until the chunk has ended, since its rows are held in memory till then.
    """

    room: asyncio.Semaphore
    taken: bool = True
    kept: bool = False

    async def move_to(self, room: asyncio.Semaphore) -> None:
        """Takes a place there, in place of the one that it has."""
        if not self.taken or room is not self.room:
            self._give_back()
            await room.acquire()
            self.room, self.taken = room, True

    def leave(self) -> None:
        """Releases the slot, unless it is kept or was released already."""
        if not self.kept:
            self._give_back()

    def end(self) -> None:
        """Releases the slot, kept or not."""
        self.kept = False
        self._give_back()

    def _give_back(self) -> None:
        if self.taken:
            self.taken = False
            self.room.release()
