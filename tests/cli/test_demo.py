"""`demo`, with fewer rows, and the rows that it makes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appcues_async.cli import demo
from appcues_async.cli.demo_rows import Files, cut, difference, write_files
from appcues_async.sandbox import Sandbox, Segment
from tests.cli.conftest import Command

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = ("demo", "--users", "40", "--events", "30", "--job-seconds", "0", "--rate-limit", "0")


def test_every_part_is_a_job_that_took_all_its_rows(command: Command) -> None:
    ran = command(*SMALL, "-o", "json")
    assert ran.code == 0
    rows = ran.json["outcomes"]
    assert len(rows) == 5 + 10 + 2
    assert {row["status"] for row in rows} == {"COMPLETED"}
    assert [row["ingested"] for row in rows] == [row["rows"] for row in rows]
    assert sum(row["rows"] for row in rows) == 40 + 30 + 4


def test_what_the_sandbox_holds_is_told_at_the_end(command: Command) -> None:
    assert command(*SMALL).err.splitlines()[-1] == (
        "the sandbox holds exactly what was sent: 40 users, 30 events and a segment of 4; "
        "nothing lost, nothing doubled"
    )


def test_requests_and_refusals_are_counted(command: Command) -> None:
    said = command(*SMALL[:-1], "12", "--quiet").err.splitlines()[0]
    jobs, _, requests = said.partition("; ")
    assert jobs.startswith("17 jobs, 74 rows in ")
    assert requests.endswith(" of them refused with 429")
    assert " 0 of them" not in requests


def test_the_table_has_a_line_for_each_job(command: Command) -> None:
    header, *rows = command(*SMALL).out.splitlines()
    assert header.split() == [*demo.COLUMNS]
    assert [row.split("  ")[0] for row in rows][::5] == [
        "users.csv 1/5",
        "events.ndjson 1/10",
        "events.ndjson 6/10",
        "user-ids.csv 1/2",
    ]


def test_files_are_kept_where_asked_for(command: Command, tmp_path: Path) -> None:
    assert command(*SMALL, "--keep", "kept/here").code == 0
    kept = sorted(path.name for path in (tmp_path / "kept/here").iterdir())
    assert kept == ["events.ndjson", "user-ids.csv", "users.csv"]


def test_files_of_the_users_own_are_not_replaced(command: Command, users: Path) -> None:
    before = users.read_bytes()
    ran = command(*SMALL, "--keep", users.parent)
    assert ran.code == 2
    assert "users.csv is there already" in ran.error["message"]
    assert users.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_a_wrong_use(command: Command, users: Path) -> None:
    ran = command(*SMALL, "--keep", users / "below")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")


def test_a_loss_is_found_and_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "difference", lambda *_: "3 events, not the 30 that were sent")
    ran = command(*SMALL)
    assert (ran.code, ran.error["type"]) == (1, "DemoFailed")
    assert ran.error["message"] == "the sandbox holds 3 events, not the 30 that were sent"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Files of forty users and thirty events."""
    folder = tmp_path / "rows"
    folder.mkdir()
    return write_files(folder, 40, 30)


def test_the_same_files_are_written_every_time(files: Files, tmp_path: Path) -> None:
    again = write_files(tmp_path, 40, 30)
    assert again.users.read_bytes() == files.users.read_bytes()
    assert again.events.read_bytes() == files.events.read_bytes()
    assert again.ids.read_bytes() == files.ids.read_bytes()


def test_events_are_those_of_users_after_they_signed_up(files: Files) -> None:
    with files.users.open(newline="", encoding="utf-8") as file:
        users = {row["user_id"]: row["signed_up_at"] for row in csv.DictReader(file)}
    for line in files.events.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        assert event["timestamp"].endswith("Z")
        signed_up = datetime.fromisoformat(users[event["user_id"]])
        assert datetime.fromisoformat(event["timestamp"]) >= signed_up


def test_a_cut_file_has_its_header_in_every_part_and_each_row_once(files: Files) -> None:
    header, *rows = files.users.read_bytes().splitlines(keepends=True)
    parts = [*cut(files.users, 7, header=True)]
    assert len(parts) == 7
    assert {part.splitlines(keepends=True)[0] for part, _ in parts} == {header}
    assert [line for part, _ in parts for line in part.splitlines(keepends=True)[1:]] == rows
    assert sum(count for _, count in parts) == 40


@pytest.fixture
def held(files: Files) -> Sandbox:
    """A sandbox that holds what is in the files."""
    sandbox = Sandbox()
    with files.users.open(newline="", encoding="utf-8") as file:
        sandbox.profiles.update({row.pop("user_id"): row for row in csv.DictReader(file)})
    sandbox.events.extend(map(json.loads, files.events.read_bytes().splitlines()))
    sandbox.segments["s"] = Segment(
        id="s",
        name="Beta testers",
        created_at=NOW,
        created_by="somebody",
        updated_at=NOW,
        updated_by="somebody",
        user_ids=set(files.ids.read_text(encoding="utf-8").split()),
    )
    return sandbox


def test_no_difference_is_found_where_there_is_none(held: Sandbox, files: Files) -> None:
    assert difference(held, "s", files) is None


def _lose_user(sandbox: Sandbox) -> None:
    sandbox.profiles.popitem()


def _change_user(sandbox: Sandbox) -> None:
    sandbox.profiles["0000000"]["plan"] = "other"


def _lose_event(sandbox: Sandbox) -> None:
    sandbox.events.pop()


def _double_event(sandbox: Sandbox) -> None:
    sandbox.events.append(sandbox.events[0])


def _swap_event(sandbox: Sandbox) -> None:
    sandbox.events[0] = sandbox.events[1]


def _lose_member(sandbox: Sandbox) -> None:
    sandbox.segments["s"].user_ids.pop()


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (_lose_user, "39 profiles, not the 40 that were sent"),
        (_change_user, "40 profiles, not the 40 that were sent"),
        (_lose_event, "29 events, not the 30 that were sent"),
        (_double_event, "31 events, not the 30 that were sent"),
        (_swap_event, "30 events, not the 30 that were sent"),
        (_lose_member, "a segment of 3 users, not of the 4 that were sent"),
    ],
)
def test_any_difference_is_found(
    held: Sandbox, files: Files, spoil: Callable[[Sandbox], None], found: str
) -> None:
    spoil(held)
    assert difference(held, "s", files) == found
