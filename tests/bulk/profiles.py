"""Sources of a thousand profiles, in every form."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
import polars as pl
import pyarrow as pa
import zstandard

__all__ = [
    "CSV",
    "IDS",
    "NDJSON",
    "User",
    "_awaited",
    "files",
    "later",
    "rows",
]


CSV = b"user_id,plan\n" + b"".join(b"%04d,pro\n" % number for number in range(1000))


NDJSON = b"".join(b'{"user_id":"%04d","plan":"pro"}\n' % number for number in range(1000))


IDS = {f"{number:04}" for number in range(1000)}


def rows(count: int = 1000) -> list[dict[str, Any]]:
    return [{"user_id": f"{number:04}", "plan": "pro"} for number in range(count)]


async def later(count: int = 1000) -> AsyncIterator[dict[str, Any]]:
    for row in rows(count):
        yield row


@attrs.frozen
class User:
    user_id: str
    plan: str


def files(folder: Path) -> dict[str, Any]:
    half = CSV.index(b"0500")
    (folder / "users.csv").write_bytes(CSV)
    (folder / "users.ndjson").write_bytes(NDJSON)
    (folder / "users.csv.gz").write_bytes(gzip.compress(CSV))
    (folder / "users.jsonl.zst").write_bytes(zstandard.compress(NDJSON))
    (folder / "one.csv").write_bytes(CSV[:half])
    (folder / "two.csv").write_bytes(b"user_id,plan\n" + CSV[half:])
    return {
        "a csv": folder / "users.csv",
        "its name": str(folder / "users.csv"),
        "ndjson": folder / "users.ndjson",
        "gzip": folder / "users.csv.gz",
        "zstd": folder / "users.jsonl.zst",
        "two files": [folder / "one.csv", folder / "two.csv"],
        "bytes of csv": CSV,
        "bytes of ndjson": NDJSON,
        "a list": rows(),
        "a generator": iter(rows()),
        "an async iterator": later(),
        "attrs objects": [User(row["user_id"], "pro") for row in rows()],
        "polars": pl.DataFrame(rows()),
        "pandas": pd.DataFrame(rows()),
        "pyarrow": pa.Table.from_pylist(rows()),
    }


async def _awaited(run: Any) -> Any:
    return await run
