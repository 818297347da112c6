"""`jobs`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from appcues_async.sandbox import Answer, JobPlan, Sandbox
from tests.cli.conftest import Command


def start(command: Command, users: Path) -> dict[str, str]:
    (row,) = command("import", "profiles", users, "--no-wait", "-o", "json").json["outcomes"]
    job: dict[str, str] = row["job"]
    assert set(job) == {"id", "url", "token"}
    return job


def test_recent_jobs_are_listed(command: Command, account: Sandbox, users: Path) -> None:
    started = {start(command, users)["id"], start(command, users)["id"]}
    assert {row["id"] for row in command("jobs", "list", "-o", "json").json} == started


def test_an_account_without_jobs_has_an_empty_list(command: Command, account: Sandbox) -> None:
    assert command("jobs", "list", "-o", "json").json == []


def test_one_job_is_shown_with_its_counts(command: Command, account: Sandbox, users: Path) -> None:
    job = start(command, users)["id"]
    shown = dict(
        line.split(None, 1) for line in command("jobs", "get", job).out.splitlines() if " " in line
    )
    assert (shown["status"].strip(), shown["ingestions_completed"].strip()) == ("COMPLETED", "2")


def test_one_job_has_its_events_as_json(command: Command, account: Sandbox, users: Path) -> None:
    job = start(command, users)["id"]
    events = command("jobs", "get", job, "-o", "json").json["events"]
    assert [event["name"] for event in events][-1] == "Completed"


def test_a_link_to_a_file_is_not_shown(command: Command, account: Sandbox) -> None:
    job = {
        "id": "1",
        "status": "COMPLETED",
        "events": [
            {"name": "Done", "attributes": {"signed_s3_url": "https://files.example.com/key"}}
        ],
    }
    headers = {"Content-Type": "application/json"}
    account.faults.add(Answer(200, body=json.dumps(job), headers=headers))
    ran = command("jobs", "get", "1", "-o", "json")
    assert ran.json["events"][0]["attributes"] == {"signed_s3_url": "https://…"}


def test_an_unknown_job_is_told_with_its_status(command: Command, account: Sandbox) -> None:
    ran = command("jobs", "get", "unknown")
    assert (ran.code, ran.error["type"], ran.error["status"]) == (4, "NotFound", 404)


def test_of_a_job_that_could_not_be_looked_up_no_status_is_said(
    command: Command, account: Sandbox
) -> None:
    (row,) = command("jobs", "wait", "unknown", "-o", "json").json["outcomes"]
    assert (row["job"]["id"], row["status"]) == ("unknown", None)


@pytest.mark.parametrize("name", ["id", "url", "token"])
def test_a_job_is_waited_for_by_any_of_its_names(
    command: Command, account: Sandbox, users: Path, name: str
) -> None:
    job = start(command, users)
    ran = command("jobs", "wait", job[name], "-o", "json")
    (row,) = ran.json["outcomes"]
    assert (ran.code, row["job"]["id"], row["status"]) == (0, job["id"], "COMPLETED")


def test_waiting_starts_no_job(command: Command, account: Sandbox, users: Path) -> None:
    job = start(command, users)["id"]
    command("jobs", "wait", job)
    assert [*account.jobs] == [job]


def test_several_jobs_are_waited_for(command: Command, account: Sandbox, users: Path) -> None:
    jobs = [start(command, users)["id"] for _ in range(3)]
    rows = command("jobs", "wait", *jobs, "-o", "json").json["outcomes"]
    assert [row["job"]["id"] for row in rows] == jobs


def test_a_failed_job_among_others_is_found(
    command: Command, account: Sandbox, users: Path
) -> None:
    well = start(command, users)["id"]
    account.fail_next_job("Disk full")
    badly = start(command, users)["id"]
    ran = command("jobs", "wait", well, badly)
    assert (ran.code, ran.error["type"]) == (6, "JobFailed")
    assert ran.error["message"].startswith("1 of 2 jobs did not go well: ")
    assert "Disk full" in ran.out


def test_an_unknown_job_is_not_called_running(command: Command, account: Sandbox) -> None:
    ran = command("jobs", "wait", "unknown")
    assert ran.code == 4
    assert "still running" not in ran.err


def test_a_wait_goes_on_with_the_token_of_one_that_ran_out_of_time(
    command: Command, account: Sandbox, users: Path
) -> None:
    account.plan_next_job(JobPlan(seconds=3600))
    ran = command("import", "profiles", users, "--timeout", "0.05")
    (token,) = next(shlex.split(line) for line in ran.err.splitlines() if "version" in line)
    account.advance(3600)
    assert command("jobs", "wait", token).code == 0


def test_no_job_at_all_is_a_wrong_use(command: Command, account: Sandbox) -> None:
    assert command("jobs", "wait").code == 2


def test_a_job_of_another_account_is_refused(command: Command, account: Sandbox) -> None:
    ran = command("jobs", "wait", f"{account.url}/v2/accounts/another/jobs/1")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")
    assert account.requests == []
