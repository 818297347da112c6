"""Is anything lost, doubled or leaked in long mixed work on a server that keeps failing?

A sandbox in another process takes RATE (60) requests a second and lets 5% of them fail: resets, 5xx
and cut answers before and after the request was applied, 429s, answers that do not come. One client
does all kinds of work on it at once: single updates and events, uploads, segments, waits for jobs, bulk
runs. Each row has a number of its own, and what its call said of it is kept. At the end that is held
against what the sandbox holds, row by row:

* what was reported done is there, events exactly once;
* what was refused is not there;
* what raised `OutcomeUnknown` is there once or not at all.

Memory and open sockets are sampled all the while; they are flat when the last quarter of the time shows
no more of them than the second, save for some noise.

Run: python benchmarks/soak.py [SECONDS [raise|resend|reconcile [RATE]]]
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from attrs import define, field

from appcues_async import (
    AppcuesClient,
    AppcuesError,
    OutcomeUnknown,
    PollPolicy,
    RetryPolicy,
    Timeouts,
)
from appcues_async.errors import Delivery
from appcues_async.notices import AttemptFailed, Notice
from appcues_async.sandbox import Sandbox
from appcues_async.settings import OnUnknown

RATE = 60
SHARE = 0.05
FAULTS: list[dict[str, Any]] = [
    {"kind": "reset", "after": "headers"},
    {"kind": "reset"},
    {"kind": "reset", "applied": True},
    {"kind": "close", "applied": True},
    {"kind": "answer", "status": 500},
    {"kind": "answer", "status": 503, "applied": True},
    {"kind": "answer", "status": 502, "body": "<html>", "headers": {"Content-Type": "text/html"}},
    {"kind": "answer", "status": 429},
    {"kind": "answer", "status": 429, "after": "headers", "headers": {"Retry-After": "1"}},
    {"kind": "stall", "at": "headers", "seconds": 2.0},
    {"kind": "stall", "at": "body", "seconds": 2.0},
    {"kind": "truncate", "keep": 1},
]
MOMENT = "2026-07-14T12:00:00Z"

DONE, REFUSED, UNKNOWN, OPEN = range(4)


# --- the server, in a process of its own ---------------------------------------------------------


def serve(rate: float) -> None:
    """Serves until it is ended; prints what a client needs."""

    async def forever() -> None:
        async with Sandbox(rate_limit=rate, job_seconds=1.0, list_lag=0.3, seed=7) as sandbox:
            print(json.dumps(sandbox.credentials), flush=True)
            await asyncio.Event().wait()

    asyncio.run(forever())


@contextmanager
def served(rate: float) -> Iterator[dict[str, Any]]:
    """What a client of a sandbox in another process needs."""
    command = [sys.executable, __file__, "--serve", str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGKILL)


def steer(credentials: dict[str, Any], method: str, noun: str, content: object = None) -> Any:
    """Asks the sandbox's own address."""
    body = None if content is None else json.dumps(content).encode()
    url = f"{credentials['base_url']}/_sandbox/{noun}"
    request = urllib.request.Request(url, body, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        return json.load(answer)


# --- what was said -------------------------------------------------------------------------------


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

        report = await start(rows(), chunk_bytes=10_000, concurrency=3)
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


# --- what came of it -----------------------------------------------------------------------------


@define
class Sample:
    """What the process held at one moment: bytes of memory, and open sockets."""

    memory: int
    sockets: int

    @classmethod
    def take(cls) -> Sample:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        sockets = 0
        for one in Path("/proc/self/fd").iterdir():
            try:
                sockets += str(one.readlink()).startswith("socket:")
            except FileNotFoundError:
                continue
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), sockets)


@define
class RowCounter:
    """Numbers of one kind: what was said of them, and what is wrong."""

    done: int = 0
    refused: int = 0
    unknown: int = 0
    unknown_there: int = 0
    lost: int = 0
    doubled: int = 0
    there_though_refused: int = 0
    never_settled: int = 0

    @classmethod
    def of(cls, said: Said, held: Counter[int]) -> RowCounter:
        """Holds what was said against how often each number is there."""
        tally = cls()
        for number, mark in enumerate(said.marks):
            there = held[number]
            tally.doubled += there > 1
            if mark == DONE:
                tally.done += 1
                tally.lost += there == 0
            elif mark == REFUSED:
                tally.refused += 1
                tally.there_though_refused += there > 0
            elif mark == UNKNOWN:
                tally.unknown += 1
                tally.unknown_there += there > 0
            else:
                tally.never_settled += 1
        return tally

    @property
    def wrong(self) -> int:
        return self.lost + self.doubled + self.there_though_refused + self.never_settled


