"""How far bulk runs are: as a course of stages, as lines and as bars."""

from __future__ import annotations

import io
import re
from typing import Any

import attrs
import pytest
from rich.console import Console

from appcues_async.cli.bulk_progress import Course, StageBars, StageLines
from appcues_async.models import Job, JobEvent
from appcues_async.notices import (
    AttemptFailed,
    BodySent,
    BulkProgressed,
    ChunkEnded,
    JobChanged,
    JobStarted,
    Notice,
    PauseBegan,
    ReplyReceived,
)

HALF = BulkProgressed(
    kind="profiles",
    rows_read=500_000,
    bytes_read=50_000_000,
    rows_rejected=0,
    rows_sent=250_000,
    bytes_sent=25_000_000,
    rows_ingested=125_000,
    bytes_in_all=100_000_000,
)
FAULTY = Job(
    id="j1",
    status="COMPLETED",
    events=(JobEvent(attributes={"ingestions_completed": 90, "ingestions_failed": 10}),),
)


class Ticks:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def course_of(*notices: Notice, seconds: float = 10) -> Course:
    ticks = Ticks()
    course = Course(ticks)
    for notice in notices:
        course.take(notice)
    ticks.now = seconds
    return course


def shares(*notices: Notice) -> list[float | None]:
    return [stage.share for stage in course_of(*notices).stages()]


def test_each_stage_has_its_share_of_all_rows() -> None:
    assert shares(HALF) == [0.5, 0.25, 0.125]


def test_bytes_under_way_count_as_sent() -> None:
    sending = BodySent("import/profiles", 1, 5_000_000, 10_000_000)
    assert shares(HALF, sending)[1] == pytest.approx(0.3)
    assert course_of(HALF, sending).stages()[1].size == 30_000_000


def test_bytes_of_an_accepted_upload_are_not_counted_twice() -> None:
    sent = BodySent("import/profiles", 1, 10_000_000, 10_000_000)
    other = BodySent("import/profiles", 2, 1_000_000, 10_000_000)
    course = course_of(HALF, other, sent, JobStarted("j1", "import/profiles"))
    assert course.stages()[1].size == 26_000_000


def test_bytes_of_an_attempt_that_failed_are_not_counted() -> None:
    sent = BodySent("import/profiles", 1, 10_000_000, 10_000_000)
    failed = AttemptFailed("POST", "import/profiles", 1, "ServerError", 503, 0.5)
    assert course_of(HALF, sent, failed).stages()[1].size == 25_000_000


def test_of_a_source_of_unknown_size_there_is_no_share() -> None:
    assert shares(attrs.evolve(HALF, bytes_in_all=None)) == [None, None, None]


def test_rejected_rows_are_not_waited_for() -> None:
    done = attrs.evolve(
        HALF, bytes_read=100_000_000, rows_rejected=100, rows_sent=499_900, rows_ingested=499_900
    )
    assert shares(done) == [1.0, 1.0, 1.0]


def test_the_time_left_goes_by_the_pace_so_far() -> None:
    assert [stage.left for stage in course_of(HALF, seconds=10).stages()] == [10, 30, 70]


def test_several_runs_are_counted_together() -> None:
    assert course_of(HALF, attrs.evolve(HALF, kind="events")).stages()[0].rows == 1_000_000


@pytest.mark.parametrize(
    ("notices", "said"),
    [
        (
            [JobChanged(FAULTY), ChunkEnded(3, 100, 9, "completed", "j1")],
            "chunk 3, job j1: COMPLETED, 90 rows taken, 10 failed",
        ),
        (
            [JobChanged(Job(id="j1", status="FAILED")), ChunkEnded(3, 100, 9, "failed", "j1")],
            "chunk 3, job j1: FAILED",
        ),
        ([ChunkEnded(3, 1_000, 9, "refused", None)], "chunk 3, 1,000 rows: refused"),
        ([ChunkEnded(3, 1_000, 9, "unknown", None)], "chunk 3, 1,000 rows: unknown"),
        ([ChunkEnded(3, 1_000, 9, "completed", "j1")], None),
        ([ChunkEnded(3, 1_000, 9, "accepted", "j1")], None),
    ],
)
def test_a_chunk_that_ended_badly_is_told_at_once(notices: list[Notice], said: str | None) -> None:
    *before, last = notices
    assert course_of(*before).take(last) == said


