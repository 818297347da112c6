"""`import profiles` and `import events`."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path

import pytest

from appcues_async.sandbox import Sandbox
from tests.cli.conftest import Command, copies, posts


def test_profiles_are_there_when_the_command_is_done(
    command: Command, account: Sandbox, users: Path
) -> None:
    ran = command("import", "profiles", users)
    assert ran.code == 0
    assert account.profiles == {"007": {"plan": "pro"}, "008": {"plan": "free"}}


def test_events_are_there_when_the_command_is_done(
    command: Command, account: Sandbox, events: Path
) -> None:
    command("import", "events", events)
    assert [event["user_id"] for event in account.events] == ["007"]


def test_each_file_is_an_upload_of_its_own(command: Command, account: Sandbox, users: Path) -> None:
    ran = command("import", "profiles", *copies(users, 3), "-o", "json")
    assert posts(account) == ["import/profiles"] * 3
    assert {row["job"]["id"] for row in ran.json["outcomes"]} == set(account.jobs)


def test_what_each_job_did_is_shown(command: Command, account: Sandbox, users: Path) -> None:
    (row,) = command("import", "profiles", users, "-o", "json").json["outcomes"]
    assert row.pop("seconds") >= 0
    assert row == {
        "chunk": 0,
        "source": str(users),
        "first": 1,
        "last": 2,
        "rows": 2,
        "job": {
            "id": next(iter(account.jobs)),
            "url": row["job"]["url"],
            "token": row["job"]["token"],
        },
        "bytes": users.stat().st_size,
        "status": "COMPLETED",
        "ingested": 2,
        "failed": 0,
        "error": None,
    }


def test_a_file_without_a_telling_name_goes_by_format(
    command: Command, account: Sandbox, users: Path
) -> None:
    unnamed = users.rename(users.with_suffix(".data"))
    assert command("import", "profiles", unnamed, "--format", "csv").code == 0
    assert "text/csv" in account.requests[0].headers["Content-Type"]


def test_a_file_that_is_not_in_the_given_format_is_refused(
    command: Command, account: Sandbox, users: Path
) -> None:
    ran = command("import", "profiles", users, "--format", "ndjson")
    assert (ran.code, ran.error["type"]) == (6, "BulkFailed")
    assert posts(account) == []


def test_without_waiting_the_job_is_named_and_left_running(
    command: Command, account: Sandbox, users: Path
) -> None:
    ran = command("import", "profiles", users, "--no-wait", "-o", "json")
    (row,) = ran.json["outcomes"]
    job = row["job"]
    assert row["status"] == "IN_PROGRESS"
    assert job["url"] == f"{account.url}/v2/accounts/sandbox-account/jobs/{job['id']}"
    assert json.loads(job["token"])["job_id"] == job["id"]
    assert [request.method for request in account.requests] == ["POST"]


def test_without_waiting_a_table_has_each_token_in_one_piece(
    command: Command, account: Sandbox, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    ran = command("import", "profiles", users, "--no-wait")
    (token,) = [line.split(None, 1)[1] for line in ran.out.splitlines() if line.startswith("token")]
    assert json.loads(token)["job_id"] in account.jobs


def test_without_waiting_outcomes_have_the_shape_of_those_with(
    command: Command, account: Sandbox, users: Path
) -> None:
    (awaited,) = command("import", "profiles", users, "-o", "json").json["outcomes"]
    (started,) = command("import", "profiles", users, "--no-wait", "-o", "json").json["outcomes"]
    assert started.keys() == awaited.keys()
    assert started["job"].keys() == awaited["job"].keys() == {"id", "url", "token"}
    assert (awaited["status"], started["status"]) == ("COMPLETED", "IN_PROGRESS")


def test_a_table_says_the_status_of_what_is_not_waited_for(
    command: Command, account: Sandbox, users: Path
) -> None:
    lines = command("import", "profiles", users, "--no-wait").out.splitlines()
    assert ["status", "IN_PROGRESS"] in [line.split() for line in lines]


def test_without_waiting_there_is_no_word_of_jobs_that_still_run(
    command: Command, account: Sandbox, users: Path
) -> None:
    assert "still running" not in command("import", "profiles", users, "--no-wait").err


def test_with_one_missing_file_nothing_is_sent(
    command: Command, account: Sandbox, users: Path
) -> None:
    ran = command("import", "profiles", users, "missing.csv")
    assert ran.code == 2
    assert "missing.csv" in ran.error["message"]
    assert account.requests == []


def test_every_refused_file_is_named(command: Command, account: Sandbox, users: Path) -> None:
    Path("array.json").write_text("[]")
    ran = command("import", "profiles", users, "missing.csv", "array.json")
    assert ran.error["message"].startswith("2 of 3 files are refused, and nothing was sent: ")
    assert "missing.csv" in ran.error["message"]
    assert "array.json holds a JSON array" in ran.error["message"]


@pytest.mark.parametrize("content", ["", "user_id,plan\n"])
def test_a_file_without_rows_ends_well_with_a_warning(
    command: Command, account: Sandbox, content: str
) -> None:
    Path("empty.csv").write_text(content)
    ran = command("import", "profiles", "empty.csv")
    assert ran.code == 0
    assert "warning: there were no profiles to send" in ran.err
    assert "1 source has no rows" in ran.out
    assert account.requests == []


def test_a_file_is_read_with_the_options_that_its_refusal_names(
    command: Command, account: Sandbox
) -> None:
    Path("users.csv").write_bytes("Nr;E-Mail;Ort\n1;a@b.c;Köln\n".encode("cp1252"))
    ran = command("import", "profiles", "users.csv")
    assert ran.code == 2
    assert "delimiter=';', encoding='cp1252' and id_column='Nr'" in ran.error["message"]
    options = ("--delimiter", ";", "--encoding", "cp1252", "--id-column", "Nr")
    ran = command("import", "profiles", "users.csv", *options, "--rename", "E-Mail=email")
    assert ran.code == 0
    assert account.profiles == {"1": {"email": "a@b.c", "Ort": "Köln"}}
    ran = command("sync", "profiles", "users.csv", "--state", "users.db", *options)
    assert ran.code == 0
    assert account.profiles["1"]["E-Mail"] == "a@b.c"


@pytest.mark.parametrize("pair", ["email", "=email", "E-Mail="])
def test_a_new_name_that_is_none_is_refused(command: Command, users: Path, pair: str) -> None:
    ran = command("import", "profiles", users, "--rename", pair)
    assert ran.code == 2
    assert "give OLD=NEW" in ran.error["message"]


def test_tabs_and_times_without_a_zone_can_be_said_on_the_command_line(
    command: Command, account: Sandbox
) -> None:
    Path("events.tsv").write_text("user_id\tname\ttimestamp\n1\tPaid\t2026-07-14 12:00:00\n")
    options = ("--delimiter", "\\t", "--time-zone", "-04:00")
    assert command("import", "events", "events.tsv", *options).code == 0
    assert account.events[0]["timestamp"] == "2026-07-14T12:00:00-04:00"


def test_many_refused_files_make_no_endless_message(command: Command, account: Sandbox) -> None:
    ran = command("import", "profiles", *(f"missing{number}.csv" for number in range(9)))
    assert ran.error["message"].endswith("'missing4.csv'; and 4 more")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("name,plan\nAda,pro\n", "no user_id"),
        ('[{"user_id": "1"}]', "JSON array"),
    ],
)
def test_a_file_that_cannot_be_right_is_not_sent(
    command: Command, account: Sandbox, tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(content, encoding="utf-8")
    ran = command("import", "profiles", path)
    assert ran.code == 2
    assert why in ran.error["message"]
    assert account.requests == []


def test_a_folder_is_refused(command: Command, account: Sandbox, tmp_path: Path) -> None:
    ran = command("import", "profiles", tmp_path)
    assert ran.code == 2
    assert "is a folder" in ran.error["message"]


def test_no_file_at_all_is_a_wrong_use(command: Command) -> None:
    ran = command("import", "profiles")
    assert ran.code == 2
    assert "no FILE is given" in ran.error["message"]


def test_files_are_checked_before_credentials_are_asked_for(command: Command) -> None:
    assert command("import", "profiles", "missing.csv").code == 2


def test_progress_names_each_job_and_ends_with_what_was_done(
    command: Command, account: Sandbox, users: Path
) -> None:
    ran = command("import", "profiles", users)
    (job,) = account.jobs
    assert ran.err.splitlines() == [
        f"import/profiles: accepted as job {job}",
        ran.err.splitlines()[-1],
    ]
    assert re.fullmatch(
        r"read 2 rows, .*; sent 2 rows, .*; ingested 2 rows, [\d,]+ rows/s",
        ran.err.splitlines()[-1],
    )


def test_quiet_shows_no_progress(command: Command, account: Sandbox, users: Path) -> None:
    assert command("import", "profiles", users, "--quiet").err == ""


def test_progress_stays_off_stdout(command: Command, account: Sandbox, users: Path) -> None:
    assert len(command("import", "profiles", users, "-o", "csv").out.splitlines()) == 2


def test_a_time_limit_ends_the_wait_and_names_what_to_go_on_with(
    command: Command, monkeypatch: pytest.MonkeyPatch, users: Path
) -> None:
    with Sandbox(job_seconds=math.inf) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        ran = command("import", "profiles", users, "--timeout", "0.05")
        (job,) = sandbox.jobs
    assert (ran.code, ran.error["type"]) == (5, "JobPending")
    assert "appcues-async jobs wait TOKEN" in ran.error["message"]
    assert "still running; go on with: appcues-async jobs wait TOKEN..." in ran.err
    tokens = [shlex.split(line) for line in ran.err.splitlines() if line.startswith("'")]
    assert [json.loads(token)["job_id"] for (token,) in tokens] == [job]


@pytest.mark.parametrize("limit", ["90", "90s", "15m", "2h", "1d", "0.5"])
def test_a_time_limit_has_units(
    command: Command, account: Sandbox, users: Path, limit: str
) -> None:
    assert command("import", "profiles", users, "--timeout", limit).code == 0


@pytest.mark.parametrize("limit", ["soon", "-1", "5 parsecs", "nan", "", "1e9", "٣"])
def test_a_time_limit_that_is_none_is_refused(
    command: Command, account: Sandbox, users: Path, limit: str
) -> None:
    ran = command("import", "profiles", users, f"--timeout={limit}")
    assert ran.code == 2
    assert account.requests == []


def test_an_embedded_sandbox_needs_no_account(command: Command, users: Path) -> None:
    ran = command("import", "profiles", users, "--sandbox", "--no-wait")
    assert ran.code == 0


def test_the_embedded_sandbox_takes_no_profile(command: Command, users: Path) -> None:
    ran = command("import", "profiles", users, "--sandbox", "--profile", "eu")
    assert ran.code == 2
    assert "exclude each other" in ran.error["message"]
