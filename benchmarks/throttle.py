"""Who gets the most out of a limit that nobody told them?

Runs the same work against a sandbox with a request limit through this client and through four other
ways of sending, in turn: aiohttp with a tenacity loop (exponential, jittered) around each call,
aiohttp-retry's exponential retry, the fixed loop of two retries that generated SDKs use, and the rule of
the vendor's own command (20 ms between requests, three retries after 1, 2 and 4 seconds).

In each scenario 200 tasks call for 60 seconds, as often as they can. Printed are, as medians over the
seeds: calls that failed, what the server took as a share of what its limit allows (from the tenth second
on where the limit is constant; its first bucketful is not counted), and the share of requests that it
refused with 429. Where two clients share a limit, the second is a process of its own. In the outage, 8
uploads and 200 calls meet ten seconds of 503s, and the requests sent per call are counted.

The clock of client, peers and server runs six times as fast as the wall's, so that an hour of work
fits into minutes; the network does not, so a round trip of 2 ms counts as 12 ms. On a machine that has
other work to do, `--speed 1` shows what the limits do, and not what the machine does.

Then limiters that people run have their turn, nginx and haproxy (see limiters.py).

Run: python benchmarks/throttle.py [--seeds 5] [--speed 6] [SCENARIO ...]
It needs tenacity and aiohttp-retry.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import selectors
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
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
from appcues_async.sandbox.credentials import ClientArguments
from appcues_async.wire.throttle import LocalThrottle

SECONDS = 60.0
TASKS = 200
ROWS = b"user_id,plan\n" + b"".join(b"user-%06d,pro\n" % number for number in range(20_000))

Call: TypeAlias = Callable[[], Awaitable[object]]
Peer: TypeAlias = Callable[[ClientArguments], Any]


class _Selector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self.speed = speed

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self.speed if timeout else timeout)


class FastLoop(asyncio.SelectorEventLoop):
    """A loop on which so many seconds pass in one."""

    def __init__(self, speed: float) -> None:
        super().__init__(_Selector(speed))
        self.speed = speed

    def time(self) -> float:
        return super().time() * self.speed


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


def headers(account: ClientArguments) -> dict[str, str]:
    basic = aiohttp.encode_basic_auth(account["api_key"], account["api_secret"])
    return {"Authorization": basic}


async def once(session: aiohttp.ClientSession, account: ClientArguments, upload: bool) -> None:
    url = f"{account['base_url']}/v2/accounts/{account['account_id']}"
    if upload:
        csv = {"Content-Type": "text/csv"}
        request = session.post(f"{url}/import/profiles", data=ROWS, headers=csv)
    else:
        request = session.get(f"{url}/segments")
    async with request as response:
        await response.read()
        if response.status >= 400:
            raise RefusedError(response.status, response.headers.get("Retry-After"))


@contextlib.asynccontextmanager
async def ours(account: ClientArguments) -> AsyncIterator[tuple[Call, Call]]:
    clock = LoopClock()
    throttle = LocalThrottle(Pace(), clock=clock)
    async with AppcuesClient(**account, throttle=throttle, clock=clock) as client:
        yield client.segments.list, lambda: client.imports.profiles(ROWS)


@contextlib.asynccontextmanager
async def with_tenacity(account: ClientArguments) -> AsyncIterator[tuple[Call, Call]]:
    async with aiohttp.ClientSession(headers=headers(account)) as session:

        async def send(upload: bool) -> None:
            retrying = AsyncRetrying(
                stop=stop_after_attempt(5),
                wait=wait_exponential_jitter(),
                retry=retry_if_exception_type((RefusedError, aiohttp.ClientError)),
                reraise=True,
            )
            await retrying(once, session, account, upload)

        yield lambda: send(False), lambda: send(True)


@contextlib.asynccontextmanager
async def with_aiohttp_retry(account: ClientArguments) -> AsyncIterator[tuple[Call, Call]]:
    options = ExponentialRetry(attempts=5, statuses={429}, start_timeout=0.5)
    async with RetryClient(retry_options=options, headers=headers(account)) as session:
        yield (
            lambda: once(session, account, False),  # type: ignore[arg-type]
            lambda: once(session, account, True),  # type: ignore[arg-type]
        )


def rule(retries: int, pause: Callable[[int], float], gap: float) -> Peer:
    """A loop of so many retries, with a gap between all requests of the process."""

    @contextlib.asynccontextmanager
    async def peer(account: ClientArguments) -> AsyncIterator[tuple[Call, Call]]:
        turn = asyncio.Lock()

        async def send(upload: bool) -> None:
            for number in range(retries + 1):
                if gap:
                    async with turn:
                        await asyncio.sleep(gap)
                try:
                    return await once(session, account, upload)
                except RefusedError as error:
                    status, asked = error.args
                    if number == retries or not (status == 429 or status >= 500):
                        raise
                    await asyncio.sleep(float(asked) if asked else pause(number))
            return None

        async with aiohttp.ClientSession(headers=headers(account)) as session:
            yield lambda: send(False), lambda: send(True)

    return peer


PEERS: dict[str, Peer] = {
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


async def work(
    result: Result, peer: str, account: ClientArguments, tasks: int, until: float
) -> None:
    """Calls from so many tasks, as often as they can, until then on the loop's clock."""
    loop = asyncio.get_running_loop()

    async def repeat(call: Call) -> None:
        while loop.time() < until:
            await attempt(result, call)

    async with PEERS[peer](account) as (call, _):
        some = [asyncio.create_task(repeat(call)) for _ in range(tasks)]
        await asyncio.sleep(until - loop.time())
        for task in some:
            task.cancel()
        await asyncio.wait(some)


