"""What does it cost a web app to put an event into an outbox, and what becomes of each event?

Four processes put events at a steady pace for 30 s, 300 and 3,000 a second in all: into one outbox on
disk, each into an outbox in memory, through `users.track_event` awaited in the handler, and through a
queue of the Segment library's design (100 events a request, 10,000 in memory, the rest is dropped). Each
call begins when its time has come, whether or not those before it have ended. The server is a sandbox
that takes 60 requests a second and whose jobs take 2 s, in a process of its own.

Prints how long a call took (p50, p99 and the longest), the ratio of the p50 to a bare commit of one row
to SQLite by one process that is alone, requests a second, how much memory the processes grew in the
second half of the load, what became of the events, and how long after it the last one was applied.

Run: python benchmarks/outbox.py [SECONDS [WAY ...]]
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from attrs import asdict, define, field

from appcues_async import AppcuesClient, AppcuesError, BulkFailed, Timeouts
from appcues_async.sandbox import Sandbox

PROCESSES = 4
RATES = (300, 3_000)
PATIENCE = 120.0
"""Seconds after the load for which is waited until all is applied."""

Put: TypeAlias = Callable[[str, str], Awaitable[None]]
Way: TypeAlias = Callable[[AppcuesClient, Path], AbstractAsyncContextManager[Put]]


@define
class Result:
    """What one process has seen."""

    took: list[float] = field(factory=list)
    returned: int = 0
    refused: int = 0
    grown: int = 0
    drained: float = 0.0


@asynccontextmanager
async def on_disk(client: AppcuesClient, folder: Path) -> AsyncIterator[Put]:
    async with client.outbox(folder / "outbox.db") as outbox:
        yield outbox.track
        with suppress(BulkFailed):
            await outbox.flush(wait=True, timeout=PATIENCE)


@asynccontextmanager
async def in_memory(client: AppcuesClient, _: Path) -> AsyncIterator[Put]:
    async with client.outbox() as outbox:
        yield outbox.track
        with suppress(BulkFailed):
            await outbox.flush(wait=True, timeout=PATIENCE)


@asynccontextmanager
async def awaited(client: AppcuesClient, _: Path) -> AsyncIterator[Put]:
    yield client.users.track_event


@asynccontextmanager
async def queued(client: AppcuesClient, _: Path) -> AsyncIterator[Put]:
    """A queue in memory that drops what it has no room for, as analytics libraries have it."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(10_000)

    async def put(user_id: str, name: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with suppress(asyncio.QueueFull):
            queue.put_nowait({"user_id": user_id, "name": name, "timestamp": now})

    async def send() -> None:
        while True:
            batch = [await queue.get()]
            deadline = time.monotonic() + 0.5
            while len(batch) < 100 and (left := deadline - time.monotonic()) > 0:
                try:
                    batch.append(await asyncio.wait_for(queue.get(), left))
                except TimeoutError:
                    break
            with suppress(AppcuesError):
                await client.imports.events(batch)
            for _ in batch:
                queue.task_done()

    sending = asyncio.create_task(send())
    try:
        yield put
        with suppress(TimeoutError):
            await asyncio.wait_for(queue.join(), PATIENCE)
    finally:
        sending.cancel()


WAYS: dict[str, Way] = {
    "outbox on disk": on_disk,
    "outbox in memory": in_memory,
    "track_event, awaited": awaited,
    "a queue that drops": queued,
}


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def work(way: str, credentials: dict[str, str], name: str, folder: Path) -> Result:
    """Puts events at a steady pace, in a process of its own."""
    rate, seconds = map(float, sys.argv[5:7])
    result = Result()
    under_way: set[asyncio.Task[None]] = set()
    client = AppcuesClient(**credentials, timeouts=Timeouts(budget=10))  # type: ignore[arg-type]
    async with client, WAYS[way](client, folder) as put:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

        async def call(number: int) -> None:
            began = time.perf_counter()
            try:
                await put(f"{name}-{number % 997}", f"{name} {number}")
            except AppcuesError:
                result.refused += 1
            else:
                result.returned += 1
            result.took.append(time.perf_counter() - began)

        began, half = time.perf_counter(), 0
        for number in range(int(rate * seconds)):
            if (ahead := began + number / rate - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            if number == int(rate * seconds) // 2:
                half = memory()
            task = asyncio.create_task(call(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        result.grown = memory() - half
        ended = time.perf_counter()
        if under_way:
            await asyncio.wait(under_way)
    result.drained = time.perf_counter() - ended
    return result


def bare_commit() -> float:
    """Seconds that a commit of one row takes a process that is alone (median of 300)."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        db = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE rows (body BLOB)")
        took = []
        for _ in range(300):
            began = time.perf_counter()
            db.execute("INSERT INTO rows VALUES (?)", (b"x" * 150,))
            took.append(time.perf_counter() - began)
        db.close()
    return statistics.median(took)


def run(way: str, rate: int, seconds: float, bare: float) -> str:
    """Lets four processes put, and returns a line of the table."""
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        Sandbox(rate_limit=60, job_seconds=2.0) as sandbox,
    ):
        arguments = [json.dumps(sandbox.credentials), folder, str(rate / PROCESSES), str(seconds)]
        workers = [
            subprocess.Popen(
                [sys.executable, __file__, "--work", way, f"w{number}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(PROCESSES)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        before = len(sandbox.requests)
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        time.sleep(seconds)
        requests = len(sandbox.requests) - before
        results = [Result(**json.loads(worker.communicate()[0])) for worker in workers]
        sandbox.advance(60)
        times = Counter(event["name"] for event in sandbox.events)
    took = sorted(one for result in results for one in result.took)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    returned = sum(result.returned for result in results)
    doubled = sum(count - 1 for count in times.values())
    return (
        f"| {way} | {rate:,} | {p50 * 1e3:.2f} | {p99 * 1e3:.2f} | {took[-1] * 1e3:.0f} | "
        f"{p50 / bare:.2f} | {requests / seconds:.1f} | "
        f"{max(result.grown for result in results) / 1e6:.1f} | {returned:,} | "
        f"{sum(result.refused for result in results):,} | {max(0, returned - len(times)):,} | "
        f"{doubled:,} | {max(result.drained for result in results):.1f} |"
    )


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    ways = sys.argv[2:] or list(WAYS)
    bare = bare_commit()
    print(f"a bare commit of one row: {bare * 1e3:.2f} ms; {PROCESSES} processes, {seconds:.0f} s")
    print(
        "| way | events/s | p50 ms | p99 ms | longest ms | p50 / bare commit | requests/s | "
        "MB grown | returned | refused | lost | doubled | drained s |"
    )
    print("|" + " --- |" * 13)
    for way in ways:
        for rate in RATES:
            print(run(way, rate, seconds, bare), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _, _, which, me, given, place = sys.argv[:6]
        sys.argv[1:] = ["--work", which, me, place, *sys.argv[6:]]
        print(json.dumps(asdict(asyncio.run(work(which, json.loads(given), me, Path(place))))))
    else:
        main()
