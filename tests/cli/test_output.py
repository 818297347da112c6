"""Tables, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from rich.cells import cell_len

from appcues_async.cli.failures import CommandFailed
from appcues_async.cli.output import Form, print_lines, show, show_each, show_one
from appcues_async.models import JobEvent, Segment, as_row

ID = "75d59048-7961-419b-95e2-018c708bdfe5"
ROWS: list[dict[str, Any]] = [
    {"id": ID, "name": "Beta testers", "count": 1234, "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC)},
    {"id": "2", "name": None, "count": None, "extra": True},
]


class Terminal(io.StringIO):
    """A stdout that somebody reads."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], str]:
    """Gives what something writes to a terminal of 40 columns."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")

    def write(something: Callable[[], None]) -> str:
        # Not before the test itself: pytest puts its own stdout in place when that begins.
        written = Terminal()
        monkeypatch.setattr(sys, "stdout", written)
        something()
        return re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue())

    return write


Narrow: TypeAlias = Callable[[Callable[[], None]], str]


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, "json", ("id",))
    assert json.loads(capsys.readouterr().out) == [
        {"id": ID, "name": "Beta testers", "count": 1234, "at": "2026-01-02T03:04:00+00:00"},
        {"id": "2", "name": None, "count": None, "extra": True},
    ]


def test_csv_has_every_value_of_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, "csv", ("id",))
    assert [*csv.reader(io.StringIO(capsys.readouterr().out))] == [
        ["id", "name", "count", "at", "extra"],
        [ID, "Beta testers", "1234", "2026-01-02T03:04:00+00:00", ""],
        ["2", "", "", "", "true"],
    ]


def test_csv_without_rows_still_has_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    show([], "csv", ("id", "name"))
    assert capsys.readouterr().out == "id,name\n"


def test_a_table_has_the_named_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, "table", ("id", "count", "at"))
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["id", "count", "at"]
    assert first.split() == [ID, "1,234", "2026-01-02", "03:04:00"]
    assert second.split() == ["2"]


def test_one_thing_is_json_without_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    show_one({"id": ID}, "json")
    assert json.loads(capsys.readouterr().out) == {"id": ID}


def test_one_thing_is_a_line_for_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    show_one({"id": ID, "name": "Beta"}, "table")
    assert capsys.readouterr().out.splitlines() == [f"id    {ID}", "name  Beta"]


def test_a_narrow_terminal_folds_no_id(narrow: Narrow) -> None:
    row = {"name": "long " * 20, "id": ID, "url": "x" * 50}
    written = narrow(lambda: show([row], "table", ("name", "id", "url")))
    assert ID in written
    assert "x" * 50 in written


def test_a_narrow_terminal_folds_names(narrow: Narrow) -> None:
    row = {"name": "long " * 20, "id": ID}
    written = narrow(lambda: show([row], "table", ("name", "id")))
    assert max(map(len, written.splitlines())) < 24 + len(ID) + 4


def test_a_narrow_terminal_folds_no_token(narrow: Narrow) -> None:
    written = narrow(lambda: show_each([{"token": "x" * 100}], "table"))
    assert written == f"token  {'x' * 100}\n"


def test_a_table_ends_with_its_line(narrow: Narrow) -> None:
    assert narrow(lambda: show(ROWS, "table", ("id",))).endswith("\n")


@pytest.mark.parametrize("form", ["one", "rows", "lines"])
def test_what_a_server_says_does_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    evil = "\x1b[2J[red]gone\r\n\x9b"
    if form == "one":
        show_one({"name": evil}, "table")
    elif form == "rows":
        show([{"name": evil}], "table", ("name",))
    else:
        print_lines([evil])
    assert "\\x1b[2J[red]gone\\r\\n\\x9b" in capsys.readouterr().out


EVIL = "\x1b]0;t\x07\x9b31m\u202eRTL\u200b\u2066[/x]\n"


@pytest.mark.parametrize("form", ["table", "json"])
def test_no_character_that_steers_a_terminal_is_written(
    capsys: pytest.CaptureFixture[str], form: Form
) -> None:
    show([{"name": EVIL, EVIL: 1}], form)
    show_one({"name": EVIL}, form)
    written = capsys.readouterr().out
    assert not set("\x1b\x07\x9b\u202e\u200b\u2066") & set(written)
    assert "[/x]" in written


def test_json_has_every_character_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    show_one({"name": EVIL}, "json")
    assert json.loads(capsys.readouterr().out) == {"name": EVIL}


def test_csv_is_data_and_holds_no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    show([{"name": "José 日本"}], "csv")
    assert raw.getvalue().decode() == "name\nJosé 日本\n"


def test_csv_that_no_utf_8_can_hold_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    with pytest.raises(CommandFailed, match=r"'\\udc80' in the result cannot be written as UTF-8"):
        show([{"name": "\udc80"}], "csv")


def test_emoji_and_wide_text_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["👨\u200d👩\u200d👧 family", "日本\u3000語", "plain"]
    show([{"name": name, "next": "x"} for name in names], "table")
    lines = capsys.readouterr().out.splitlines()
    assert {cell_len(line.rstrip()) for line in lines[1:]} == {cell_len(lines[0].rstrip()) - 3}
    assert all(name in line for name, line in zip(names, lines[1:], strict=True))


@pytest.mark.parametrize("columns", [50, 60, 80])
def test_a_narrow_terminal_breaks_no_word(
    narrow: Narrow, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    row = {"chunk": 0, "source": "customers.csv", "seconds": 1.5, "status": "COMPLETED", "job": ID}
    written = narrow(lambda: show([row], "table", (*row,), ("seconds",)))
    assert all(len(line.rstrip()) <= columns for line in written.splitlines())
    for word in ("customers.csv", "COMPLETED", ID):
        assert word in written


def test_fields_that_nobody_documents_are_shown_too() -> None:
    segment = Segment(id="1", name="Beta", extra={"colour": "red"})
    assert as_row(segment)["colour"] == "red"
    assert "extra" not in as_row(segment)


def test_events_of_a_job_are_json_in_a_csv_cell(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"events": (JobEvent(name="Done", attributes={"n": 1}),)}], "csv", ())
    _, (cell,) = csv.reader(io.StringIO(capsys.readouterr().out))
    assert json.loads(cell) == [{"name": "Done", "timestamp": None, "attributes": {"n": 1}}]


def test_json_can_be_written_where_only_ascii_can(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    show_one({"name": "José"}, "json")
    assert json.loads(raw.getvalue()) == {"name": "José"}
