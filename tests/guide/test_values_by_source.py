"""What the guide says of values is what arrives."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox

PAGE = files("appcues_async").joinpath("guide", "values.md").read_text()


class Plan(enum.Enum):
    PRO = "pro"


NAMES: dict[str, Any] = {
    "UTC": UTC, "UUID": UUID, "Decimal": Decimal, "Plan": Plan, "date": date, "datetime": datetime,
    "time": time, "timedelta": timedelta, "np": np,
}  # fmt: skip


def table(heading: str) -> Iterator[tuple[str, ...]]:
    """The rows of the table below a heading, the code of each cell without its ticks."""
    section = PAGE.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("|") and not line.startswith(("| value", "| written", "|---")):
            yield tuple(re.sub(r"^`([^`]*)`.*$", r"\1", cell) for cell in cells)


async def arrived(client: AppcuesClient, sandbox: Sandbox, source: Any, **options: Any) -> str:
    """What has become of the value: as JSON, or in the guide's words."""
    sandbox.profiles.clear()
    try:
        report = await client.bulk.import_profiles(source, on_failure="report", **options)
    except InvalidInput:
        return "refused"
    if report.rejected:
        return "refused" if report.rejects[0].reason else "rejected without a reason"
    (profile,) = sandbox.profiles.values()
    return json.dumps(profile["x"]) if "x" in profile else "left out"


def same(said: str, seen: str) -> bool:
    if "refused" in (said, seen) or "left out" in (said, seen):
        return said == seen
    return bool(json.loads(said) == json.loads(seen))


@pytest.mark.parametrize(("value", "rows", "frame"), list(table("In rows and in frames")))
async def test_values_of_python(
    sandbox: Sandbox, client: AppcuesClient, value: str, rows: str, frame: str
) -> None:
    given = eval(value, NAMES)
    row = {"user_id": "1", "x": given}
    assert same(rows, await arrived(client, sandbox, [row]))
    if frame == "not there":
        return
    assert same(frame, await arrived(client, sandbox, pl.DataFrame([row], strict=False)))


@pytest.mark.parametrize(("written", "ndjson", "csv", "inferred"), list(table("What a file holds")))
async def test_values_in_files(
    sandbox: Sandbox, client: AppcuesClient, written: str, ndjson: str, csv: str, inferred: str
) -> None:
    text = "" if written == "nothing" else written
    line = f'{{"user_id":"1","x":{text}}}\n'.encode()
    assert same(ndjson, await arrived(client, sandbox, line))
    data = f"user_id,x\n1,{text}\n".encode()
    assert same(csv, await arrived(client, sandbox, data))
    assert same(inferred, await arrived(client, sandbox, data, types="infer"))


def test_both_tables_are_there() -> None:
    counts = [len(list(table(one))) for one in ("In rows and in frames", "What a file holds")]
    assert counts == [21, 13]
