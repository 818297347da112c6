"""What does a bulk run of files cost, beside what the documents' own way costs?

Cuts, checks and sends 1 GB of CSV and of NDJSON (both with quoted line breaks) with `client.bulk`; for
comparison, uploads parts that were cut beforehand with `curl -F`, one at a time and four at once, and
one of them with aiohttp's FormData. Then eight files of 200 MB at once against eight curls, chunks of
several sizes, and finding the cuts against `wc -l`. The server is another process, an asyncio one, which
reads and drops everything. Prints ratios (median and spread over the rounds), the peak memory of both of
our processes, and the longest time that the event loop was held. Rows in memory: see `bulk_rows.py`.

Run: python benchmarks/bulk.py [ROUNDS [MEGABYTES]]
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from attrs import frozen

from appcues_async import AppcuesClient
from appcues_async.bulk.reading.inputs import FileFeed
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.kinds import PROFILES
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.row_blocks import judged_blocks
from appcues_async.rows.verdict import Judge

ACCEPTED = b'{"status":202,"title":"Accepted","job_id":"job-1","job_url":""}'
PART = 200_000_000
SIZES = (20_000_000, 50_000_000, 100_000_000, 200_000_000)
MIB = 1 << 20


async def serve() -> None:
    """Reads requests and drops them, and answers each after its last byte."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while length:
            length -= len(await reader.read(MIB))
        head = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(ACCEPTED) + ACCEPTED)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=MIB)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@frozen
class Taken:
    """One run: seconds, bytes of memory here and in the process that cuts, and what it came to."""

    wall: float
    cpu: float
    memory: int
    grown: int
    apart: int
    held: float
    chunks: int
    rows: int


def resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


