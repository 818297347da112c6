"""The table of what becomes of each call when something goes wrong, run line by line.

`table.json` is written by hand, from what the documents and the project's promises say. Nothing in it is
worked out by the code that it judges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from appcues_async.sandbox import Sandbox
from tests.conformance.calls import CALLS
from tests.conformance.table import EXPANDED, FAULTS, TABLE, UPLOADS, cells_of, expand
from tests.conformance.trial import Seen, Servers, Trial, as_cell
from tests.fair_loop import FairLoop
from tests.guide.test_endpoint_table import ROWS

AT_ONCE: Final = 12
"""Trials at a time; their servers are on the same loop."""
SILENT_AT_ONCE: Final = 24
"""Of those that sit out a timeout."""

Cell = list[Any]


def trials(
    row: dict[str, Any], fault: dict[str, Any], cells: dict[str, dict[str, Any]], *, large: bool
) -> Iterator[tuple[Trial, list[Cell]]]:
    """Each trial of an endpoint under a fault, with the cells that it may end in."""
    for column, by_times in cells.items():
        choices = ["raise", "resend"] if column == "any" and row["repeat"] == "unsafe" else [column]
        for on_unknown in choices:
            for often, cell in by_times.items():
                allowed = cell if isinstance(cell[0], list) else [cell]
                # A safe endpoint is told to raise, and repeated all the same.
                chosen: Any = "raise" if on_unknown == "any" else on_unknown
                yield Trial(row, fault, chosen, often == "always", large), allowed


def is_in(seen: Seen, cell: Cell) -> bool:
    found = (seen.end, seen.requests, seen.applied)
    return all(said is None or said == one for said, one in zip(cell, found, strict=True))


def find_misses(tried: list[tuple[Trial, list[Cell]]], folder: Path) -> list[str]:
    """Runs trials, several at a time, and says which did not end as the table has it."""
    # A silence is to be one of the server, not of a machine that is busy.
    with asyncio.Runner(loop_factory=FairLoop) as runner:
        return runner.run(_misses(tried, folder))


async def _misses(tried: list[tuple[Trial, list[Cell]]], folder: Path) -> list[str]:
    silent = any(trial.is_silent for trial, _ in tried)
    free = asyncio.Semaphore(SILENT_AT_ONCE if silent else AT_ONCE)
    missed: list[str] = []

    async def attempt(number: int, trial: Trial, cells: list[Cell]) -> None:
        async with free:
            seen = await trial.run(servers, elsewhere, folder / f"{number}.zip")
        if not any(is_in(seen, cell) for cell in cells):
            wanted = " or ".join(map(as_cell, cells))
            found = as_cell([seen.end, seen.requests, seen.applied])
            missed.append(f"{trial}: {found}; the table has {wanted}")

    servers = Servers()
    async with Sandbox() as elsewhere:
        try:
            async with asyncio.TaskGroup() as group:
                for number, (trial, cells) in enumerate(tried):
                    group.create_task(attempt(number, trial, cells))
        finally:
            await servers.close()
        assert not elsewhere.requests, "a redirect was followed"
    return missed


def all_trials(fault: dict[str, Any]) -> list[tuple[Trial, list[Cell]]]:
    return [
        one
        for row in TABLE["endpoints"]
        for one in trials(row, fault, cells_of(row, fault), large=False)
    ]


def usual_trials(fault: dict[str, Any]) -> list[tuple[Trial, list[Cell]]]:
    """One endpoint of each kind under the fault, once and for good, and an eighth of the others once."""
    kinds: set[tuple[Any, ...]] = set()
    chosen = []
    for place, (trial, cells) in enumerate(all_trials(fault), list(FAULTS.values()).index(fault)):
        row = trial.row
        method = row["endpoint"].split()[0]
        reconciled = trial.on_unknown == "reconcile"
        made = row.get("makes") if reconciled else None
        kind = (method, row["repeat"], row["answer"], trial.on_unknown, trial.always, made)
        is_usual = not (trial.always or reconciled or fault.get("kin"))
        if kind not in kinds or (is_usual and place % 8 == 0):
            chosen.append((trial, cells))
        kinds.add(kind)
    return chosen


BY_NAME: Final = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] if one.get("long") else [])
        for name, one in FAULTS.items()
    ],
)


@BY_NAME
def test_endpoints_of_each_kind_end_as_the_table_says(name: str, tmp_path: Path) -> None:
    tried = usual_trials(FAULTS[name])
    assert len(tried) > 10
    assert find_misses(tried, tmp_path) == []


@pytest.mark.long
@BY_NAME
def test_the_whole_table_holds(name: str, tmp_path: Path) -> None:
    assert find_misses(all_trials(FAULTS[name]), tmp_path) == []


@pytest.mark.long
@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_that_is_under_way_ends_as_the_table_says(name: str, tmp_path: Path) -> None:
    fault = UPLOADS[name]
    rows = [one for one in TABLE["endpoints"] if one["python"] in TABLE["uploads"]["python"]]
    assert len(rows) == len(TABLE["uploads"]["python"])
    tried = [one for row in rows for one in trials(row, fault, fault[row["repeat"]], large=True)]
    assert find_misses(tried, tmp_path) == []


# --- the table itself ----------------------------------------------------------------------------


def test_the_expanded_table_says_the_same() -> None:
    assert EXPANDED.read_text(encoding="utf-8") == expand()


def test_the_table_has_every_endpoint_of_the_readme() -> None:
    readme = {(f"{row.method} {row.path}", row.python) for row in ROWS}
    assert {(one["endpoint"], one["python"]) for one in TABLE["endpoints"]} == readme


def test_each_endpoint_of_the_table_has_its_call() -> None:
    names = {Trial(one, {}, "raise", always=False).name for one in TABLE["endpoints"]}
    assert names == CALLS.keys()


def test_each_exception_is_about_something() -> None:
    for exception in TABLE["exceptions"]:
        assert exception["why"]
        assert set(exception.get("faults", ())) <= FAULTS.keys()
        assert set(exception.get("groups", ())) <= TABLE["groups"].keys()
        assert set(exception.get("python", ())) <= {one["python"] for one in TABLE["endpoints"]}
        assert set(exception.get("answers", ())) <= {one["answer"] for one in TABLE["endpoints"]}


def test_the_table_is_as_large_as_it_is_said_to_be() -> None:
    assert sum(len(all_trials(fault)) for fault in FAULTS.values()) > 4000
