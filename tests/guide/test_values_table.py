"""The guide's table of values says what becomes of each."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox
from tests.guide.pages import text_of


class Plan(enum.Enum):
    PRO = "pro"


NAMES = {one.__name__: one for one in (Decimal, UUID, Plan, date, datetime, time, timedelta)}


def rows() -> Iterator[Any]:
    """The value and the four cells of each row."""
    after = text_of("values").partition("\n## Which values are taken\n")[2]
    for line in after.partition("\n## ")[0].splitlines():
        if line.startswith("| `"):
            first, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for value in first.split("`, ") if "Enum" not in first else [first.partition(",")[0]]:
                yield pytest.param(value.strip("`"), cells, id=value.strip("`"))


ROWS = [*rows()]


def test_the_table_is_read() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize(("text", "cells"), ROWS)
async def test_a_row_says_what_arrives(
    client: AppcuesClient, sandbox: Sandbox, text: str, cells: list[str]
) -> None:
    value = eval(text, {**NAMES, "UTC": UTC})
    event = {"user_id": "u", "name": "n", "timestamp": "2026-01-01T00:00:00Z"}

    async def arrives(kind: str, row: object, find: Callable[[], object]) -> object:
        sandbox.profiles.clear()
        try:
            await (await getattr(client.imports, kind)([row]))
        except InvalidInput:
            return "refused"
        return find()

    assert [
        await arrives("profiles", {"user_id": "u", "x": value}, lambda: sandbox.profiles["u"]["x"]),
        await arrives(
            "events", {**event, "x": value}, lambda: sandbox.events[-1]["attributes"]["x"]
        ),
        await arrives("profiles", {"user_id": value}, lambda: next(iter(sandbox.profiles))),
        await arrives(
            "events", {**event, "timestamp": value}, lambda: sandbox.events[-1]["timestamp"]
        ),
    ] == [meant(cell, cells[0]) for cell in cells]


def meant(cell: str, first: str) -> object:
    """What a cell of the table says that arrives."""
    if cell == "refused":
        return cell
    return json.loads((first if cell == "the same" else cell).strip("`"))
