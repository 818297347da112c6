"""How commands end: exit codes, the one line of JSON, and no secret anywhere."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from appcues_async import AppcuesError, InvalidInput, OutcomeUnknown, UnexpectedReply
from appcues_async.api.segments import Segments
from appcues_async.cli.failures import exit_code_of, failure_of
from appcues_async.recovery.starting import Starter
from appcues_async.sandbox import Answer, JobPlan, Reset, Sandbox
from tests.cli.conftest import Command, copies

LISTING = ("segments", "list")


@pytest.mark.parametrize(
    ("words", "missing"),
    [(["users.csv"], "--state"), (["--state", "users.db"], "FILE")],
)
def test_an_argument_that_is_missing_is_named(
    command: Command, words: list[str], missing: str
) -> None:
    ran = command("sync", "profiles", *words)
    said = f"appcues-async sync profiles needs {missing}, which is missing."
    assert (ran.code, ran.error["message"].startswith(said)) == (2, True)


def test_success_writes_no_error(command: Command, account: Sandbox) -> None:
    ran = command(*LISTING)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 4, "BadRequest"),
        (401, 3, "Unauthorized"),
        (403, 3, "Forbidden"),
        (404, 4, "NotFound"),
        (409, 4, "ReplyError"),
        (415, 4, "UnsupportedMediaType"),
        (429, 5, "Throttled"),
        (500, 5, "ServerError"),
        (503, 5, "ServerError"),
        (307, 5, "UnexpectedReply"),
    ],
)
def test_each_status_has_its_exit_code(
    command: Command, account: Sandbox, status: int, code: int, kind: str
) -> None:
    account.faults.add(Answer(status), times=None)
    error = command(*LISTING).error
    assert (error["exit_code"], error["status"], error["type"]) == (code, status, kind)


def test_a_refusal_for_now_is_no_failure(command: Command, account: Sandbox) -> None:
    account.faults.add(Answer(429), times=2)
    ran = command(*LISTING)
    assert ran.code == 0
    assert len(account.requests) == 3


def test_a_wrong_key_is_exit_code_3(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPCUES_API_KEY", "another-key")
    error = command(*LISTING).error
    assert (error["exit_code"], error["status"]) == (3, 401)


def test_missing_credentials_are_named(command: Command) -> None:
    error = command(*LISTING).error
    assert (error["exit_code"], error["status"]) == (3, None)
    for name in ("APPCUES_ACCOUNT_ID", "APPCUES_API_KEY", "APPCUES_API_SECRET", "--sandbox"):
        assert name in error["message"]


def test_malformed_credentials_are_exit_code_3(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPCUES_API_SECRET", "has a space")
    assert command(*LISTING).code == 3
    assert account.requests == []


def test_an_unknown_profile_is_exit_code_3(command: Command) -> None:
    ran = command(*LISTING, "--profile", "nobody")
    assert ran.code == 3
    assert "nobody" in ran.error["message"]


def test_a_profile_of_the_vendors_file_is_used(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in account.environment:
        monkeypatch.delenv(name)
    file = tmp_path / "home/.config/appcues/config.toml"
    file.parent.mkdir(parents=True)
    lines = [f'{name} = "{value}"' for name, value in account.credentials.items()]
    file.write_text("\n".join(["[profiles.eu]", *lines]), encoding="utf-8")
    assert command(*LISTING, "--profile", "eu").code == 0
    assert len(account.requests) == 1


def test_no_connection_is_exit_code_5(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("APPCUES_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        error = command(*LISTING).error
    assert (error["exit_code"], error["type"]) == (5, "ConnectionFailed")


@pytest.mark.parametrize("given", ["address", "env"])
def test_a_proxy_that_cannot_be_reached_is_named(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("APPCUES_BASE_URL", "https://api.example.invalid")
        ran = command("flows", "list", "--proxy", proxy if given == "address" else "env")
    assert ran.error["exit_code"] == 5
    assert f"the proxy {proxy.removeprefix('http://')}: Connection refused" in ran.error["message"]


def test_a_lost_answer_is_exit_code_5(command: Command, account: Sandbox) -> None:
    account.faults.add(Reset(applied=True), method="POST")
    error = command("users", "track-event", "007", "Paid").error
    assert (error["exit_code"], error["type"]) == (5, "OutcomeUnknown")


def test_a_failed_job_is_exit_code_6(command: Command, account: Sandbox, users: Path) -> None:
    account.fail_next_job("Disk full")
    ran = command("import", "profiles", users)
    assert (ran.code, ran.error["type"]) == (6, "JobFailed")
    assert "Disk full" in ran.error["message"]


def test_rejected_rows_are_exit_code_6(command: Command, account: Sandbox, events: Path) -> None:
    ran = command("import", "events", events)
    assert (ran.code, ran.error["type"]) == (6, "BulkFailed")


def test_failed_requests_are_exit_code_6(command: Command, account: Sandbox, users: Path) -> None:
    account.plan_next_job(JobPlan(requests_failed=1))
    assert command("import", "profiles", users).code == 6


def test_the_table_shows_what_went_wrong_with_each_file(
    command: Command, account: Sandbox, users: Path
) -> None:
    account.plan_next_job(JobPlan(status="FAILED", detail="First"))
    account.plan_next_job(JobPlan(status="FAILED", detail="Second"))
    ran = command("import", "profiles", *copies(users, 2))
    assert "First" in ran.out
    assert "Second" in ran.out


def test_several_failures_are_one_line_that_counts_them(
    command: Command, account: Sandbox, users: Path
) -> None:
    account.plan_next_job(JobPlan(status="FAILED"))
    account.plan_next_job(JobPlan(status="FAILED"))
    ran = command("import", "profiles", *copies(users, 3), "--quiet")
    assert len(ran.err.splitlines()) == 1
    assert ran.error["message"].startswith("2 of 3 chunks did not go well: ")


def test_one_refused_upload_does_not_keep_the_others_from_their_ends(
    command: Command, account: Sandbox, users: Path
) -> None:
    account.faults.add(Answer(400), method="POST")
    ran = command("import", "profiles", *copies(users, 2), "-o", "json")
    assert sorted(row["status"] for row in ran.json["outcomes"]) == ["COMPLETED", "REFUSED"]
    assert (ran.code, ran.error["status"]) == (4, 400)


def test_the_gravest_of_several_failures_decides() -> None:
    failure = failure_of([InvalidInput("bad"), OutcomeUnknown("lost")], 2, "jobs")
    assert failure is not None
    assert (failure.kind, failure.exit_code) == ("OutcomeUnknown", 5)


def test_an_unreadable_answer_says_nothing_of_the_input() -> None:
    assert exit_code_of(UnexpectedReply("?")) == 5


def test_an_error_of_no_known_kind_has_a_code() -> None:
    assert exit_code_of(AppcuesError("?")) == 4


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Segments) -> None:
        raise LookupError("sandbox-secret")

    monkeypatch.setattr(Segments, "list", fail)


@pytest.mark.usefixtures("broken")
def test_the_unexpected_is_exit_code_1_and_one_line(command: Command, account: Sandbox) -> None:
    ran = command(*LISTING)
    assert (ran.code, ran.error["type"]) == (1, "LookupError")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.usefixtures("broken")
def test_the_unexpected_does_not_tell_what_it_says(command: Command, account: Sandbox) -> None:
    assert "sandbox-secret" not in command(*LISTING).err


@pytest.mark.usefixtures("broken")
def test_a_traceback_is_shown_when_it_is_asked_for(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPCUES_DEBUG", "1")
    ran = command(*LISTING)
    assert "Traceback" in ran.err
    assert ran.error["type"] == "LookupError"


def test_the_unexpected_in_one_of_several_uploads_is_called_by_its_name(
    command: Command, account: Sandbox, ids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise LookupError

    monkeypatch.setattr(Starter, "start", fail)
    ran = command("segments", "add-users", "some-id", ids)
    assert (ran.code, ran.error["type"]) == (1, "LookupError")


@pytest.mark.parametrize("status", [400, 401, 404, 503])
def test_no_secret_is_in_any_output(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("APPCUES_DEBUG", "1")
    account.faults.add(Answer(status), times=None)
    ran = command(*LISTING)
    for name in ("api_key", "api_secret"):
        assert account.credentials[name] not in ran.out + ran.err