def work_apart(
    peer: str, account: ClientArguments, tasks: int, until: float, *, seed: int, speed: float
) -> Result:
    """The same in a process of its own, whose clock is the same one."""
    random.seed(seed)
    result = Result()
    with asyncio.Runner(loop_factory=partial(FastLoop, speed)) as runner:
        runner.run(work(result, peer, account, tasks, until))
    return result


async def steady(scenario: Scenario, peer: str, *, seed: int, speed: float) -> Result:
    loop = asyncio.get_running_loop()
    result = Result()
    tasks = TASKS // scenario.clients
    others = scenario.clients - 1
    with ProcessPoolExecutor(max(1, others), get_context("spawn")) as pool:
        # The processes are there, with all they import, before anything is counted.
        await asyncio.gather(*(loop.run_in_executor(pool, int) for _ in range(others)))
        async with Sandbox(
            rate_limit=scenario.limit, retry_after=scenario.retry_after, clock=loop.time
        ) as sandbox:
            started = loop.time()
            until = started + SECONDS
            given = (peer, sandbox.credentials, tasks, until)
            apart = [
                loop.run_in_executor(
                    pool, partial(work_apart, seed=seed + number, speed=speed), *given
                )
                for number in range(1, scenario.clients)
            ]

            async def change() -> None:
                for when, limit in scenario.changes:
                    await asyncio.sleep(started + when - loop.time())
                    sandbox.rate_limit = limit

            await asyncio.gather(work(result, *given), change())
            for other in await asyncio.gather(*apart):
                result.calls += other.calls
                result.failed += other.failed
            seen = [one for one in sandbox.requests if one.arrived <= until]
    taken = sum(one.status == 200 and one.arrived - started >= scenario.since for one in seen)
    first = scenario.limit if scenario.since == 0 else 0
    result.goodput = (taken - first) / scenario.allowed()
    result.refused = sum(one.status == 429 for one in seen) / max(1, len(seen))
    return result


async def outage(scenario: Scenario, peer: str, **_: float) -> Result:
    loop = asyncio.get_running_loop()
    result = Result()
    async with Sandbox(rate_limit=scenario.limit, clock=loop.time) as sandbox:
        async with PEERS[peer](sandbox.credentials) as (call, upload):
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
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--speed", type=float, default=6.0)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    given = parser.parse_args()
    seeds = given.seeds
    for name in given.scenarios or SCENARIOS:
        scenario = SCENARIOS[name]
        results: dict[str, list[Result]] = {peer: [] for peer in PEERS}
        for seed in range(seeds):
            for peer in PEERS:
                random.seed(seed)
                with asyncio.Runner(loop_factory=partial(FastLoop, given.speed)) as runner:
                    run = outage if name == "outage" else steady
                    done = run(scenario, peer, seed=seed, speed=given.speed)
                    results[peer].append(runner.run(done))
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
    if not given.scenarios:
        here = Path(__file__).with_name("limiters.py")
        subprocess.run([sys.executable, str(here), f"--seeds={seeds}"], check=True)


if __name__ == "__main__":
    main()
