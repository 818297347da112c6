"""What does it cost to send a 200 MB file as a multipart upload?

Sends one file with `client.imports.profiles`, with aiohttp's own FormData of an open file, and with
`curl -F`, in turn, to a server in another process that reads and drops everything. Prints wall and CPU
time as ratios to curl (median and spread over the rounds), the peak of additional memory, and the
longest time that the event loop was held. curl's time includes the start of its process.

Run: python benchmarks/upload.py [ROUNDS [MEGABYTES]]
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from attrs import frozen

from appcues_async import AppcuesClient

ACCEPTED = b'{"status":202,"title":"Accepted","job_id":"job-1","job_url":""}'
WAYS = ("appcues_async", "aiohttp FormData", "curl -F")


@frozen
class Taken:
    """One upload: seconds of wall and CPU time, bytes of memory, seconds that the loop was held."""

    wall: float
    cpu: float
    memory: int
    held: float


def serve() -> None:
    """Reads requests and drops them, and answers each after its last byte."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while length:
            length -= len(await reader.read(1 << 20))
        head = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(ACCEPTED) + ACCEPTED)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 20)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


def resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


async def measured(send: Callable[[], Awaitable[object]]) -> Taken:
    """Runs an upload beside a task that notices how long it was kept waiting."""
    held = 0.0

    async def watch() -> None:
        nonlocal held
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            held = max(held, time.perf_counter() - before)

    # Everything so far belongs to the interpreter; from here on the peak is the upload's.
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    watching = asyncio.create_task(watch()) if os.environ.get("WATCH") else None
    wall, cpu = time.perf_counter(), time.process_time()
    await send()
    taken = Taken(
        time.perf_counter() - wall,
        time.process_time() - cpu,
        max(0, resident("VmHWM") - before),
        held,
    )
    if watching is not None:
        watching.cancel()
    return taken


async def with_client(url: str, path: Path) -> Taken:
    async with AppcuesClient("1", "key", "secret", base_url=url) as client:
        return await measured(lambda: client.imports.profiles(path))


async def with_form_data(url: str, path: Path) -> Taken:
    async def send() -> None:
        with path.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("file", file, filename="users.csv")
            timeout = aiohttp.ClientTimeout(total=None)
            async with session.post(f"{url}/upload", data=form, timeout=timeout) as response:
                await response.read()

    async with aiohttp.ClientSession() as session:
        return await measured(send)


def with_curl(url: str, path: Path) -> Taken:
    wall = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["curl", "-s", "-o", "/dev/null", "-F", f"file=@{path}", f"{url}/upload"]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(time.perf_counter() - wall, cpu, 0, 0)


def one(way: str, url: str, path: Path) -> None:
    """Makes one upload in this process, which is a fresh one, and prints what it took."""
    run = with_client if way == WAYS[0] else with_form_data
    taken = asyncio.run(run(url, path))
    print(taken.wall, taken.cpu, taken.memory, taken.held)


def in_fresh_process(way: str, url: str, path: Path, watch: bool) -> Taken:
    command = [sys.executable, __file__, "--one", way, url, str(path)]
    environment = {**os.environ, "WATCH": "1" if watch else ""}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    wall, cpu, memory, held = map(float, output.stdout.split())
    return Taken(wall, cpu, int(memory), held)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    size = int(sys.argv[2]) * 1_000_000 if len(sys.argv) > 2 else 200_000_000
    if shutil.which("curl") is None:
        raise SystemExit("this benchmark needs curl to compare with")
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    taken: dict[str, list[Taken]] = {way: [] for way in WAYS}
    held: dict[str, list[float]] = {way: [] for way in WAYS[:2]}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "users.csv"
            row = b"user-%08d,harriet@example.com,2026-07-14T12:34:56Z,pro\n"
            with path.open("wb") as file:
                file.write(b"user_id,email,signed_up_at,plan\n")
                number = 0
                while file.tell() < size - 100_000:
                    file.write(b"".join(row % n for n in range(number, number + 1000)))
                    number += 1000
            for _ in range(rounds):
                for way in random.sample(WAYS, len(WAYS)):
                    if way == WAYS[2]:
                        taken[way].append(with_curl(url, path))
                    else:
                        taken[way].append(in_fresh_process(way, url, path, watch=False))
                        held[way].append(in_fresh_process(way, url, path, watch=True).held)
            print(f"{path.stat().st_size:,} bytes, {rounds} rounds")
    finally:
        server.kill()
        server.wait()
    for way in WAYS:
        line = f"{way:17}"
        for name in ("wall", "cpu"):
            ratios = sorted(
                getattr(mine, name) / getattr(curl, name)
                for mine, curl in zip(taken[way], taken[WAYS[2]], strict=True)
            )
            middle = statistics.median(ratios)
            line += f"  {name} {middle:.2f} x curl ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        if way in held:
            line += f"  +{max(one.memory for one in taken[way]) / 2**20:.1f} MiB at most"
            line += f"  loop held {statistics.median(held[way]) * 1e3:.1f} ms"
            line += f" (at most {max(held[way]) * 1e3:.1f})"
        print(line)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--one", way, url, path]:
            one(way, url, Path(path))
        case _:
            main()
