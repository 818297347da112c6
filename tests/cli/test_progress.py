"""Progress, as lines and as bars."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator

import pytest
from rich.console import Console

from appcues_async.cli.progress import UPLOADING, Bars, Label, Lines, Silent, open_display
from appcues_async.models import Job, JobEvent
from appcues_async.notices import (
    AttemptFailed,
    JobChanged,
    JobStarted,
    Notice,
    PauseBegan,
    PauseEnded,
    PollFailed,
    ReplyReceived,
)

RUNNING = Job(id="j1", name="Import Profiles", status="IN_PROGRESS")
COUNTS = JobEvent(attributes={"ingestions_completed": 1000, "ingestions_failed": 2})
ENDED = Job(id="j1", name="Import Profiles", status="COMPLETED", events=(COUNTS,))
STARTED = JobStarted("j1", "import/profiles")


@pytest.fixture(autouse=True)
def _uploading() -> Iterator[None]:
    token = UPLOADING.set(Label("users.csv"))
    yield
    UPLOADING.reset(token)


def lines_of(capsys: pytest.CaptureFixture[str], *notices: Notice) -> list[str]:
    with Lines() as display:
        for notice in notices:
            display(notice)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_lines_follow_an_upload_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, STARTED, JobChanged(RUNNING), JobChanged(ENDED)) == [
        "users.csv: accepted as job j1",
        "users.csv: COMPLETED, 1,000 rows taken, 2 failed",
    ]


def test_lines_call_a_job_from_elsewhere_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, JobChanged(ENDED)) == ["job j1: COMPLETED, 1,000 rows taken, 2 failed"]


def test_lines_tell_a_status_that_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, JobChanged(Job(id="j1", status="PAUSED"))) == ["job j1: PAUSED"]


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("429", "held back by 429 for 1.23 s"),
        ("outage", "held back by an outage for 1.23 s"),
        ("hold", "held back for 1.23 s"),
    ],
)
def test_lines_tell_what_holds_requests_back(
    capsys: pytest.CaptureFixture[str], reason: str, line: str
) -> None:
    assert lines_of(capsys, PauseBegan(1.23, reason), PauseEnded()) == [line]


def test_lines_tell_of_attempts_that_fail(capsys: pytest.CaptureFixture[str]) -> None:
    again = AttemptFailed("GET", "jobs", 1, "ServerError", 503, 0.5)
    last = AttemptFailed("GET", "jobs", 2, "ConnectionFailed", None, None)
    assert lines_of(capsys, again, last) == [
        "GET jobs: ServerError (503); again in 0.5 s",
        "GET jobs: ConnectionFailed",
    ]


def test_lines_leave_429_to_the_pauses(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, AttemptFailed("GET", "jobs", 1, "Throttled", 429, 0.5)) == []


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Silent() as display:
        for notice in (STARTED, PauseBegan(1, "429")):
            display(notice)
    assert capsys.readouterr() == ("", "")


class Screen:
    """Bars on a terminal of 80 columns that takes no colours."""

    def __init__(self) -> None:
        self.written = io.StringIO()
        console = Console(file=self.written, force_terminal=True, width=80, color_system=None)
        self.bars = Bars(console)

    def rows(self, *notices: Notice) -> list[str]:
        """What the bars show after some notices."""
        with self.bars as bars:
            for notice in notices:
                bars(notice)
            shown = Console(file=io.StringIO(), width=80)
            shown.print(bars.progress.get_renderable())
            assert isinstance(shown.file, io.StringIO)
            return [line.rstrip() for line in shown.file.getvalue().splitlines()]

    @property
    def said(self) -> str:
        """What was printed above the bars."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.written.getvalue())


def test_bars_keep_one_row_from_upload_to_job() -> None:
    rows = Screen().rows(STARTED, JobChanged(RUNNING))
    assert len(rows) == 2
    assert "users.csv" in rows[1]
    assert "IN_PROGRESS" in rows[1]


def test_bars_go_on_counting_the_time_of_a_job_whose_upload_is_done() -> None:
    screen = Screen()
    screen.rows(STARTED)
    assert not any(task.finished for task in screen.bars.progress.tasks)


def test_bars_drop_the_row_of_a_job_that_has_ended() -> None:
    screen = Screen()
    assert len(screen.rows(STARTED, JobChanged(ENDED))) == 1
    assert "users.csv: COMPLETED, 1,000 rows taken, 2 failed" in screen.said


def test_bars_have_a_row_for_a_job_from_elsewhere() -> None:
    assert "job j1" in Screen().rows(JobChanged(RUNNING))[1]


def test_bars_count_requests_and_refusals() -> None:
    replies = [ReplyReceived("GET", "jobs", status, 1, 0.1) for status in (200, 429, 202)]
    assert "3 answered, 1 x 429" in Screen().rows(*replies)[0]


def test_bars_show_that_requests_are_held_back() -> None:
    screen = Screen()
    assert "held back" in screen.rows(PauseBegan(1.23, "429"))[0]
    assert "held back by 429 for 1.23 s" in screen.said


def test_bars_show_that_requests_flow_again() -> None:
    assert "held back" not in Screen().rows(PauseBegan(1.23, "429"), PauseEnded())[0]


def test_bars_fit_80_columns_at_their_fullest() -> None:
    UPLOADING.set(Label("events.ndjson 10/10"))
    row = Screen().rows(ReplyReceived("GET", "jobs", 200, 1, 0.1), PauseBegan(1, "429"), STARTED)[1]
    assert row.endswith("0:00:00")


def test_bars_take_names_as_they_are() -> None:
    UPLOADING.set(Label("[red]users[/].csv"))
    screen = Screen()
    assert "[red]users[/].csv" in screen.rows(STARTED)[1]
    screen.rows(JobChanged(ENDED))
    assert "[red]users[/].csv: COMPLETED" in screen.said


def test_bars_leave_out_what_is_of_no_use() -> None:
    assert len(Screen().rows(PollFailed("j1", "ServerError"))) == 1


@pytest.mark.parametrize(
    ("out", "err", "term", "form", "bars"),
    [
        (True, True, "xterm", "table", True),
        (False, True, "xterm", "table", False),
        (True, False, "xterm", "table", False),
        (True, True, "dumb", "table", False),
        (True, True, "xterm", "json", False),
        (True, True, "xterm", "csv", False),
    ],
)
def test_bars_are_for_people_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, out: bool, err: bool, term: str, form: str, bars: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: out, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: err, raising=False)
    assert isinstance(open_display(False, form), Bars if bars else Lines)  # type: ignore[arg-type]


def test_quiet_is_quiet_on_a_terminal_too() -> None:
    assert type(open_display(True, "table")) is Silent