def lines_of(capsys: pytest.CaptureFixture[str], *notices: tuple[float, Notice]) -> list[str]:
    ticks = Ticks()
    with StageLines(course=Course(ticks)) as display:
        for now, notice in notices:
            ticks.now = now
            display(notice)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_lines_come_every_few_seconds_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    reply = ReplyReceived("GET", "jobs", 200, 1, 0.1)
    said = lines_of(capsys, (0, HALF), (4, reply), (10, reply), (12, reply), (20, HALF))
    assert said == [
        "read 500,000 rows, 50.0 MB, 5.0 MB/s; sent 250,000 rows, 25.0 MB, 2.5 MB/s; "
        "ingested 125,000 rows, 12,500 rows/s; about 1:10 left",
        "read 500,000 rows, 50.0 MB, 2.5 MB/s; sent 250,000 rows, 25.0 MB, 1.2 MB/s; "
        "ingested 125,000 rows, 6,250 rows/s; about 2:20 left",
        "read 500,000 rows, 50.0 MB, 2.5 MB/s; sent 250,000 rows, 25.0 MB, 1.2 MB/s; "
        "ingested 125,000 rows, 6,250 rows/s",
    ]


def test_lines_tell_of_pauses_and_of_jobs_that_were_accepted_or_ended_badly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[Notice] = [
        JobStarted("j1", "import/profiles"),
        PauseBegan(1.23, "429"),
        JobChanged(FAULTY),
        ChunkEnded(0, 100, 9, "completed", "j1"),
    ]
    assert lines_of(capsys, *((0, notice) for notice in told)) == [
        "import/profiles: accepted as job j1",
        "held back by 429 for 1.23 s",
        "chunk 0, job j1: COMPLETED, 90 rows taken, 10 failed",
    ]


def bars_of(*notices: Notice, seconds: float = 10) -> tuple[list[str], str]:
    """The rows of the bars after some notices, and what was printed above them."""
    written = io.StringIO()
    ticks = Ticks()
    bars = StageBars(
        Console(file=written, force_terminal=True, width=80, color_system=None),
        course=Course(ticks),
    )
    ticks.now = seconds
    with bars:
        for notice in notices:
            bars(notice)
        shown: Any = Console(file=io.StringIO(), width=80)
        shown.print(bars.progress.get_renderable())
    rows = [line.rstrip() for line in shown.file.getvalue().splitlines()]
    return rows, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue())


def test_bars_have_a_row_for_each_stage_with_the_time_that_is_left() -> None:
    rows, _ = bars_of(HALF)
    assert [row.split()[1] for row in rows] == ["requests", "read", "sent", "ingested"]
    assert re.search(r"━ +500,000 rows, 50.0 MB, 5.0 MB/s +0:10 left$", rows[1])
    assert re.search(r"━ +125,000 rows, 12,500 rows/s +1:10 left$", rows[3])


def test_bars_of_stages_fit_80_columns_at_their_fullest() -> None:
    times = 300
    large = {name: times * value for name, value in attrs.asdict(HALF).items() if name != "kind"}
    rows, _ = bars_of(BulkProgressed(kind="profiles", **large), seconds=8_000)
    assert "━" in rows[1]
    assert rows[1].endswith("150,000,000 rows, 15,000.0 MB, 1.9 MB/s 2:13:20 left")


def test_bars_say_above_them_what_ended_badly() -> None:
    _, said = bars_of(HALF, JobChanged(FAULTY), ChunkEnded(0, 100, 9, "completed", "j1"))
    assert "chunk 0, job j1: COMPLETED, 90 rows taken, 10 failed" in said


def test_bars_count_requests_beside_the_stages() -> None:
    rows, _ = bars_of(HALF, ReplyReceived("POST", "import/profiles", 429, 1, 0.1))
    assert "1 answered, 1 x 429" in rows[0]
