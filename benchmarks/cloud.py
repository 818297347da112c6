"""What does a bulk run of objects cost, beside the same files on a disk?

Sends 1 GB of CSV in 16 objects of an S3 (moto's server, another process) with `client.bulk`, and the
same rows from 16 files; then the objects packed by gzip. The server that takes the rows is a third
process, which reads and drops everything. Prints the wall time as a ratio to that of the files in the
same round, wall and CPU seconds, the peak memory of the process that sends and what it has more an
upload than with files, and the requests that the store answered. Last it looks at 10,000 small objects.

With two cores, moto and the run share them: what moto takes is printed as well.

Run: python benchmarks/cloud.py [ROUNDS [MEGABYTES [SMALL]]]
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import urlopen

import s3fs
from attrs import define
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from appcues_async import AppcuesClient
from appcues_async.bulk.reading.prepare import prepare_all
from appcues_async.bulk.reading.prepared import Reading
from appcues_async.bulk.reading.sources import list_objects, parts_of
from appcues_async.rows.kinds import PROFILES
from benchmarks.bulk import HEADER, MIB, block_of, resident, serve

OBJECTS = 16
UPLOADS = 4


def serve_store() -> None:
    """An S3 that counts what it is asked for; `/counted` tells, and begins again."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)
    counted: dict[str, int] = {}
    cpu = 0.0

    def app(environ: dict[str, Any], start: Any) -> Any:
        nonlocal cpu
        if environ["PATH_INFO"] == "/counted":
            now = time.process_time()
            text = json.dumps({**counted, "cpu": now - cpu}).encode()
            counted.clear()
            cpu = now
            start("200 OK", [("Content-Length", str(len(text)))])
            return [text]
        method = environ["REQUEST_METHOD"]
        counted[method] = counted.get(method, 0) + 1
        return moto(environ, start)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


def options_of(store: str) -> dict[str, Any]:
    return {"key": "key", "secret": "secret", "endpoint_url": store}


async def send(url: str, store: str, sources: Sequence[str]) -> None:
    paths: Any = [Path(one) if one.startswith("/") else one for one in sources]
    async with AppcuesClient("1", "key", "secret", base_url=url) as client:
        wall, cpu = time.perf_counter(), time.process_time()
        report = await client.bulk.import_profiles(
            paths, wait=False, concurrency=UPLOADS, storage_options=options_of(store)
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert report.ok, report.summary()
        apart = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu += apart.ru_utime + apart.ru_stime
        print(wall, cpu, resident("VmHWM"), report.chunks, report.rows)


@define
class Taken:
    """One run: seconds, bytes of memory, and what it came to."""

    wall: float
    cpu: float
    memory: float
    chunks: float
    rows: float


def ours(url: str, store: str, sources: Sequence[str]) -> Taken:
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.cloud", "--send", url, store, *sources],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split()
    return Taken(*map(float, output))


def look(store: str, url: str) -> None:
    began = time.perf_counter()
    objects = list_objects(parts_of(url, PROFILES, options_of(store)), Event())
    listed = time.perf_counter()
    prepare_all(objects, Reading(PROFILES), 8_000_000, Event())
    looked = time.perf_counter()
    print(len(objects), listed - began, looked - listed, resident("VmHWM"))


def counted(store: str) -> dict[str, Any]:
    with urlopen(f"{store}/counted") as reply:
        found: dict[str, Any] = json.load(reply)
        return found


def requests_of(count: dict[str, Any]) -> str:
    return ", ".join(f"{number} {name}" for name, number in count.items() if name != "cpu")


def rows_of(size: int) -> Iterator[bytes]:
    first = written = 0
    while written < size:
        block = block_of("csv", first)
        first += 5_000
        written += len(block)
        yield block


def fill(folder: Path, bucket: Any, size: int, small: int) -> dict[str, list[str]]:
    """The same rows as files, as objects, and as packed objects; and many small objects."""
    bucket.mkdir("bench")
    names: dict[str, list[str]] = {"files": [], "objects": [], "gzip": []}
    for number in range(OBJECTS):
        data = HEADER + b"".join(rows_of(size // OBJECTS))
        path = folder / f"part-{number:02}.csv"
        path.write_bytes(data)
        bucket.pipe(f"bench/plain/{path.name}", data)
        bucket.pipe(f"bench/packed/{path.name}.gz", gzip.compress(data, 1))
        names["files"].append(str(path))
    names["objects"].append("s3://bench/plain/")
    names["gzip"].append("s3://bench/packed/*.csv.gz")
    rows = HEADER + block_of("csv", 0)[:1_000].rsplit(b"\n", 1)[0]
    bucket.pipe({f"bench/small/{number:05}.csv": rows for number in range(small)})
    return names


def begun(argument: str) -> tuple[subprocess.Popen[bytes], str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.cloud", argument], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    return server, f"http://127.0.0.1:{int(server.stdout.readline())}"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    size = int(sys.argv[2]) * 1_000_000 if len(sys.argv) > 2 else 1_000_000_000
    small = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
    (api, url), (moto, store) = begun("--serve"), begun("--store")
    taken: dict[str, list[Taken]] = {}
    asked: dict[str, dict[str, Any]] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            bucket = s3fs.S3FileSystem(**options_of(store))
            names = fill(Path(folder), bucket, size, small)
            counted(store)
            for _ in range(rounds):
                for name, sources in names.items():
                    taken.setdefault(name, []).append(ours(url, store, sources))
                    asked[name] = counted(store)
            print(f"{size:,} bytes in {OBJECTS} objects, {rounds} rounds, {os.cpu_count()} cores")
            for name, runs in taken.items():
                show(name, runs, taken["files"], asked[name])
            if small:
                command = [sys.executable, "-m", "benchmarks.cloud", "--look", store]
                output = subprocess.run(
                    [*command, "s3://bench/small/"], check=True, stdout=subprocess.PIPE, text=True
                ).stdout.split()
                number, listed, looked, memory = map(float, output)
                count = counted(store)
                print(
                    f"{number:,.0f} objects: listed in {listed:.2f} s, looked at in {looked:.1f} s, "
                    f"{memory / MIB:.0f} MiB; {requests_of(count)}; moto's CPU {count['cpu']:.1f} s"
                )
    finally:
        for server in (api, moto):
            server.kill()
            server.wait()


def show(name: str, runs: list[Taken], files: list[Taken], count: dict[str, Any]) -> None:
    ratios = [one.wall / other.wall for one, other in zip(runs, files, strict=True)]
    wall, cpu, memory = (
        statistics.median(getattr(one, part) for one in runs) for part in ("wall", "cpu", "memory")
    )
    more = memory - statistics.median(one.memory for one in files)
    print(
        f"{name:8} {statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f}) of the "
        f"files; {wall:.2f} s, CPU {cpu:.2f} s; peak {memory / MIB:.0f} MiB, "
        f"{more / MIB / UPLOADS:+.1f} an upload; {runs[0].rows:,.0f} rows in {runs[0].chunks:.0f} "
        f"requests; store: {requests_of(count) or 'none'}; moto's CPU {count['cpu']:.1f} s"
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            asyncio.run(serve())
        case ["--store"]:
            serve_store()
        case ["--send", url, store, *sources]:
            asyncio.run(send(url, store, sources))
        case ["--look", store, url]:
            look(store, url)
        case _:
            main()
