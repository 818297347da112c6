"""What does a nightly sync cost, beside a full import of the same file?

A file of 1,000,000 profiles with 9 columns is synced, then one of which 1 % of the rows differ, then the
same once more; as CSV, as NDJSON and in an order that is not that of the ids. For comparison: a full
import of the second file, and a difference of two Python sets, which needs the file of the day before.
The two stages in which a sync is not an import are shown by themselves: digests, from bytes to what is
compared, and the difference, which looks these up in the state.
Last a segment of as many ids, of which 1 % left and as many came. Each is a process of its own; the
server is another one, which reads and drops everything. Prints seconds (wall and CPU), the ratio of the
wall time to that of the full import in the same round, rows and requests sent, the peak memory of the
process and of the one apart that reads large files, and the size of the state file.

Run: python benchmarks/sync.py [ROUNDS [ROWS]]
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from appcues_async import AppcuesClient
from appcues_async.sync.difference import Difference
from appcues_async.sync.digests import RowDigests
from appcues_async.sync.state import StateFile, Target

MIB = 1 << 20
HEADER = "user_id,email,plan,seats,active,score,company,signed_up_at,note"
NAMES = HEADER.split(",")
STAGES = ("digests", "difference")


async def serve() -> None:
    """Drops what is uploaded; every job has COMPLETED."""
    jobs = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal jobs
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                if head.startswith(b"POST"):
                    left = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                    if b"100-continue" in head.lower():
                        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    while left:
                        left -= len(await reader.read(min(left, MIB)))
                    jobs += 1
                    status = b"202 Accepted"
                    answer: Any = {"job_id": f"job-{jobs}", "job_url": ""}
                else:
                    ended = {"name": "Import Profiles", "status": "COMPLETED", "events": []}
                    listed = [{**ended, "id": f"job-{number + 1}"} for number in range(jobs)]
                    name = path.rsplit("/", 1)[1]
                    status = b"200 OK"
                    answer = listed if name == "jobs" else {**ended, "id": name}
                body = json.dumps(answer).encode()
                writer.write(
                    b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=MIB)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Taken(NamedTuple):
    """One run, in a process of its own."""

    wall: float
    cpu: float
    memory: int
    apart: int
    sent: int
    requests: int
    unchanged: int


Work = Callable[[AppcuesClient], Awaitable[tuple[int, int, int]]]


async def full_import(client: AppcuesClient, path: Path) -> tuple[int, int, int]:
    report = await client.bulk.import_profiles(path)
    return report.completed, report.chunks, 0


async def sync_profiles(client: AppcuesClient, path: Path, state: Path) -> tuple[int, int, int]:
    report = await client.sync.profiles(path, state=state)
    return report.applied, report.requests, report.unchanged


async def sync_segment(client: AppcuesClient, path: Path, state: Path) -> tuple[int, int, int]:
    report = await client.sync.segment("s1", path, state=state)
    return report.applied, report.requests, report.unchanged


def set_difference(path: Path, before: Path) -> tuple[int, int, int]:
    """Does it as a script would: both files in memory, as sets of tuples."""
    rows = []
    for one in (before, path):
        with one.open(newline="") as file:
            rows.append(set(map(tuple, csv.reader(file))))
    changed = rows[1] - rows[0]
    return len(changed), 0, len(rows[1]) - len(changed)


class Stage:
    """The time of one stage, summed up over all blocks."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._began = (0.0, 0.0)

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._began
        self.wall += time.perf_counter() - wall
        self.cpu += time.thread_time() - cpu


