"""What does it cost to judge the rows of a file, beside what a library's decoder needs alone?

Judges 64 MB of profiles and of events, as NDJSON and as CSV, block by block as `client.bulk` does. In
turn, msgspec decodes the same blocks into a struct of the needed fields, pyarrow's `read_csv` reads the
needed columns, and the csv module reads all of them. CPU time of one thread; medians and spreads.

Run: python benchmarks/judging.py [ROUNDS [MEGABYTES]]
"""

from __future__ import annotations

import csv
import io
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import csv as arrow_csv

from appcues_async.bulk.reading.inputs import MemoryFeed
from appcues_async.rows.csv_columns import arrow_reader, read_with_csv
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.kinds import EVENTS, PROFILES, Kind
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.row_blocks import STEP, judged_blocks
from appcues_async.rows.verdict import Judge

LIMIT = 20_000_000
TIME = "2026-07-14T12:34:56Z"
NOTES = ("likes short forms", 'likes "long" walks,\nand short forms')

Make = Callable[[int], dict[str, Any]]


def profile(number: int) -> dict[str, Any]:
    return {
        "user_id": f"user-{number:08}",
        "email": f"harriet.{number:08}@example.com",
        "plan": "pro",
        "seats": number % 40,
        "active": True,
        "score": 0.5,
        "company": "Example, Inc.",
        "signed_up_at": TIME,
        "note": NOTES[number % 10 == 0],
    }


def event(number: int) -> dict[str, Any]:
    return {
        "user_id": f"user-{number:08}",
        "name": "Upgraded",
        "timestamp": TIME,
        "attributes": {"plan": "pro", "seats": number % 40, "company": "Example, Inc."},
    }


def plain(number: int) -> dict[str, Any]:
    row = profile(number) | {"company": "Example", "note": NOTES[0]}
    return row | {"active": "true"}


def table_event(number: int) -> dict[str, Any]:
    row = event(number)
    return {**{name: row[name] for name in ("user_id", "name", "timestamp")}, **row["attributes"]}


def written(make: Make, size: int, form: str) -> tuple[bytes, list[str]]:
    """Rows of about so many bytes, and the names of their columns."""
    rows = [make(number) for number in range(5_000)]
    names = list(rows[0])
    if form == "ndjson":
        block = msgspec.json.Encoder().encode_lines(rows)
    else:
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator="\n").writerows(row.values() for row in rows)
        block = file.getvalue().encode()
    return block * (size // len(block)), names


def cpu(work: Callable[[], object]) -> float:
    before = time.thread_time()
    work()
    return time.thread_time() - before


def judge_all(data: bytes, judge: Judge) -> None:
    feed = MemoryFeed(memoryview(data), "data", threading.Event())
    assert not any(block.verdict.bad for block in judged_blocks(feed, 0, judge, LIMIT))


def blocks_of(data: bytes, judge: Judge) -> list[bytes]:
    """The blocks that the judge is given, for the decoders to read the same."""
    feed = MemoryFeed(memoryview(data), "data", threading.Event())
    return [block.data or b"" for block in judged_blocks(feed, 0, judge, LIMIT)]


def decode_with_msgspec(blocks: Sequence[bytes], fields: Sequence[str]) -> None:
    row = msgspec.defstruct("Row", [(name, str) for name in fields], gc=False)
    decode = msgspec.json.Decoder(row).decode_lines
    for block in blocks:
        decode(block)


def read_with_pyarrow(blocks: Sequence[bytes], names: Sequence[str], needed: Sequence[str]) -> None:
    for block in blocks:
        arrow_csv.read_csv(
            pa.BufferReader(block),
            arrow_csv.ReadOptions(column_names=list(names), block_size=2 * STEP, use_threads=False),
            arrow_csv.ParseOptions(newlines_in_values=True),
            arrow_csv.ConvertOptions(
                include_columns=list(needed), column_types=dict.fromkeys(needed, pa.string())
            ),
        )


def read_all_with_csv(blocks: Sequence[bytes]) -> None:
    for block in blocks:
        list(csv.reader(io.StringIO(block.decode(), newline="")))


class Table:
    """Ratios and speeds by name."""

    def __init__(self) -> None:
        self._ratios: dict[str, list[float]] = {}
        self._speeds: dict[str, list[float]] = {}

    def note(self, name: str, size: int, ours: float, theirs: float) -> None:
        self._ratios.setdefault(name, []).append(theirs / ours)
        self._speeds.setdefault(name, []).append(size / ours / 1e6)

    def show(self) -> None:
        for name, ratios in self._ratios.items():
            spread = f"{statistics.median(ratios):6.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"{name:62} {spread:24} {statistics.median(self._speeds[name]):6.0f} MB/s")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    size = int(sys.argv[2]) * 1_000_000 if len(sys.argv) > 2 else 64_000_000
    arrow = arrow_reader()
    assert arrow is not None
    table = Table()
    needed = {"profiles": ["user_id"], "events": ["user_id", "name", "timestamp"]}
    kinds: dict[str, tuple[Kind, Make]] = {
        "profiles": (PROFILES, profile),
        "events": (EVENTS, event),
    }
    lines = {name: written(make, size, "ndjson")[0] for name, (_, make) in kinds.items()}
    tables: dict[str, tuple[Kind, tuple[bytes, list[str]]]] = {
        "profiles, quoted": (PROFILES, written(profile, size, "csv")),
        "profiles, no quotes": (PROFILES, written(plain, size, "csv")),
        "events, quoted": (EVENTS, written(table_event, size, "csv")),
    }
    for _ in range(rounds):
        for name, (kind, _) in kinds.items():
            data = lines[name]
            blocks = blocks_of(data, NdjsonJudge(kind, "none"))
            theirs = cpu(lambda: decode_with_msgspec(blocks, needed[name]))  # noqa: B023
            ours = cpu(lambda: judge_all(data, NdjsonJudge(kind, "full")))  # noqa: B023
            table.note(f"ndjson, {name}: decode_lines / ours", len(data), ours, theirs)
        for name, (kind, (data, names)) in tables.items():
            blocks = blocks_of(data, CsvJudge(kind, "none", names))
            columns = needed[kind.name]
            theirs = cpu(lambda: read_with_pyarrow(blocks, names, columns))  # noqa: B023
            ours = cpu(lambda: judge_all(data, CsvJudge(kind, "full", names, [arrow])))  # noqa: B023
            table.note(f"csv, {name}: read_csv / ours with pyarrow", len(data), ours, theirs)
            theirs = cpu(lambda: read_all_with_csv(blocks))  # noqa: B023
            judge = CsvJudge(kind, "full", names, [read_with_csv])
            ours = cpu(lambda: judge_all(data, judge))  # noqa: B023
            table.note(f"csv, {name}: csv.reader / ours without", len(data), ours, theirs)
    print(
        f"{size:,} bytes, {rounds} rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    )
    table.show()


if __name__ == "__main__":
    main()