@define
class Outcome:
    """What a run has come to."""

    seconds: float
    tallies: dict[str, RowCounter]
    calls: Counter[str]
    errors: Counter[str]
    failed_attempts: int
    requests: int
    refused_for_pace: int
    samples: list[Sample]
    sockets_after: int

    @property
    def wrong(self) -> int:
        """Numbers that were lost, doubled, or are there though they were refused."""
        return sum(tally.wrong for tally in self.tallies.values())

    def quarters(self) -> tuple[Sample, Sample]:
        """The median sample of the second quarter of the time, and of the last."""
        quarter = max(1, len(self.samples) // 4)

        def median(samples: list[Sample]) -> Sample:
            memory = statistics.median(one.memory for one in samples)
            return Sample(int(memory), int(statistics.median(one.sockets for one in samples)))

        return median(self.samples[quarter : 2 * quarter]), median(self.samples[-quarter:])

    @property
    def flat(self) -> bool:
        """Whether the last quarter shows no more than the second, save for noise."""
        before, after = self.quarters()
        return after.memory < before.memory * 1.1 + 8e6 and after.sockets < before.sockets + 16


def counted(state: dict[str, Any]) -> dict[str, Counter[int]]:
    """How often the sandbox holds each number, by kind."""
    members = (
        int(one.partition("/")[2]) for one in _all(one["user_ids"] for one in _values(state))
    )
    return {
        "events": Counter(int(event["name"][1:]) for event in state["events"]),
        "profiles": Counter(
            int(profile["number"])
            for name, profile in state["profiles"].items()
            if name == f"p{profile.get('number')}"
        ),
        "segments": Counter(int(segment["name"][1:]) for segment in _values(state)),
        "members": Counter(members),
    }


def _values(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [*state["segments"].values()]


def _all(lists: Iterator[list[str]]) -> Iterator[str]:
    for one in lists:
        yield from one


async def _work(
    credentials: dict[str, Any], seconds: float, on_unknown: OnUnknown
) -> tuple[Work, list[Sample], int]:
    failed = 0

    def hear(notice: Notice) -> None:
        nonlocal failed
        failed += isinstance(notice, AttemptFailed)

    samples: list[Sample] = []

    async def sample() -> None:
        while True:
            samples.append(Sample.take())
            await asyncio.sleep(min(1.0, seconds / 20))

    async with AppcuesClient(
        **credentials,
        retry=RetryPolicy(attempts=6),
        timeouts=Timeouts(connect=5, idle=1, budget=60, wait=120),
        polling=PollPolicy(first=0.5, low=0.5, high=2),
        on_unknown=on_unknown,
        on_notice=hear,
    ) as client:
        work = Work(client, time.monotonic() + seconds)
        sampling = asyncio.create_task(sample())
        try:
            await work.all()
        finally:
            sampling.cancel()
    return work, samples, failed


def run(seconds: float = 600, on_unknown: OnUnknown = "raise", rate: float = RATE) -> Outcome:
    """Works for so long, and holds what was said against what is there."""
    with served(rate) as credentials:
        # The oldest instruction that claims a request counts, so the later ones have a little less.
        for fault in FAULTS:
            share = {"times": None, "probability": SHARE / len(FAULTS), "path": "^/v2/"}
            steer(credentials, "POST", "faults", {**fault, **share})
        began = time.monotonic()
        work, samples, failed = asyncio.run(_work(credentials, seconds, on_unknown))
        took = time.monotonic() - began
        sockets = Sample.take().sockets
        steer(credentials, "DELETE", "faults")
        # The jobs whose answers were lost end as well.
        steer(credentials, "POST", "clock", {"advance": 3600})
        state = steer(credentials, "GET", "state")
        requests = steer(credentials, "GET", "requests")
    held = counted(state)
    return Outcome(
        seconds=took,
        tallies={name: RowCounter.of(getattr(work, name), found) for name, found in held.items()},
        calls=work.calls,
        errors=work.errors,
        failed_attempts=failed,
        requests=len(requests),
        refused_for_pace=sum(one["status"] == 429 for one in requests),
        samples=samples,
        sockets_after=sockets,
    )


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600
    on_unknown = cast("OnUnknown", sys.argv[2] if len(sys.argv) > 2 else "raise")
    limit = float(sys.argv[3]) if len(sys.argv) > 3 else RATE
    outcome = run(seconds, on_unknown, limit)
    rate = outcome.requests / outcome.seconds
    print(
        f"{outcome.seconds:.0f} s, on_unknown={on_unknown!r}: {outcome.requests:,} requests "
        f"({rate:.1f} a second of {limit:g}), {outcome.refused_for_pace:,} of them answered with 429, "
        f"{outcome.failed_attempts:,} attempts failed"
    )
    print("calls:", ", ".join(f"{many:,} {name}" for name, many in sorted(outcome.calls.items())))
    print("ended in:", ", ".join(f"{many:,} {name}" for name, many in outcome.errors.items()))
    for name, tally in outcome.tallies.items():
        print(
            f"{name}: {tally.done:,} done, {tally.lost} of them lost; {tally.doubled} doubled; "
            f"{tally.refused:,} refused, {tally.there_though_refused} of them there; "
            f"{tally.unknown:,} unknown, {tally.unknown_there:,} of them there; "
            f"{tally.never_settled} never settled"
        )
    before, after = outcome.quarters()
    print(
        f"memory {before.memory / 1e6:.1f} MB in the second quarter, {after.memory / 1e6:.1f} MB in the "
        f"last; sockets {before.sockets} and {after.sockets}, {outcome.sockets_after} when it was left: "
        f"{'flat' if outcome.flat else 'NOT FLAT'}"
    )
    if outcome.wrong or not outcome.flat:
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(float(sys.argv[2]))
    else:
        main()
