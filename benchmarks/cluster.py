"""When is a Dask cluster worth it, and what does it cost to coordinate one?

(a) The same files of NDJSON, checked in full and sent to a server that reads and drops them, by this
process alone and by two workers on this machine: wall seconds, and seconds of CPU of driver and workers.
(b) What the driver does for a chunk: 10, 100 and 400 simulated workers, whose attempt is a sleep of
0.2 s in place of an upload; chunks a second, milliseconds of CPU a chunk of the driver and of the
scheduler, the driver's memory, and the load of the machine (which is what chunks a second depend on).
(c) The same file on disk and as an object of S3 (moto's server), read by the workers.

Run: python benchmarks/cluster.py [MEGABYTES [CHUNKS]]; the extras dask and cloud, and moto for (c).
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Worker
from multidict import CIMultiDict, CIMultiDictProxy

from appcues_async import AppcuesClient, Timeouts
from appcues_async.bulk.reading.prepared import Reading
from appcues_async.bulk.reading.reader import SourceReader
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.workers import Assignment
from appcues_async.cluster import DaskWorkers, attempt
from appcues_async.rows.kinds import PROFILES
from appcues_async.text import Secret
from appcues_async.wire.connections import Connections
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import NDJSON, Endpoint, FilePieces, Lane, stamp_of
from appcues_async.wire.transport import Address, HttpTransport

FILES = 16
SIMULATED = (10, 100, 400)
ACCEPTED = b'{"status":202,"title":"Accepted","job_id":"job-1","job_url":""}'
LINE = (
    b'{"user_id":"user-%08d","email":"harriet.%08d@example.com","plan":"pro","seats":12,'
    b'"active":true,"score":0.5,"company":"Example, Inc.","note":"likes short forms"}\n'
)
MIB = 1 << 20


async def serve() -> None:
    """Reads requests and drops them, and answers each after its last byte."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while length:
            length -= len(await reader.read(MIB))
        writer.write(
            b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(ACCEPTED) + ACCEPTED
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=MIB)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def simulate(scheduler: str, count: int) -> None:
    """Workers in one process, whose attempt is a sleep."""

    async def sleep(*_: Any) -> Reply:
        await asyncio.sleep(0.2)
        return Reply(202, CIMultiDictProxy(CIMultiDict()), ACCEPTED)

    attempt._send = sleep  # type: ignore[assignment]
    # One process stands for many: what each would spend on watching itself is not to be measured.
    dask.config.set(
        {
            "distributed.worker.profile.enabled": False,
            "distributed.admin.system-monitor.interval": "60s",
            "distributed.admin.tick.interval": "60s",
            "distributed.admin.tick.limit": "1h",
        }
    )
    workers = [
        Worker(scheduler, nthreads=1, name=f"{os.getpid()}-{one}", dashboard=False, memory_limit=0)
        for one in range(count)
    ]
    await asyncio.gather(*workers)
    await asyncio.gather(*(worker.finished() for worker in workers))