def peak() -> int:
    """The peak memory of this process; `ru_maxrss` begins with that of the process which started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024


def stage_alone(what: str, url: str, path: Path, state: Path) -> Taken:
    """Compares a file with a state, and sends nothing; only one of the two stages is timed."""
    opened = StateFile.open(state, Target(url, "1", "profiles"))
    difference, digests = Difference(opened), RowDigests(opened.salt)
    comparing, digesting = Stage(), Stage()
    with path.open("rb") as file:
        header = file.readline().decode().strip().split(",") if path.suffix == ".csv" else None
        # As many bytes as a sync takes together.
        while block := file.read(1 << 19):
            block += file.readline()
            with digesting:
                rows = digests.of_csv(block, header) if header else digests.of_ndjson(block)
            with comparing:
                difference.compare(rows.ids, rows.digests)
    with comparing:
        counts = difference.finish()
    opened.close()
    stage = digesting if what == "digests" else comparing
    return Taken(stage.wall, stage.cpu, peak(), 0, 0, 0, counts.unchanged)


async def run(what: str, url: str, path: Path, other: Path) -> None:
    """Does one thing, and prints what it took."""
    if what in STAGES:
        print(*stage_alone(what, url, path, other))
        return
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    if what == "set":
        came_to = set_difference(path, other)
    else:
        async with AppcuesClient("1", "key", "secret", base_url=url) as client:
            if what == "import":
                came_to = await full_import(client, path)
            elif what == "profiles":
                came_to = await sync_profiles(client, path, other)
            else:
                came_to = await sync_segment(client, path, other)
    wall, cpu = time.perf_counter() - wall, sum(os.times()[:4]) - cpu
    apart = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(*Taken(wall, cpu, peak(), apart, *came_to))


def taken(what: str, url: str, path: Path, other: Path) -> Taken:
    command = [sys.executable, __file__, "--run", what, url, str(path), str(other)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    wall, cpu, *others = map(float, output)
    return Taken(wall, cpu, *map(int, others))


def row(number: int, day: int) -> list[str]:
    """A row; on the second day one in a hundred has another number of seats."""
    seats = number % 40 + (day if number % 100 == 0 else 0)
    return [
        f"user-{number:08}",
        f"harriet.{number:08}@example.com",
        "pro",
        str(seats),
        "true",
        "0.5",
        "Example, Inc.",
        "2026-07-14T12:34:56Z",
        "likes short forms",
    ]


def write(folder: Path, form: str, order: Sequence[int], day: int, name: str) -> Path:
    path = folder / f"{name}-{day}.{form}"
    with path.open("w", newline="") as file:
        if form == "csv":
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(NAMES)
            writer.writerows(row(number, day) for number in order)
        else:
            for number in order:
                file.write(json.dumps(dict(zip(NAMES, row(number, day), strict=True))) + "\n")
    return path


def write_ids(folder: Path, first: int, rows: int, day: int) -> Path:
    path = folder / f"ids-{day}.csv"
    numbers = range(first, first + rows)
    path.write_text("user_id\n" + "".join(f"user-{number:08}\n" for number in numbers))
    return path


class Table:
    """Every run by name."""

    def __init__(self) -> None:
        self._runs: dict[str, list[tuple[Taken, float, int]]] = {}

    def note(self, name: str, run: Taken, base: float, state: Path | None = None) -> None:
        size = state.stat().st_size if state is not None else 0
        self._runs.setdefault(name, []).append((run, run.wall / base, size))

    def show(self) -> None:
        print(
            f"{'':38} {'s':>6} {'CPU s':>6} {'/ full import':>20} {'rows sent':>10} {'requests':>8} "
            f"{'MiB':>5} {'apart':>5} {'state MB':>8}"
        )
        for name, runs in self._runs.items():
            ratios = [ratio for _, ratio, _ in runs]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            wall, cpu = (
                statistics.median(getattr(one, field) for one, *_ in runs)
                for field in ("wall", "cpu")
            )
            last, _, size = runs[-1]
            memory, apart = (
                max(getattr(one, field) for one, *_ in runs) // MIB for field in ("memory", "apart")
            )
            print(
                f"{name:38} {wall:6.2f} {cpu:6.2f} {spread:>20} {last.sent:10,} {last.requests:8,} "
                f"{memory:5,} {apart:5,} {size / 1e6 if size else 0:8.1f}"
            )


def compare(table: Table, url: str, folder: Path, files: dict[str, tuple[Path, Path]]) -> None:
    """One round: each beside the full import of the same round."""
    base = taken("import", url, files["csv"][1], Path())
    table.note("csv: full import", base, base.wall)
    difference = taken("set", url, files["csv"][1], files["csv"][0])
    table.note("csv: difference of two Python sets", difference, base.wall)
    for name, (before, after) in files.items():
        what = "segment" if name == "segment" else "profiles"
        state = folder / f"{name}.db"
        kept = state.with_suffix(".first")
        state.unlink(missing_ok=True)
        for step, path in (("first run", before), ("1 % changed", after), ("unchanged", after)):
            table.note(f"{name}: sync, {step}", taken(what, url, path, state), base.wall, state)
            if step == "1 % changed" and what == "profiles":
                # The state of the first day, so that there is a difference to be found.
                for stage in STAGES:
                    alone = taken(stage, url, path, kept)
                    table.note(f"{name}: {stage} alone", alone, base.wall)
            elif step == "first run":
                shutil.copyfile(state, kept)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    table = Table()
    shuffled = list(range(rows))
    random.Random(1).shuffle(shuffled)
    try:
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            orders = {"csv": range(rows), "ndjson": range(rows), "csv in another order": shuffled}
            files = {}
            for name, order in orders.items():
                form = name.split(" ", maxsplit=1)[0]
                one, two = (write(folder, form, order, day, name) for day in (1, 2))
                files[name] = (one, two)
            away = rows // 100
            ids = (write_ids(folder, 0, rows, 1), write_ids(folder, away, rows, 2))
            files["segment"] = ids
            size = files["csv"][1].stat().st_size
            for _ in range(rounds):
                compare(table, url, folder, files)
    finally:
        server.kill()
        server.wait()
    print(
        f"{rows:,} rows of 9 columns ({size:,} bytes as CSV), {rounds} rounds, {os.cpu_count()} cores, "
        f"Python {sys.version.split()[0]}"
    )
    table.show()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            asyncio.run(serve())
        case ["--run", what, url, path, other]:
            asyncio.run(run(what, url, Path(path), Path(other)))
        case _:
            main()
