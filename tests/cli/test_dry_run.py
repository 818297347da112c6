"""`--dry-run`: what would be sent is shown, and nothing is sent."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from appcues_async.sandbox import Sandbox
from tests.cli.conftest import Command, copies

JOB = "75d59048-7961-419b-95e2-018c708bdfe5"
ROUTE = "v2/accounts/sandbox-account"
SENDING = [
    (("flows", "list"), "GET", "flows"),
    (("flows", "publish", "a/b"), "POST", "flows/a%2Fb/publish"),
    (("experiences", "unpublish", "pins", "1"), "POST", "pins/1/unpublish"),
    (("checklists", "get", "1"), "GET", "checklists/1"),
    (("tags", "get", "1"), "GET", "tags/1"),
    (("segments", "create", "Beta"), "POST", "segments"),
    (("segments", "update", "-M1", "--name", "New"), "PATCH", "segments/-M1"),
    (("segments", "delete", "1"), "DELETE", "segments/1"),
    (("segments", "add-users", "1", "ids.csv"), "POST", "segments/1/add_user_ids"),
    (("users", "get-profile", "007"), "GET", "users/007/profile"),
    (("users", "update-profile", "007", "a=b"), "PATCH", "users/007/profile"),
    (("users", "delete-profile", "007"), "DELETE", "users/007/profile"),
    (("users", "list-events", "007"), "GET", "users/007/events?limit=100"),
    (("users", "track-event", "007", "Paid"), "POST", "users/007/events"),
    (("groups", "add-users", "acme", "007"), "POST", "groups/acme/users"),
    (("import", "profiles", "users.csv"), "POST", "import/profiles"),
    (("exports", "events", "--start", "2026-01-01"), "POST", "export/events"),
    (("analytics", "query", "q.json"), "POST", "analytics/query"),
    (("analytics", "export", "q.json", "--download", "x"), "POST", "analytics/exports"),
    (("screenshots", "download", "1", "x.zip"), "GET", "screenshots/1"),
    (("jobs", "list"), "GET", "jobs"),
    (("jobs", "wait", JOB), "GET", f"jobs/{JOB}"),
    (("jobs", "wait", JOB, "2"), "GET", "jobs"),
    (("jobs", "download", JOB, "x"), "GET", f"jobs/{JOB}"),
    (("request", "PUT", "tags"), "PUT", "tags"),
]


@pytest.mark.parametrize(("words", "method", "path"), SENDING, ids=str)
def test_the_request_is_shown_and_nothing_is_sent(
    command: Command,
    account: Sandbox,
    users: Path,
    ids: Path,
    words: tuple[str, ...],
    method: str,
    path: str,
) -> None:
    Path("q.json").write_text("{}", encoding="utf-8")
    ran = command(*words, "--dry-run", "-o", "json")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "nothing was sent")
    (request,) = ran.json
    assert (request["method"], request["url"]) == (method, f"{account.url}/{ROUTE}/{path}")
    assert account.requests == []


def test_activity_is_rehearsed_on_its_own_server(command: Command, account: Sandbox) -> None:
    (request,) = command("activity", "record", "007", "a=b", "--dry-run", "-o", "json").json
    path = "/v1/accounts/sandbox-account/users/007/activity"
    assert request["url"] == f"{account.url}{path}"
    assert request["body"] == {"profile_update": {"a": "b"}}


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_no_credentials_are_shown(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("APPCUES_LEGACY_API_KEY", account.legacy_api_key)
    for words in (("gdpr", "delete", "007"), ("flows", "list")):
        ran = command(*words, "--dry-run", "-o", form)
        assert ran.code == 0
        assert "Authorization" not in ran.out
        assert "secret" not in ran.out
        assert account.legacy_api_key not in ran.out


def test_a_small_body_is_shown_whole(command: Command, account: Sandbox, users: Path) -> None:
    out = command("import", "profiles", users, "--dry-run").out
    assert out.splitlines() == [
        f"POST {account.url}/{ROUTE}/import/profiles",
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate",
        "Content-Type: text/csv",
        "",
        "user_id,plan",
        "007,pro",
        "008,free",
    ]


def test_of_a_large_body_its_size_and_first_row_are_shown(
    command: Command, account: Sandbox, users: Path
) -> None:
    users.write_text("user_id,plan\n" + "007,pro\n" * 1000, encoding="utf-8")
    out = command("import", "profiles", users, "--dry-run").out
    assert out.splitlines()[5:] == ["user_id,plan", "007,pro", "... 8,013 bytes in all"]


def test_of_a_file_upload_the_file_is_shown_and_not_the_form_around_it(
    command: Command, account: Sandbox, users: Path
) -> None:
    with users.open("wb") as file:
        file.write(b"user_id,plan\n")
        for _ in range(21):
            file.write(b"007,pro\n" * 125_000)
    (request,) = command(
        "import", "profiles", users, "--dry-run", "--chunk-bytes", "100MB", "-o", "json"
    ).json
    assert request["headers"]["Content-Type"].startswith("multipart/form-data")
    assert request["body"] == "user_id,plan\n007,pro"
    assert request["rows"] == 2_625_000
    assert request["bytes"] > 21_000_000


def test_each_of_several_uploads_is_shown(command: Command, account: Sandbox, users: Path) -> None:
    ran = command("import", "profiles", *copies(users, 3), "--dry-run", "-o", "json")
    assert len(ran.json) == 3


def test_a_body_of_json_is_json(command: Command, account: Sandbox) -> None:
    words = ("users", "update-profile", "007", "seats:=3", "--dry-run", "-o", "json")
    assert command(*words).json[0]["body"] == {"seats": 3}


def test_a_rehearsal_is_csv_too(command: Command, account: Sandbox) -> None:
    (row,) = csv.DictReader(io.StringIO(command("tags", "list", "--dry-run", "-o", "csv").out))
    assert (row["method"], row["headers.Accept"]) == ("GET", "application/json")


def test_what_is_refused_is_refused_in_a_rehearsal(command: Command, account: Sandbox) -> None:
    ran = command("users", "track-event", "007", "appcues:x", "--dry-run")
    assert (ran.code, ran.out) == (2, "")


def test_a_rehearsal_works_in_a_sandbox(command: Command) -> None:
    assert command("tags", "list", "--sandbox", "--dry-run").code == 0
