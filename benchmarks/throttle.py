"""Who gets the most out of a limit that nobody told them?

Runs the same work against a sandbox with a request limit through this client and through four other
ways of sending, in turn: aiohttp with a tenacity loop (exponential, jittered) around each call,
aiohttp-retry's exponential retry, the fixed loop of two retries that generated SDKs use, and the rule of
the vendor's own command (20 ms between requests, three retries after 1, 2 and 4 seconds).

In each scenario 200 tasks call for 60 seconds, as often as they can. Printed are, as medians over the
seeds: calls that failed, what the server took as a share of what its limit allows (from the tenth second
on where the limit is constant; its first bucketful is not counted), and the share of requests that it
refused with 429. In the outage, 8 uploads and 200 calls meet ten seconds of 503s, and the requests sent
per call are counted.

The clock of client, peers and server runs SCALE times as fast as the wall's, so that an hour of work
fits into minutes; the network does not, so a round trip of 2 ms counts as 2 * SCALE ms.

Then limiters that people run have their turn, nginx and haproxy (see limiters.py).

Run: python benchmarks/throttle.py [SEEDS [SCENARIO ...]]   (needs tenacity and aiohttp-retry)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import selectors
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
from aiohttp_retry import ExponentialRetry, RetryClient
from attrs import define, field
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from appcues_async import AppcuesClient, Pace
from appcues_async.sandbox import Answer, Sandbox
from appcues_async.wire.throttle import LocalThrottle

SCALE = 6.0
SECONDS = 60.0
TASKS = 200
ROWS = b"user_id,plan\n" + b"".join(b"user-%06d,pro\n" % number for number in range(20_000))

Call: TypeAlias = Callable[[], Awaitable[object]]


class _Selector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / SCALE if timeout else timeout)


class FastLoop(asyncio.SelectorEventLoop):
    """A loop on which SCALE seconds pass in one."""

    def __init__(self) -> None:
        super().__init__(_Selector())

    def time(self) -> float:
        return super().time() * SCALE


class LoopClock:
    """The running loop's clock."""

    @property
    def id(self) -> str:
        return "loop"

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay, callback)


class RefusedError(Exception):
    """A status that a peer does not take for a success."""


def headers(sandbox: Sandbox) -> dict[str, str]:
    key, secret = sandbox.credentials["api_key"], sandbox.credentials["api_secret"]
    return {"Authorization": aiohttp.encode_basic_auth(key, secret)}


def urls(sandbox: Sandbox) -> tuple[str, str]:
    account = f"{sandbox.url}/v2/accounts/{sandbox.credentials['account_id']}"
    return f"{account}/segments", f"{account}/import/profiles"


async def once(session: aiohttp.ClientSession, sandbox: Sandbox, upload: bool) -> None:
    call, imports = urls(sandbox)
    if upload:
        request = session.post(imports, data=ROWS, headers={"Content-Type": "text/csv"})
    else:
        request = session.get(call)
    async with request as response:
        await response.read()
        if response.status >= 400:
            raise RefusedError(response.status, response.headers.get("Retry-After"))


@contextlib.asynccontextmanager
async def ours(sandbox: Sandbox) -> AsyncIterator[tuple[Call, Call]]:
    clock = LoopClock()
    throttle = LocalThrottle(Pace(), clock=clock)
    async with AppcuesClient(**sandbox.credentials, throttle=throttle, clock=clock) as client:
        yield client.segments.list, lambda: client.imports.profiles(ROWS)


@contextlib.asynccontextmanager
async def with_tenacity(sandbox: Sandbox) -> AsyncIterator[tuple[Call, Call]]:
    async with aiohttp.ClientSession(headers=headers(sandbox)) as session:

        async def send(upload: bool) -> None:
            retrying = AsyncRetrying(
                stop=stop_after_attempt(5),
                wait=wait_exponential_jitter(),
                retry=retry_if_exception_type((RefusedError, aiohttp.ClientError)),
                reraise=True,
            )
            await retrying(once, session, sandbox, upload)

        yield lambda: send(False), lambda: send(True)


@contextlib.asynccontextmanager
async def with_aiohttp_retry(sandbox: Sandbox) -> AsyncIterator[tuple[Call, Call]]:
    options = ExponentialRetry(attempts=5, statuses={429}, start_timeout=0.5)
    async with RetryClient(retry_options=options, headers=headers(sandbox)) as session:
        yield (
            lambda: once(session, sandbox, False),  # type: ignore[arg-type]
            lambda: once(session, sandbox, True),  # type: ignore[arg-type]
        )


def rule(retries: int, pause: Callable[[int], float], gap: float) -> Callable[[Sandbox], Any]:
    """A loop of so many retries, with a gap between all requests of the process."""

    @contextlib.asynccontextmanager
    async def peer(sandbox: Sandbox) -> AsyncIterator[tuple[Call, Call]]:
        turn = asyncio.Lock()

        async def send(upload: bool) -> None:
            for number in range(retries + 1):
                if gap:
                    async with turn:
                        await asyncio.sleep(gap)
                try:
                    return await once(session, sandbox, upload)
                except RefusedError as error:
                    status, asked = error.args
                    if number == retries or not (status == 429 or status >= 500):
                        raise
                    await asyncio.sleep(float(asked) if asked else pause(number))
            return None

        async with aiohttp.ClientSession(headers=headers(sandbox)) as session:
            yield lambda: send(False), lambda: send(True)

    return peer