def begin(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@asynccontextmanager
async def cluster(*workers: list[str]) -> AsyncIterator[Client]:
    """A scheduler and processes of workers; `{}` in a command stands for its address."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/scheduler.json"
        running = [
            begin(
                *("-m", "distributed.cli.dask_scheduler", "--scheduler-file", file),
                *("--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            )
        ]
        try:
            async with Client(scheduler_file=file, asynchronous=True, timeout=60) as client:
                address = client.scheduler.address
                running += [
                    begin(*(part.replace("{}", address) for part in command)) for command in workers
                ]
                yield client
        finally:
            for process in running:
                process.kill()
                process.wait()


async def all_there(client: Client, workers: int) -> None:
    scheduler: Any = client.scheduler
    while len(await scheduler.ncores()) < workers:  # noqa: ASYNC110 - there is no such event
        await asyncio.sleep(0.1)


def worker_command(folder: Path) -> list[str]:
    return [
        *("-m", "distributed.cli.dask_worker", "{}", "--nthreads", "4", "--no-nanny"),
        *("--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(folder)),
    ]


def cpu_here() -> float:
    """Of this process and of those that it has waited for."""
    mine, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return mine.ru_utime + mine.ru_stime + others.ru_utime + others.ru_stime


async def send(url: str, source: Any, dask_client: Client | None, **options: Any) -> float:
    """Sends it; returns the seconds that it took."""
    workers = None if dask_client is None else DaskWorkers(dask_client, share_credentials=True)
    async with AppcuesClient("1", "key", "secret", base_url=url) as client:
        began = time.perf_counter()
        some: Any = {"wait": False, "concurrency": 8, **options}
        if workers is not None:
            some["workers"] = workers
        report = await client.bulk.import_profiles(source, **some)
        assert report.ok, report.summary()
        return time.perf_counter() - began


async def compare(folder: Path, megabytes: int) -> None:
    files = []
    for number in range(FILES):
        path = folder / f"part-{number:02}.ndjson"
        rows = megabytes * 1_000_000 // FILES // len(LINE % (0, 0))
        with path.open("wb") as file:
            for first in range(0, rows, 10_000):
                lines = (LINE % (row, row) for row in range(first, min(first + 10_000, rows)))
                file.write(b"".join(lines))
        files.append(path)
    size = sum(path.stat().st_size for path in files)
    server = begin(__file__, "--serve")
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    try:
        cpu = cpu_here()
        wall = await send(url, files, None)
        print(f"(a) {size / 1e6:,.0f} MB in {FILES} files, checked in full")
        print(f"    one process: {wall:6.1f} s, {cpu_here() - cpu:6.1f} s of CPU")
        commands = [worker_command(folder), worker_command(folder)]
        async with cluster(*commands) as client:
            await all_there(client, 2)
            cpu, theirs = cpu_here(), await client.run(time.process_time)
            wall = await send(url, files, client)
            spent = sum((await client.run(time.process_time)).values()) - sum(theirs.values())
            driver = cpu_here() - cpu
            print(
                f"    2 workers:   {wall:6.1f} s, {driver:6.1f} s of CPU of the driver, "
                f"{spent:6.1f} s of the workers"
            )
            await from_s3(url, files[0], client)
    finally:
        server.kill()
        server.wait()


async def from_s3(url: str, path: Path, client: Client) -> None:
    try:
        import s3fs  # noqa: PLC0415
        from moto.server import ThreadedMotoServer  # noqa: PLC0415
    except ImportError:
        print("(c) left out: moto and s3fs are not installed")
        return
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    try:
        _, port = moto.get_host_and_port()
        options = {"key": "a", "secret": "b", "endpoint_url": f"http://127.0.0.1:{port}"}
        store = s3fs.S3FileSystem(**options)
        store.mkdir("rows")
        store.put(str(path), "rows/part.ndjson")
        print(f"(c) {path.stat().st_size / 1e6:,.0f} MB, by 2 workers")
        for name, source, some in (
            ("from disk", path, {}),
            ("from S3", "s3://rows/part.ndjson", {"storage_options": options}),
        ):
            theirs = await client.run(time.process_time)
            wall = await send(url, source, client, chunk_bytes=8_000_000, **some)
            spent = sum((await client.run(time.process_time)).values()) - sum(theirs.values())
            print(f"    {name:<10}{wall:6.1f} s, {spent:6.1f} s of CPU of the workers")
    finally:
        moto.stop()


async def coordinate(folder: Path, simulated: int, chunks: int) -> None:
    path = folder / "small.ndjson"
    path.write_bytes(LINE % (1, 1))
    part = FilePieces(path, [(0, path.stat().st_size)], NDJSON, stamp_of(path))
    request = Endpoint("POST", "import/profiles", lane=Lane.UPLOAD).request(part)
    halves = [simulated // 2, simulated - simulated // 2]
    commands = [[__file__, "--simulate", "{}", str(half)] for half in halves]
    async with cluster(*commands) as client:
        await all_there(client, simulated)
        connections = Connections(Timeouts(), None, None)
        connections.open()
        address = Address("http://127.0.0.1:1", "http://127.0.0.1:1", "1", Secret("Basic eA=="))
        counter, reading = RowCounter(), Reading(PROFILES)
        crew = await DaskWorkers(client, share_credentials=True).begin(
            Assignment(
                sources=[],
                limits=[],
                reading=reading,
                counter=counter,
                reader=SourceReader(reading, counter),
                transport=HttpTransport(connections, address, Timeouts()),
                listeners=[],
            )
        )
        left = chunks

        async def keep_sending() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await crew.transport.attempt(request)

        scheduler = await client.run_on_scheduler(time.process_time)
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(keep_sending() for _ in range(simulated)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        theirs = await client.run_on_scheduler(time.process_time) - scheduler
        await crew.close()
        await connections.close(0)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"    {simulated:3} workers: {chunks / wall:6.1f} chunks/s (5 a worker at most: "
            f"{5 * simulated}), {1000 * cpu / chunks:5.2f} ms of the driver's CPU a chunk "
            f"and {1000 * theirs / chunks:5.2f} ms of the scheduler's, "
            f"{memory:,.0f} MiB; load {os.getloadavg()[0]:.0f} of {os.cpu_count()} cores"
        )


async def main(megabytes: int, chunks: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("(b) what the driver does for a chunk; an attempt is a sleep of 0.2 s")
        for simulated in SIMULATED:
            await coordinate(folder, simulated, max(chunks, 5 * simulated))
        if megabytes:
            await compare(folder, megabytes)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            asyncio.run(serve())
        case ["--simulate", scheduler, count]:
            asyncio.run(simulate(scheduler, int(count)))
        case [*numbers]:
            given = [int(number) for number in numbers]
            asyncio.run(main(*(given + [1_000, 1_000][len(given) :])))
