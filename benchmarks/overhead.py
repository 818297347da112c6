"""What does a small call cost, next to aiohttp on its own?

Updates one profile after the other with `client.users.update_profile`, through throttle, retry layer,
checks and converter, and with `session.patch(url, json=...)` and `await response.json()`. Counted are
user-space instructions per request under cachegrind, which repeat to half a percent where times do not:
each way runs twice in a process of its own, with more and with fewer requests, and the difference is
divided by the difference in requests. A third run, of the client without its retry layer, shows what
that costs a call that succeeds at once. CPU times are taken in turn in one process.

Run: python benchmarks/overhead.py [ROUNDS]   (needs valgrind)
"""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import aiohttp

from appcues_async import AppcuesClient, Pace
from appcues_async.wire import sender
from appcues_async.wire.turn import ANSWERED

WAYS = ("aiohttp", "appcues_async", "without retry layer")
TASKS = 20
FEW, MANY = 200, 1200
PROFILE = {"plan": "pro", "seats": 12, "trial": False, "company": "Bumbleborn", "score": 0.75}
ANSWER = b'{"status": 200, "title": "OK"}'

Update: TypeAlias = Callable[[str], Awaitable[object]]
Run: TypeAlias = Callable[[str, str, Callable[[Update], Awaitable[object]]], Awaitable[object]]
"""Runs what is to be measured in one way, against a server."""


def serve() -> None:
    """Answers every request at once."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(ANSWER),
        ANSWER,
    )

    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport, self.received = transport, b""

        def data_received(self, data: bytes) -> None:
            self.received += data
            head, found, body = self.received.partition(b"\r\n\r\n")
            if found:
                length = int(re.search(rb"content-length: *(\d+)", head.lower())[1])  # type: ignore[index]
                if len(body) >= length:
                    self.received = b""
                    self.transport.write(reply)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


async def spread(update: Update, requests: int) -> None:
    left = iter(range(requests))

    async def work() -> None:
        for number in left:
            await update(f"user-{number:07d}@example.com")

    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(work())


async def with_aiohttp(url: str, use: Callable[[Update], Awaitable[object]]) -> object:
    headers = {"Authorization": aiohttp.encode_basic_auth("key", "secret")}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def update(user_id: str) -> None:
            path = f"{url}/v2/accounts/1/users/{user_id}/profile"
            async with session.patch(path, json=PROFILE) as response:
                await response.json()

        return await use(update)


async def with_client(url: str, use: Callable[[Update], Awaitable[object]]) -> object:
    async with AppcuesClient("1", "key", "secret", base_url=url, throttle=Pace(1e9)) as client:
        return await use(lambda user_id: client.users.update_profile(user_id, PROFILE))


async def without_retry_layer(url: str, use: Callable[[Update], Awaitable[object]]) -> object:
    async def send(self: sender.Sender, request: Any, read: Any) -> Any:
        assert self.throttle is not None
        self.connections.enter()
        try:
            turn = await self.throttle.acquire(request.endpoint.lane, request.size)
            try:
                return read(await self.transport.attempt(request))
            finally:
                self.throttle.feedback(turn, ANSWERED)
        finally:
            self.connections.leave()

    original, sender.Sender.send = sender.Sender.send, send  # type: ignore[method-assign, assignment]
    try:
        return await with_client(url, use)
    finally:
        sender.Sender.send = original  # type: ignore[method-assign]


OPEN = dict(zip(WAYS, (with_aiohttp, with_client, without_retry_layer), strict=True))


async def run(way: str, url: str, use: Callable[[Update], Awaitable[object]]) -> object:
    return await OPEN[way](url, use)


@contextmanager
def server_of(*program: str) -> Iterator[str]:
    """The URL of a server that a program, one of Python's arguments, runs with `--serve`."""
    server = subprocess.Popen([sys.executable, *program, "--serve"], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.wait()


def instructions(way: str, url: str, few: int, many: int, *program: str) -> float:
    """Instructions a request of a program that runs one way with `--one`."""

    def counted(requests: int) -> int:
        with tempfile.NamedTemporaryFile() as file:
            command = ["valgrind", "--tool=cachegrind", "--cache-sim=no"]
            command += [f"--cachegrind-out-file={file.name}", sys.executable, *program]
            command += ["--one", way, url, str(requests)]
            output = subprocess.run(command, check=True, capture_output=True, text=True)
        refs = re.search(r"I\s+refs:\s+([\d,]+)", output.stderr)
        assert refs is not None
        return int(refs[1].replace(",", ""))

    return (counted(many) - counted(few)) / (many - few)


async def cpu_times(ways: Sequence[str], run: Run, url: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of CPU per request, the ways in turn."""
    taken: dict[str, list[float]] = {way: [] for way in ways}

    async def one(way: str) -> None:
        async def use(update: Update) -> None:
            await spread(update, 50)
            before = time.process_time()
            await spread(update, 500)
            taken[way].append((time.process_time() - before) / 500)

        await run(way, url, use)

    for _ in range(rounds):
        for way in taken:
            await one(way)
    return taken


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    with server_of(__file__) as url:
        if shutil.which("valgrind"):
            counted = {way: instructions(way, url, FEW, MANY, __file__) for way in WAYS}
            for way, number in counted.items():
                ratio = number / counted[WAYS[0]]
                print(f"{way:20} {number:10,.0f} instructions a request  {ratio:.3f} x aiohttp")
            layer = 1 - counted[WAYS[2]] / counted[WAYS[1]]
            print(f"the retry layer is {layer:.2%} of a call that succeeds at once")
        else:
            print("valgrind is not installed, so instructions are not counted")
        taken = asyncio.run(cpu_times(WAYS[:2], run, url, rounds))
        ratios = sorted(
            mine / bare for mine, bare in zip(taken[WAYS[1]], taken[WAYS[0]], strict=True)
        )
        print(
            f"CPU time {statistics.median(ratios):.2f} x aiohttp "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}, {rounds} rounds)"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--one", way, url, requests]:
            asyncio.run(run(way, url, lambda update: spread(update, int(requests))))
        case _:
            main()