PEERS: dict[str, Callable[[Sandbox], Any]] = {
    "appcues_async": ours,
    "tenacity loop": with_tenacity,
    "aiohttp-retry": with_aiohttp_retry,
    "generated SDK": rule(
        2, lambda number: min(8, 0.5 * 2**number) * (1 - random.random() / 4), gap=0
    ),
    "vendor's command": rule(3, lambda number: float(2**number), gap=0.02),
}


@define
class Scenario:
    """A limit, and what is counted."""

    limit: float
    since: float = 10
    clients: int = 1
    retry_after: float | None = None
    changes: list[tuple[float, float]] = field(factory=list)

    def allowed(self) -> float:
        """Requests that the limit allows from `since` to the end."""
        total, limit, at = 0.0, self.limit, self.since
        for when, new in [*self.changes, (SECONDS, 0.0)]:
            total += limit * (when - at)
            limit, at = new, when
        return total


SCENARIOS = {
    "60/s": Scenario(60),
    "20/s": Scenario(20),
    "60, then 15, then 60": Scenario(60, since=0, changes=[(20, 15), (40, 60)]),
    "two clients on 40/s": Scenario(40, clients=2),
    "60/s with Retry-After": Scenario(60, retry_after=1),
    "outage": Scenario(60),
}


@define
class Result:
    calls: int = 0
    failed: int = 0
    goodput: float = 0
    refused: float = 0
    per_call: float = 0


async def attempt(result: Result, call: Call) -> None:
    result.calls += 1
    try:
        await call()
    except Exception:  # noqa: BLE001 - each way fails in errors of its own
        result.failed += 1


async def steady(scenario: Scenario, peer: Callable[[Sandbox], Any]) -> Result:
    loop = asyncio.get_running_loop()
    result = Result()
    async with contextlib.AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            Sandbox(rate_limit=scenario.limit, retry_after=scenario.retry_after, clock=loop.time)
        )
        clients = [await stack.enter_async_context(peer(sandbox)) for _ in range(scenario.clients)]
        started = loop.time()

        async def work(call: Call) -> None:
            while loop.time() - started < SECONDS:
                await attempt(result, call)

        async def change() -> None:
            for when, limit in scenario.changes:
                await asyncio.sleep(started + when - loop.time())
                sandbox.rate_limit = limit

        tasks = [
            asyncio.create_task(work(clients[number % scenario.clients][0]))
            for number in range(TASKS)
        ]
        tasks.append(asyncio.create_task(change()))
        await asyncio.sleep(SECONDS)
        seen = [one for one in sandbox.requests if one.arrived - started <= SECONDS]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    taken = sum(one.status == 200 and one.arrived - started >= scenario.since for one in seen)
    first = scenario.limit if scenario.since == 0 else 0
    result.goodput = (taken - first) / scenario.allowed()
    result.refused = sum(one.status == 429 for one in seen) / max(1, len(seen))
    return result


async def outage(scenario: Scenario, peer: Callable[[Sandbox], Any]) -> Result:
    loop = asyncio.get_running_loop()
    result = Result()
    async with Sandbox(rate_limit=scenario.limit, clock=loop.time) as sandbox:
        async with peer(sandbox) as (call, upload):
            sandbox.faults.add(Answer(503), times=None)
            work = [attempt(result, upload) for _ in range(8)]
            work += [attempt(result, call) for _ in range(TASKS)]
            tasks = [asyncio.create_task(one) for one in work]
            await asyncio.sleep(10)
            sandbox.faults.clear()
            await asyncio.wait(tasks)
        result.per_call = len(sandbox.requests) / result.calls
        result.refused = sum(one.status == 429 for one in sandbox.requests) / len(sandbox.requests)
    return result


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name in sys.argv[2:] or SCENARIOS:
        scenario = SCENARIOS[name]
        results: dict[str, list[Result]] = {peer: [] for peer in PEERS}
        for seed in range(seeds):
            for peer, make in PEERS.items():
                random.seed(seed)
                with asyncio.Runner(loop_factory=FastLoop) as runner:
                    run = outage if name == "outage" else steady
                    results[peer].append(runner.run(run(scenario, make)))
        print(f"\n{name} ({seeds} seeds)", flush=True)
        for peer, some in results.items():

            def middle(of: str, some: list[Result] = some) -> tuple[float, float, float]:
                values = sorted(getattr(one, of) for one in some)
                return statistics.median(values), values[0], values[-1]

            failed = "failed {:4.0f} ({:.0f} to {:.0f})".format(*middle("failed"))
            refused = "refused {:6.2%} ({:.2%} to {:.2%})".format(*middle("refused"))
            if name == "outage":
                last = "requests a call {:5.2f} ({:.2f} to {:.2f})".format(*middle("per_call"))
            else:
                last = "goodput {:6.1%} ({:.1%} to {:.1%})".format(*middle("goodput"))
            print(f"  {peer:17} {failed}  {last}  {refused}", flush=True)


if __name__ == "__main__":
    main()
    if not sys.argv[2:]:
        here = Path(__file__).with_name("limiters.py")
        subprocess.run([sys.executable, str(here), *sys.argv[1:]], check=True)
