"""What does it cost to wait for jobs?

Waits for 10, 1,000 and 10,000 jobs that take 5 to 60 seconds, on a server in another process, with
`client.jobs.wait_all`, with one task per job that looks every 2 seconds, and with one that looks after
2, 4, 8, 16 and then every 30 seconds (the vendor's own way). No way has a throttle. Printed are the
requests sent per job, the seconds between a job's end and its awaiter's waking, and the CPU time of the
whole wait.

Then, without a network: what one tick over 10,000 jobs costs and how long it holds the loop, as median
and spread, and how much memory a waiting handle takes beyond a task that waits for a bare future.

Run: python benchmarks/polling.py [JOBS ...]
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async import AppcuesClient, PollPolicy
from appcues_async.clock import SystemClock
from appcues_async.waiting.address import JobAddress
from appcues_async.waiting.handle import JobHandle, JobHandles
from appcues_async.waiting.watch import JobWatch
from appcues_async.waiting.watcher import Watcher
from appcues_async.wire.codec import read_summaries
from appcues_async.wire.reply import Reply

SHORTEST, LONGEST = 5.0, 60.0
TICKS = 15


def job(number: int, status: str, events: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    shown = {
        "id": f"75d59048-7961-419b-95e2-{number:012d}",
        "name": "Import Profiles",
        "started_at": "2026-07-29T17:23:48",
        "status": status,
        "url": f"https://api.appcues.com/v2/accounts/1/jobs/75d59048-7961-419b-95e2-{number:012d}",
    }
    return shown if events is None else {**shown, "events": events}


def durations(jobs: int) -> list[float]:
    chance = random.Random(1)
    return [chance.uniform(SHORTEST, LONGEST) for _ in range(jobs)]


def serve(jobs: int) -> None:
    """Answers for so many jobs, all of which begin now; prints when that was, and its port."""
    began = time.monotonic()
    ends = [began + seconds for seconds in durations(jobs)]
    counts = {"ingestions_completed": 22, "ingestions_failed": 0, "requests_failed": 0}
    events = [{"name": "Completed", "timestamp": "2026-07-29T17:24:36", "attributes": counts}]
    running = [json.dumps(job(number, "IN_PROGRESS")).encode() for number in range(jobs)]
    done = [json.dumps(job(number, "COMPLETED")).encode() for number in range(jobs)]
    detail = [json.dumps(job(number, "COMPLETED", events)).encode() for number in range(jobs)]
    requests = 0

    def answer(path: bytes) -> bytes:
        nonlocal requests
        now = time.monotonic()
        if path.endswith(b"/requests"):
            return b"%d" % requests
        requests += 1
        if path.endswith(b"/jobs"):
            shown = (d if end <= now else r for d, r, end in zip(done, running, ends, strict=True))
            return b"[" + b",".join(shown) + b"]"
        number = int(path[-12:])
        return detail[number] if ends[number] <= now else running[number]

    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            body = answer(data.split(b" ", 2)[1])
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            self.transport.write(head % len(body) + body)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        print(began, server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


async def ours(url: str, jobs: int, wake: Callable[[int], None]) -> None:
    async with AppcuesClient("1", "key", "secret", base_url=url, throttle=None) as client:
        handles = [client.jobs.resume(job(number, "")["id"]) for number in range(jobs)]

        async def wait(number: int) -> None:
            await handles[number]
            wake(number)

        async with asyncio.TaskGroup() as group:
            for number in range(jobs):
                group.create_task(wait(number))


def loop_per_job(pause: Callable[[int], float]) -> Any:
    async def run(url: str, jobs: int, wake: Callable[[int], None]) -> None:
        async with aiohttp.ClientSession() as session:

            async def wait(number: int) -> None:
                looks = 0
                while True:
                    await asyncio.sleep(pause(looks))
                    looks += 1
                    path = f"{url}/v2/accounts/1/jobs/{job(number, '')['id']}"
                    async with session.get(path) as response:
                        if (await response.json())["status"] == "COMPLETED":
                            wake(number)
                            return

            async with asyncio.TaskGroup() as group:
                for number in range(jobs):
                    group.create_task(wait(number))

    return run


WAYS: dict[str, Callable[[str, int, Callable[[int], None]], Awaitable[None]]] = {
    "appcues_async": ours,
    "a look every 2 s": loop_per_job(lambda _: 2),
    "2 s, doubling to 30": loop_per_job(lambda looks: min(30, 2.0 ** (looks + 1))),
}


async def requests_of(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/requests") as response:
        return int(await response.text())


def measure(way: str, jobs: int) -> None:
    command = [sys.executable, __file__, "--serve", str(jobs)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    began, port = server.stdout.readline().split()
    url = f"http://127.0.0.1:{port}"
    ends = [float(began) + seconds for seconds in durations(jobs)]
    lags: list[float] = []
    try:
        before = time.process_time()
        waiting = WAYS[way](url, jobs, lambda number: lags.append(time.monotonic() - ends[number]))
        asyncio.run(waiting)  # type: ignore[arg-type]
        cpu = time.process_time() - before
        requests = asyncio.run(requests_of(url))
    finally:
        server.kill()
        server.wait()
    lags.sort()
    print(
        f"  {way:20} {requests / jobs:6.2f} requests a job"
        f"  woken after {statistics.median(lags):5.2f} s (median), "
        f"{lags[int(0.99 * (len(lags) - 1))]:5.2f} s (p99)  CPU {cpu:6.2f} s",
        flush=True,
    )


async def tick(jobs: int) -> None:
    """Lets a poller look at jobs that never end, at once again after each look."""
    body = json.dumps([job(number, "IN_PROGRESS") for number in range(jobs)]).encode()
    reply = Reply(200, CIMultiDictProxy(CIMultiDict()), body)
    spent: list[float] = []
    held: list[float] = []
    longest = 0.0
    before = time.process_time()

    async def look() -> Any:
        nonlocal before, longest
        now = time.process_time()
        spent.append(now - before)
        held.append(longest)
        longest, before = 0.0, now
        return read_summaries(reply)

    async def watch() -> None:
        nonlocal longest
        while True:
            since = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - since - 0.001)

    policy = PollPolicy(first=0.2, low=0.2, high=0.2)
    watcher = Watcher(get=never, list_recent=look, clock=SystemClock())
    shared = handles_of(watcher, policy)
    handles = [handle_of(number, shared) for number in range(jobs)]
    waits = [asyncio.create_task(handle.wait()) for handle in handles]
    await asyncio.sleep(0)
    watching = asyncio.create_task(watch())
    while len(spent) < TICKS + 3:  # noqa: ASYNC110 - ticks are counted, not awaited
        await asyncio.sleep(0.05)
    # The first looks come among the starts of ten thousand tasks, and the rest is what goes on.
    some, held = sorted(spent[3:]), sorted(held[3:])
    print(
        f"a tick over {jobs:,} jobs: CPU {statistics.median(some) * 1e3:.1f} ms "
        f"({some[0] * 1e3:.1f} to {some[-1] * 1e3:.1f}), loop held at most "
        f"{statistics.median(held) * 1e3:.1f} ms ({held[0] * 1e3:.1f} to {held[-1] * 1e3:.1f})"
    )
    for task in (watching, *waits):
        task.cancel()
    await asyncio.wait((watching, *waits))


async def never(_: JobAddress) -> Any:
    raise AssertionError("a job that has not ended is not asked for by itself")


def handle_of(number: int, shared: JobHandles) -> JobHandle:
    address = JobAddress("https://api.appcues.com", "1", job(number, "")["id"], "import/profiles")
    return JobHandle(JobWatch(address, shared.polling), shared)


def handles_of(watcher: Watcher, policy: PollPolicy) -> JobHandles:
    sender: Any = None
    return JobHandles(
        sender=sender,
        watcher=watcher,
        origin="https://api.appcues.com",
        account_id="1",
        polling=policy,
        wait_timeout=86_400,
    )


async def memory(jobs: int) -> None:
    async def bare(future: asyncio.Future[None]) -> None:
        await future

    async def none_listed() -> Any:
        return {}

    async def cost(make: Callable[[int], Awaitable[Any]]) -> float:
        tracemalloc.start()
        kept = [make(number) for number in range(jobs)]
        tasks = [asyncio.ensure_future(one) for one in kept]
        await asyncio.sleep(0.01)
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return taken / jobs

    policy = PollPolicy(first=1000, low=1000, high=1000)
    watcher = Watcher(get=never, list_recent=none_listed, clock=SystemClock())
    loop = asyncio.get_running_loop()
    shared = handles_of(watcher, policy)
    waiting = await cost(lambda number: handle_of(number, shared).wait())
    alone = await cost(lambda _: bare(loop.create_future()))
    print(
        f"memory: {waiting:,.0f} bytes a waiting handle with its task, {alone:,.0f} a task that waits "
        f"for a bare future: {waiting - alone:,.0f} beyond it"
    )


def main() -> None:
    # One connection a job is what the other ways need.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for jobs in map(int, sys.argv[1:] or (10, 1_000, 10_000)):
        print(f"{jobs:,} jobs of {SHORTEST:.0f} to {LONGEST:.0f} s", flush=True)
        for way in WAYS:
            measure(way, jobs)
    asyncio.run(tick(10_000))
    asyncio.run(memory(10_000))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
    else:
        main()