async def send(url: str, paths: Sequence[str], check: Any, chunk_bytes: int, at_once: int) -> None:
    """Runs a bulk run beside a task that notices how long it was kept waiting, if it is to."""
    held = 0.0

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
        wall, cpu = time.perf_counter(), time.process_time()
        report = await client.bulk.import_profiles(
            [Path(path) for path in paths],
            wait=False,
            check=check,
            chunk_bytes=chunk_bytes or None,
            concurrency=at_once,
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if watching is not None:
            watching.cancel()
        assert report.ok, report.summary()
        peak = resident("VmHWM")
        apart = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        print(wall, cpu, peak, peak - before, apart, held, report.chunks, report.rows)


def ours(
    url: str,
    paths: Sequence[Path],
    check: str,
    *,
    chunk_bytes: int = 0,
    at_once: int = 4,
    watch: bool = False,
) -> Taken:
    output = subprocess.run(
        [sys.executable, __file__, "--send", url, check, str(chunk_bytes), str(at_once)]
        + [str(path) for path in paths],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WATCH": "1" if watch else ""},
    ).stdout.split()
    wall, cpu, memory, grown, apart, held, chunks, rows = map(float, output)
    return Taken(wall, cpu, int(memory), int(grown), int(apart), held, int(chunks), int(rows))


async def form_data(url: str, path: Path) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        with path.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("file", file, filename="users.csv")
            async with session.post(f"{url}/upload", data=form) as response:
                await response.read()


def curl(url: str, parts: Sequence[Path], at_once: int) -> float:
    began = time.perf_counter()
    waiting, running = list(parts), list[subprocess.Popen[bytes]]()
    while waiting or running:
        while waiting and len(running) < at_once:
            form = f"file=@{waiting.pop(0)}"
            command = ["curl", "-s", "-o", "/dev/null", "-F", form, f"{url}/upload"]
            running.append(subprocess.Popen(command))
        running.pop(0).wait()
    return time.perf_counter() - began


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cut(path: Path, judge: Judge) -> None:
    for _ in judged_blocks(FileFeed(path, threading.Event()), 0, judge, PART):
        pass


def count_lines(path: Path) -> None:
    subprocess.run(["wc", "-l", str(path)], check=True, stdout=subprocess.DEVNULL)


HEADER = b"user_id,email,plan,seats,active,score,company,signed_up_at,note\n"
CSV = b"user-%08d,harriet.%08d@example.com,pro,%d,true,0.5,%b,2026-07-14T12:34:56Z,%b\n"
NDJSON = (
    b'{"user_id":"user-%08d","email":"harriet.%08d@example.com","plan":"pro","seats":%d,"active":true,'
    b'"score":0.5,"company":%b,"signed_up_at":"2026-07-14T12:34:56Z","note":%b}\n'
)
NOTES = {
    "csv": (b"likes short forms", b'"likes ""long"" walks,\nand short forms"'),
    "ndjson": (b'"likes short forms"', b'"likes \\"long\\" walks,\\nand short forms"'),
}


def block_of(form: str, first: int) -> bytes:
    """5,000 rows; one in ten has quotes and a line break in it."""
    line, notes = (CSV if form == "csv" else NDJSON), NOTES[form]
    return b"".join(
        line % (number, number, number % 40, b'"Example, Inc."', notes[number % 10 == 0])
        for number in range(first, first + 5_000)
    )


def write(folder: Path, form: str, size: int) -> tuple[Path, list[Path]]:
    """A file, and the same rows in parts of 200 MB."""
    header = HEADER * (form == "csv")
    path, parts, first = folder / f"users.{form}", list[Path](), 0
    with path.open("wb") as file:
        file.write(header)
        while file.tell() < size:
            parts.append(folder / f"part{len(parts)}.{form}")
            with parts[-1].open("wb") as part:
                part.write(header)
                while part.tell() < PART - 1_500_000 and file.tell() < size:
                    block = block_of(form, first)
                    first += 5_000
                    part.write(block)
                    file.write(block)
    return path, parts


class Table:
    """Ratios by name, and a remark on each."""

    def __init__(self) -> None:
        self._ratios: dict[str, list[float]] = {}
        self._remarks: dict[str, str] = {}

    def note(self, name: str, ratio: float, remark: str = "") -> None:
        self._ratios.setdefault(name, []).append(ratio)
        if remark:
            self._remarks[name] = remark

    def show(self) -> None:
        for name, ratios in self._ratios.items():
            spread = f"{statistics.median(ratios):6.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"{name:52} {spread:24} {self._remarks.get(name, '')}")


def remark_on(watched: Taken, taken: Taken, at_once: int) -> str:
    million = taken.rows / 1e6
    return (
        f"{taken.wall:.2f} s, CPU {taken.cpu:.2f} s; {watched.memory / MIB:.0f} MiB in all, "
        f"{watched.grown / MIB / at_once:.1f} more an upload, {watched.apart / MIB:.0f} apart; "
        f"loop held {watched.held * 1e3:.0f} ms; {taken.chunks / million:.1f} requests a million rows"
    )


def compare_file(table: Table, url: str, form: str, path: Path, parts: list[Path]) -> None:
    alone = curl(url, parts, 1)
    table.note(f"{form}: four curls / one at a time", curl(url, parts, 4) / alone, f"{alone:.2f} s")
    first = curl(url, parts[:1], 1)
    plain = timed(lambda: asyncio.run(form_data(url, parts[0])))
    table.note(f"{form}: FormData / curl, one part", plain / first)
    for check in ("none", "full"):
        taken, watched = ours(url, [path], check), ours(url, [path], check, watch=True)
        name = f"{form}: client.bulk, check={check} / curls one at a time"
        table.note(name, taken.wall / alone, remark_on(watched, taken, 4))


def compare_eight(table: Table, url: str, part: Path) -> None:
    # One file is not read twice in a run.
    parts = [part.with_name(f"copy{number}{part.suffix}") for number in range(8)]
    for copy in parts:
        shutil.copyfile(part, copy)
    eight = curl(url, parts, 8)
    taken = ours(url, parts, "none", chunk_bytes=PART, at_once=8)
    watched = ours(url, parts, "none", chunk_bytes=PART, at_once=8, watch=True)
    name = "ndjson: client.bulk, 8 files at once / 8 curls"
    table.note(name, taken.wall / eight, remark_on(watched, taken, 8))
    for copy in parts:
        copy.unlink()


def compare_cuts(table: Table, csv: Path, ndjson: Path) -> None:
    columns = HEADER.strip().decode().split(",")
    judges: list[tuple[Path, Judge]] = [
        (csv, CsvJudge(PROFILES, "none", columns)),
        (ndjson, NdjsonJudge(PROFILES, "none")),
    ]
    for path, judge in judges:
        table.note(
            f"{path.suffix[1:]}: wc -l / finding the cuts (higher is better)",
            timed(lambda: count_lines(path)) / timed(lambda: cut(path, judge)),  # noqa: B023
        )


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    size = int(sys.argv[2]) * 1_000_000 if len(sys.argv) > 2 else 1_000_000_000
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    table = Table()
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = {form: write(Path(folder), form, size) for form in ("csv", "ndjson")}
            (csv, _), (ndjson, parts) = files["csv"], files["ndjson"]
            for _ in range(rounds):
                for form, (path, its_parts) in files.items():
                    compare_file(table, url, form, path, its_parts)
                compare_eight(table, url, parts[0])
                compare_cuts(table, csv, ndjson)
                default = ours(url, [ndjson], "none").wall
                for chunk_bytes in SIZES:
                    taken = ours(url, [ndjson], "none", chunk_bytes=chunk_bytes)
                    name = f"ndjson: chunks of {chunk_bytes // 1_000_000} MB / the default"
                    table.note(name, taken.wall / default, f"{taken.chunks} chunks")
    finally:
        server.kill()
        server.wait()
    print(
        f"{size:,} bytes, {rounds} rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    )
    table.show()
    print("the vendor's old uploader: 1,000,000 requests a million rows (counted, not run)")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            asyncio.run(serve())
        case ["--send", url, check, chunk_bytes, at_once, *paths]:
            asyncio.run(send(url, paths, check, int(chunk_bytes), int(at_once)))
        case _:
            main()
