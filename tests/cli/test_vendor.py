"""What those expect who come from the vendor's command."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from appcues_async.cli.limits import LimitsEcho
from appcues_async.notices import Limits, ReplyReceived
from appcues_async.sandbox import Answer, Sandbox
from tests.cli.conftest import Command, posts
from tests.cli.test_segments import Terminal, make

QUESTION = {"columns": ["name"], "start_time": "2026-01-01", "end_time": "2026-02-01"}


def test_status_says_whose_account_it_is_and_where(command: Command, account: Sandbox) -> None:
    row = command("status", "-o", "json").json
    assert (row["account_id"], row["origin"]) == ("sandbox-account", account.url)
    assert (row["from"], row["may_read"]) == ("the environment", True)
    assert [one.path.rpartition("/")[2] for one in account.requests] == ["tags"]


def test_status_names_the_profile(command: Command, account: Sandbox) -> None:
    given = {name: str(value) for name, value in account.credentials.items()}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    command("profiles", "add", "eu", *words)
    assert "profile eu" in command("status", "--profile", "eu").out


@pytest.mark.parametrize("status", [400, 401, 403])
def test_credentials_that_do_not_work_are_exit_code_3(
    command: Command, account: Sandbox, status: int
) -> None:
    account.faults.add(Answer(status))
    ran = command("status")
    assert (ran.code, ran.error["status"]) == (3, status)
    assert account.url in ran.error["message"]
    assert "its own region" in ran.error["message"]


def test_a_segment_is_named_by_an_option_as_well(command: Command, account: Sandbox) -> None:
    command("segments", "create", "--name", "Pros")
    assert [one.name for one in account.segments.values()] == ["Pros"]


@pytest.mark.parametrize("words", [(), ("Pros", "--name", "Pros")])
def test_a_segment_has_one_name(command: Command, account: Sandbox, words: tuple[str, ...]) -> None:
    assert command("segments", "create", *words).code == 2
    assert account.requests == []


def test_users_are_named_with_commas_between_them(command: Command, account: Sandbox) -> None:
    segment = make(command)
    words = ("--user-ids", "007,-008", "--user-ids", "009")
    assert command("segments", "add-users", segment, *words).code == 0
    assert account.segments[segment].user_ids == {"007", "-008", "009"}
    assert command("segments", "remove-users", segment, "--user-ids", "007").code == 0
    assert account.segments[segment].user_ids == {"-008", "009"}


def test_a_group_takes_users_with_commas_between_them(command: Command, account: Sandbox) -> None:
    command("groups", "add-users", "acme", "--user-ids", "007,008")
    assert account.groups["acme"].user_ids == {"007", "008"}


def test_a_blank_id_between_two_commas_is_rejected(command: Command, account: Sandbox) -> None:
    segment = make(command)
    assert command("segments", "add-users", segment, "--user-ids", "007,,008").code == 6
    assert command("groups", "add-users", "acme", "--user-ids", "007,").code == 2


@pytest.mark.parametrize("words", [(), ("ids.csv", "--user-ids", "007")])
def test_ids_come_from_a_file_or_are_named(
    command: Command, account: Sandbox, ids: Path, words: tuple[str, ...]
) -> None:
    assert command("segments", "add-users", "s1", *words).code == 2
    assert account.requests == []


@pytest.mark.parametrize(
    ("words", "variable", "asked"),
    [(("-i",), None, True), ((), "true", True), ((), "false", False), ((), None, False)],
)
def test_removing_users_asks_where_questions_are_wanted(
    command: Command,
    account: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    variable: str | None,
    asked: bool,
) -> None:
    segment = make(command)
    if variable is not None:
        monkeypatch.setenv("APPCUES_INTERACTIVE", variable)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    ran = command("segments", "remove-users", segment, "--user-ids", "007", *words)
    assert ran.code == (2 if asked else 0)
    assert any("remove_user_ids" in one for one in posts(account)) is not asked


def test_a_profile_may_want_questions(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "home" / ".config" / "appcues" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[profiles.default]\ninteractive = true\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ran = command("segments", "remove-users", "s1", "--user-ids", "007")
    assert "nobody can be asked" in ran.error["message"]


def test_a_variable_that_is_neither_true_nor_false_is_refused(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPCUES_INTERACTIVE", "maybe")
    assert "maybe" in command("segments", "remove-users", "s1", "--user-ids", "7").err


def test_to_ask_and_not_to_ask_are_not_both_possible(command: Command, account: Sandbox) -> None:
    assert command("segments", "delete", "s1", "-i", "--yes").code == 2
    assert account.requests == []


def test_a_rehearsal_asks_nothing(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert command("segments", "delete", "s1", "-i", "--dry-run").code == 0


def test_limits_are_echoed_as_one_line(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "question.json"
    path.write_text(json.dumps(QUESTION), encoding="utf-8")
    ran = command("analytics", "query", path, "--sandbox")
    (line,) = ran.err.splitlines()
    said = json.loads(line)["rate_limit"]
    assert (said["limit"], said["concurrency_used"]) == (60, 0)
    assert command("analytics", "query", path, "--sandbox", "-q").err == ""


def test_the_last_answers_limits_are_echoed(capsys: pytest.CaptureFixture[str]) -> None:
    with LimitsEcho(None) as echo:
        for left in (41, 40):
            limits = Limits({"remaining": left}, rows_truncated=True)
            echo(ReplyReceived("POST", "analytics/query", 200, 1, 0.1, limits))
        echo(ReplyReceived("GET", "flows", 200, 1, 0.1))
    assert capsys.readouterr().err == '{"rate_limit": {"remaining": 40}, "rows_truncated": true}\n'


def test_people_are_told_of_limits_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with LimitsEcho(None) as echo:
        limits = Limits({"remaining": 41, "limit": 60, "concurrency_used": 1})
        echo(ReplyReceived("POST", "analytics/query", 200, 1, 0.1, limits))
    assert capsys.readouterr().err == "41 of 60 requests left\n"
