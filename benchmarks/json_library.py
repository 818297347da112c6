"""Which fast JSON library should the core use: orjson or msgspec?

Encodes, decodes and checks 100,000 event rows and a list of 10,000 jobs with each library and
with the standard library's json, in turn in one process. Prints, for each piece of work, the
median time relative to the fastest and the spread (lowest to highest ratio) over the rounds.

Run: python benchmarks/json_library.py [ROUNDS]
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec
import orjson

ROWS = 100_000
BLOCK = 256


class JobLine(msgspec.Struct):
    id: str
    status: str


def make_rows() -> list[dict[str, Any]]:
    return [
        {
            "user_id": f"user-{number:07d}",
            "name": "Clicked thing",
            "timestamp": "2026-07-14T12:34:56Z",
            "color": "red",
            "count": number,
            "price": number / 7,
            "new": number % 2 == 0,
            "note": "Größe, “quoted” and plain",
            "plan": None,
        }
        for number in range(ROWS)
    ]


def blocks(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def check(row: dict[str, Any]) -> None:
    if not isinstance(row["user_id"], str):
        raise TypeError
    datetime.fromisoformat(row["timestamp"])


def orjson_lines(rows: list[dict[str, Any]]) -> int:
    dumps = orjson.dumps
    return sum(len(b"\n".join([dumps(row) for row in block])) for block in blocks(rows))


def msgspec_lines(rows: list[dict[str, Any]]) -> int:
    encode = msgspec.json.Encoder().encode_lines
    return sum(len(encode(block)) for block in blocks(rows))


def json_lines(rows: list[dict[str, Any]]) -> int:
    dumps = json.dumps
    return sum(len("\n".join([dumps(row) for row in block]).encode()) for block in blocks(rows))


def checked(encode: Callable[[list[dict[str, Any]]], int]) -> Callable[[list[dict[str, Any]]], int]:
    def run(rows: list[dict[str, Any]]) -> int:
        for row in rows:
            check(row)
        return encode(rows)

    return run


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    rows = make_rows()
    lines = [orjson.dumps(row) for row in rows]
    jobs = orjson.dumps(
        [
            {
                "id": f"62844794-b7d9-40c8-b811-{number:012d}",
                "name": "Import Profiles",
                "started_at": "2026-07-28T22:11:58",
                "status": "IN_PROGRESS",
                "url": f"https://api.appcues.com/v2/accounts/1/jobs/62844794-{number:012d}",
            }
            for number in range(10_000)
        ]
    )
    decode_row = msgspec.json.Decoder().decode
    decode_jobs = msgspec.json.Decoder(list[JobLine]).decode
    work: dict[str, dict[str, Callable[[], object]]] = {
        "encode rows": {
            "orjson": lambda: orjson_lines(rows),
            "msgspec": lambda: msgspec_lines(rows),
            "json": lambda: json_lines(rows),
        },
        "check and encode rows": {
            "orjson": lambda: checked(orjson_lines)(rows),
            "msgspec": lambda: checked(msgspec_lines)(rows),
            "json": lambda: checked(json_lines)(rows),
        },
        "decode rows": {
            "orjson": lambda: [orjson.loads(line) for line in lines],
            "msgspec": lambda: [decode_row(line) for line in lines],
            "json": lambda: [json.loads(line) for line in lines],
        },
        "10,000 jobs: id and status": {
            "orjson": lambda: {job["id"]: job["status"] for job in orjson.loads(jobs)},
            "msgspec": lambda: {job.id: job.status for job in decode_jobs(jobs)},
            "json": lambda: {job["id"]: job["status"] for job in json.loads(jobs)},
        },
    }
    for title, candidates in work.items():
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(rounds):
            for name in random.sample(list(candidates), len(candidates)):
                started = time.perf_counter()
                candidates[name]()
                seconds[name].append(time.perf_counter() - started)
        fastest = min(candidates, key=lambda name: statistics.median(seconds[name]))
        print(title)
        for name, taken in seconds.items():
            ratios = sorted(one / base for one, base in zip(taken, seconds[fastest], strict=True))
            print(
                f"  {name:8} {statistics.median(ratios):6.2f} x {fastest}"
                f"  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
                f"  median {statistics.median(taken) * 1e3:.0f} ms"
            )


if __name__ == "__main__":
    main()
