"""The mixed work of `soak.py`, and what each call said of its rows."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from attrs import define, field

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    OutcomeUnknown,
)
from appcues_async.errors import Delivery

MOMENT = "2026-07-14T12:00:00Z"

DONE, REFUSED, UNKNOWN, OPEN = range(4)
"""What was said of a row; OPEN until its call has ended."""


@define
class Said:
    """What became of each number of a kind, by what its call said; a byte a number."""

    marks: bytearray = field(factory=bytearray)

    def take(self, many: int = 1) -> range:
        """So many new numbers."""
        start = len(self.marks)
        self.marks.extend(bytes([OPEN]) * many)
        return range(start, start + many)

    def mark(self, numbers: range, mark: int) -> None:
        self.marks[numbers.start : numbers.stop] = bytes([mark]) * len(numbers)


def mark_of(error: AppcuesError) -> int:
    """What an error says of the request that raised it."""
    if isinstance(error, OutcomeUnknown) or error.delivery is Delivery.UNKNOWN:
        return UNKNOWN
    return REFUSED


@define
class Work:
    """All that is done at once, until the time is over."""

    client: AppcuesClient
    until: float
    events: Said = field(factory=Said)
    profiles: Said = field(factory=Said)
    segments: Said = field(factory=Said)
    members: Said = field(factory=Said)
    errors: Counter[str] = field(factory=Counter)
    calls: Counter[str] = field(factory=Counter)

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    async def all(self) -> None:
        """Does everything until the time is over, and what has begun to its end."""
        kinds: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (16, self.update_profile),
            (16, self.track_event),
            (4, self.upload_events),
            (2, self.upload_profiles),
            (3, self.use_segment),
            (1, self.import_events),
            (1, self.import_profiles),
        ]
        async with asyncio.TaskGroup() as group:
            for many, work in kinds:
                for _ in range(many):
                    group.create_task(self.repeat(work))

    async def repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while self.goes_on:
            self.calls[work.__name__] += 1
            await work()

    async def settle(self, said: Said, numbers: range, call: Awaitable[Any]) -> Any:
        """Awaits a call, and keeps what it said."""
        try:
            answer = await call
        except AppcuesError as error:
            said.mark(numbers, mark_of(error))
            self.errors[type(error).__name__] += 1
            return None
        said.mark(numbers, DONE)
        return answer

    async def update_profile(self) -> None:
        numbers = self.profiles.take()
        change = {"number": numbers.start}
        call = self.client.users.update_profile(f"p{numbers.start}", change)
        await self.settle(self.profiles, numbers, call)

    async def track_event(self) -> None:
        numbers = self.events.take()
        call = self.client.users.track_event("u", f"e{numbers.start}", timestamp=MOMENT)
        await self.settle(self.events, numbers, call)

    async def upload_events(self) -> None:
        numbers = self.events.take(50)
        rows = [self.event(number) for number in numbers]

        async def upload() -> None:
            handle = await self.client.imports.events(rows)
            await handle
            handle.raise_for_failures()

        await self.settle(self.events, numbers, upload())

    async def upload_profiles(self) -> None:
        numbers = self.profiles.take(50)
        rows = [self.profile(number) for number in numbers]

        async def upload() -> None:
            await (await self.client.imports.profiles(rows))

        await self.settle(self.profiles, numbers, upload())

    async def use_segment(self) -> None:
        numbers = self.segments.take()
        call = self.client.segments.create(f"s{numbers.start}")
        segment = await self.settle(self.segments, numbers, call)
        if segment is None:
            return
        members = self.members.take(20)

        async def add() -> None:
            ids = [f"{numbers.start}/{number}" for number in members]
            await (await self.client.segments.add_user_ids(segment.id, ids))

        await self.settle(self.members, members, add())

    async def import_events(self) -> None:
        await self._import(self.events, self.client.bulk.import_events, self.event)

    async def import_profiles(self) -> None:
        await self._import(self.profiles, self.client.bulk.import_profiles, self.profile)

    async def _import(
        self, said: Said, start: Callable[..., Any], row: Callable[[int], dict[str, Any]]
    ) -> None:
        numbers = said.take(1000)

        async def rows() -> AsyncIterator[dict[str, Any]]:
            for number in numbers:
                yield row(number)

        report = await start(rows(), chunk_bytes=10_000, concurrency=3, on_failure="report")
        for outcome in report.outcomes:
            # Rows are counted from 1.
            part = numbers[outcome.first - 1 : outcome.last]
            mark = {"completed": DONE, "refused": REFUSED}.get(outcome.status, UNKNOWN)
            said.mark(part, mark)
            if outcome.error is not None:
                self.errors[type(outcome.error).__name__] += 1

    @staticmethod
    def event(number: int) -> dict[str, Any]:
        return {"user_id": "u", "name": f"e{number}", "timestamp": MOMENT}

    @staticmethod
    def profile(number: int) -> dict[str, Any]:
        return {"user_id": f"p{number}", "number": number}
