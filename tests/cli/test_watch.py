"""`jobs watch`, and the table of jobs that run."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import attrs
from rich.console import Console

from appcues_async.cli.job_table import JobTable
from appcues_async.models import Job, JobEvent
from appcues_async.notices import JobChanged, PauseBegan, PauseEnded, PollFailed, ReplyReceived
from appcues_async.sandbox import JobPlan, Sandbox
from tests.cli.conftest import Command


def test_watching_follows_a_running_job_to_its_end(
    command: Command, account: Sandbox, users: Path
) -> None:
    account.plan_next_job(JobPlan(seconds=1000))
    command("import", "profiles", users, "--no-wait")
    later = threading.Timer(0.2, account.advance, [1000])
    later.start()
    ran = command("jobs", "watch", "--every", "1s", "--idle", "-o", "json")
    later.join()
    (row,) = ran.json
    assert (ran.code, row["status"]) == (0, "COMPLETED")
    assert "2 rows taken" in ran.err


def test_jobs_that_had_ended_before_are_left_out(
    command: Command, account: Sandbox, users: Path
) -> None:
    command("import", "profiles", users)
    assert command("jobs", "watch", "--idle", "-o", "json").json == []


def test_watching_without_a_pause_is_refused(command: Command, account: Sandbox) -> None:
    ran = command("jobs", "watch", "--every", "0s")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")


def drawn(table: JobTable) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(table.draw())
    return out.getvalue()


def test_the_table_shows_each_job_and_how_often_was_looked() -> None:
    table = JobTable(Console(file=io.StringIO()))
    table.expect(["job-1", "job-2"])
    counts = {"ingestions_completed": 1234, "ingestions_failed": 5}
    job = Job(id="job-2", name="Import Profiles", status="IN_PROGRESS")
    table(JobChanged(job))
    table(ReplyReceived("GET", "jobs", 200, 1, 0.1))
    table(PollFailed(None, "ServerError"))
    assert "not looked at yet" in drawn(table)
    assert "IN_PROGRESS" in drawn(table)
    events = (JobEvent(name="Completed", attributes=counts),)
    table(JobChanged(attrs.evolve(job, status="COMPLETED", events=events)))
    shown = drawn(table)
    assert "1,234" in shown
    assert "1 of 2 ended, 1 request" in shown
    assert "1 look failed" in shown


def test_of_many_jobs_those_that_run_are_shown() -> None:
    table = JobTable(Console(file=io.StringIO()))
    for number in range(100):
        table.see(Job(id=f"job-{number}", status="COMPLETED"))
    table.see(Job(id="the-last", status="IN_PROGRESS"))
    shown = drawn(table)
    assert "the-last" in shown
    assert "71 not shown" in shown


def test_the_table_tells_of_pauses_and_of_jobs_not_looked_at_yet() -> None:
    with JobTable(Console(file=io.StringIO())) as table:
        table.expect(["j1"])
        table(PauseBegan(1, "429"))
        assert "not looked at yet" in drawn(table)
        assert "held back" in drawn(table)
        table(PauseEnded())
        assert "held back" not in drawn(table)
