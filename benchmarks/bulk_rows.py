"""What does it cost to check and encode rows in memory, beside what a JSON library needs alone?

Takes 200,000 rows of profiles and of events from an async iterator through all checks into chunks, and
in turn encodes the same rows with msgspec and orjson in a bare loop, and writes them with `csv.writer`.
Then sends 1,000,000 rows with `client.bulk` to a server in another process that drops everything: from
an async iterator, a list, a polars frame and a pandas frame, and from a CSV file with inferred types.
CPU time is compared, without what the iterator itself takes; medians and spreads over the rounds.

Run: python benchmarks/bulk_rows.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pandas as pd
import polars as pl

from appcues_async import AppcuesClient
from appcues_async.bulk.reading.encoder import Encoder
from appcues_async.bulk.reading.reader import batches_of_rows, encoded_blocks
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.rows.kinds import EVENTS, PROFILES, Kind

ENCODED, SENT = 200_000, 1_000_000
MIB = 1 << 20
ACCEPTED = b'{"status":202,"title":"Accepted","job_id":"job-1","job_url":""}'


def profile(number: int) -> dict[str, Any]:
    return {
        "user_id": f"user-{number:08}",
        "email": "harriet@example.com",
        "plan": "pro",
        "seats": number % 40,
        "active": True,
        "score": 0.5,
        "company": "Example, Inc.",
        "signed_up_at": "2026-07-14T12:34:56Z",
        "note": "likes long walks and short forms",
    }


def event(number: int) -> dict[str, Any]:
    return {
        "user_id": f"user-{number:08}",
        "name": "Upgraded",
        "timestamp": "2026-07-14T12:34:56Z",
        "attributes": {"plan": "pro", "seats": number % 40},
    }


MAKE: dict[str, tuple[Kind, Callable[[int], dict[str, Any]]]] = {
    "profiles": (PROFILES, profile),
    "events": (EVENTS, event),
}


async def later(make: Callable[[int], Any], count: int) -> AsyncIterator[Any]:
    for number in range(count):
        yield make(number)


def cpu(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


async def iterate(make: Callable[[int], Any]) -> None:
    async for _ in later(make, ENCODED):
        pass


async def encode(kind: Kind, make: Callable[[int], Any]) -> None:
    tally = RowCounter()
    encoder = Encoder(kind, "full", "the rows", tally)
    found = encoded_blocks(batches_of_rows(later(make, ENCODED), kind), encoder, 20_000_000)
    async for _ in found:
        pass
    assert (tally.rows, tally.rejected) == (ENCODED, 0)


def batches(make: Callable[[int], Any], size: int) -> Iterator[list[Any]]:
    for first in range(0, ENCODED, size):
        yield [make(number) for number in range(first, first + size)]


def bare(write: Callable[[list[Any]], object], make: Callable[[int], Any], size: int) -> float:
    making = cpu(lambda: [None for _ in batches(make, size)])
    return cpu(lambda: [write(rows) and None for rows in batches(make, size)]) - making


def write_csv(rows: list[Any]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(row.values() for row in rows)
    return file.getvalue()


def compare_encoding(note: Callable[[str, float], None]) -> None:
    lines, whole = msgspec.json.Encoder().encode_lines, msgspec.json.Encoder().encode
    others: dict[str, tuple[Callable[[list[Any]], object], int]] = {
        "msgspec, lines of 250 rows": (lines, 250),
        "msgspec, lists of 1,000 rows": (whole, 1_000),
        "orjson, lists of 1,000 rows": (orjson.dumps, 1_000),
        "csv.writer, 250 rows": (write_csv, 250),
    }
    for name, (kind, make) in MAKE.items():
        loop = cpu(partial(asyncio.run, iterate(make)))
        ours = cpu(partial(asyncio.run, encode(kind, make))) - loop
        for other, (write, size) in others.items():
            if name == "profiles" or write is not write_csv:
                note(f"{name}: {other} / ours with all checks", bare(write, make, size) / ours)


async def serve() -> None:
    """Reads requests and drops them, and answers each after its last byte."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while length:
            length -= len(await reader.read(MIB))
        head = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(ACCEPTED) + ACCEPTED)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=MIB)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def columns() -> dict[str, list[Any]]:
    rows = [profile(number) for number in range(SENT)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def source_of(name: str, path: str) -> Any:
    match name:
        case "async iterator":
            return later(profile, SENT)
        case "list":
            return [profile(number) for number in range(SENT)]
        case "polars":
            return pl.DataFrame(columns())
        case "pandas":
            return pd.DataFrame(columns())
        case _:
            return Path(path)


SOURCES = ("async iterator", "list", "polars", "pandas", "csv, types inferred")


def resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


async def send(url: str, name: str, path: str) -> None:
    source, held = source_of(name, path), 0.0

    async def watch() -> None:
        nonlocal held
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            held = max(held, time.perf_counter() - before)

    async with AppcuesClient("1", "key", "secret", base_url=url) as client:
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        watching = asyncio.create_task(watch()) if os.environ.get("WATCH") else None
        types: Any = "infer" if path else None
        wall, taken = time.perf_counter(), time.process_time()
        report = await client.bulk.import_profiles(source, wait=False, types=types)
        wall, taken = time.perf_counter() - wall, time.process_time() - taken
        if watching is not None:
            watching.cancel()
        assert report.ok, report.summary()
        assert report.rows == SENT
        print(wall, taken, resident("VmHWM") - before, held, report.chunks)


def sent(url: str, name: str, path: Path, *, watch: bool) -> list[float]:
    output = subprocess.run(
        [sys.executable, __file__, "--send", url, name, str(path) if "csv" in name else ""],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WATCH": "1" if watch else ""},
    ).stdout
    return [float(word) for word in output.split()]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ratios: dict[str, list[float]] = {}
    for _ in range(rounds):
        compare_encoding(lambda name, ratio: ratios.setdefault(name, []).append(ratio))
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    taken: dict[str, list[list[float]]] = {}
    held: dict[str, float] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "users.csv"
            pl.DataFrame(columns()).write_csv(path)
            for _ in range(rounds):
                for name in SOURCES:
                    taken.setdefault(name, []).append(sent(url, name, path, watch=False))
            for name in SOURCES:
                held[name] = sent(url, name, path, watch=True)[3]
    finally:
        server.kill()
        server.wait()
    print(f"{rounds} rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}; CPU time")
    for name, some in ratios.items():
        spread = f"({min(some):.2f} to {max(some):.2f})"
        print(f"{name:60} {statistics.median(some):6.2f} {spread}")
    print(f"1,000,000 rows through client.bulk{'':16} wall s   CPU s  MiB more  held ms  requests")
    for name, runs in taken.items():
        wall, used, memory, _, chunks = map(statistics.median, zip(*runs, strict=True))
        more = memory / MIB
        print(
            f"{name:50} {wall:6.2f} {used:7.2f} {more:9.0f} {held[name] * 1e3:8.0f} {chunks:9.0f}"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            asyncio.run(serve())
        case ["--send", url, name, path]:
            asyncio.run(send(url, name, path))
        case _:
            main()
