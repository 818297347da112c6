"""`exports`, `analytics` and `jobs download`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appcues_async.cli.conditions import conditions_of
from appcues_async.errors import InvalidInput
from appcues_async.sandbox import Sandbox
from tests.cli.conftest import Command

EXPORT = ("exports", "events", "--email", "harriet@example.com", "--start", "2026-01-01")
PAID = {"user_id": "007", "name": "Paid", "timestamp": "2026-01-02T00:00:00Z", "attributes": {}}


@pytest.fixture
def linking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A server whose export jobs show a link to the file."""
    with Sandbox(rate_limit=None, export_links=True) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        sandbox.events.append(dict(PAID))
        yield sandbox


def body_of(sandbox: Sandbox) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sandbox.requests[0].body or b"")
    return body


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """A question to analytics."""
    path = tmp_path / "question.json"
    path.write_text(
        '{"columns": ["name"], "start_time": "2026-01-01", "end_time": "2026-02-01"}',
        encoding="utf-8",
    )
    return path


def test_an_export_is_waited_for(command: Command, account: Sandbox) -> None:
    ran = command(*EXPORT, "-o", "json")
    assert (ran.code, ran.json["outcomes"][0]["status"]) == (0, "COMPLETED")


def test_every_option_of_an_export_is_sent(command: Command, account: Sandbox) -> None:
    command(
        *EXPORT,
        *("--email", "second@example.com", "--format", "json", "--end", "1767312000000"),
        *("--time-zone", "-04:00", "--limit", "10", "--offset", "5"),
        *("--condition", "name like appcues%", "--condition", "nps_feedback is not null"),
    )
    assert body_of(account) == {
        "email": ["harriet@example.com", "second@example.com"],
        "format": "json",
        "conditions": [["name", "like", "appcues%"], ["nps_feedback", "is not null"]],
        "start_time": "2026-01-01",
        "end_time": 1_767_312_000_000,
        "time_zone": "-04:00",
        "limit": 10,
        "offset": 5,
    }


def test_an_export_without_conditions_is_one_of_all_events(
    command: Command, account: Sandbox
) -> None:
    command(*EXPORT)
    assert body_of(account)["conditions"] == []


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("flow_id == a b", ["flow_id", "==", "a b"]),
        ("flow_id != 007", ["flow_id", "!=", "007"]),
        ("name  not  like  a%", ["name", "not like", "a%"]),
        ("name ilike A%", ["name", "ilike", "A%"]),
        ("name in a, b", ["name", "in", ["a", "b"]]),
        ("name not in a", ["name", "not in", ["a"]]),
        ("x is null", ["x", "is null"]),
        ("x is  not null ", ["x", "is not null"]),
    ],
)
def test_a_condition_is_read_from_text(text: str, condition: list[Any]) -> None:
    assert conditions_of([text], None) == [condition]


@pytest.mark.parametrize("text", ["", "name", "name like", "name > 3", "name is", "name is 3"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--condition is"):
        conditions_of([text], None)


def test_conditions_of_json_go_with_those_of_text() -> None:
    assert conditions_of(["a == b"], '[["or", ["c", "==", 1], ["d", "==", 2]]]') == [
        ["or", ["c", "==", 1], ["d", "==", 2]],
        ["a", "==", "b"],
    ]


@pytest.mark.parametrize("raw", ["{}", "[", "3"])
def test_conditions_that_are_no_json_list_are_refused(raw: str) -> None:
    with pytest.raises(InvalidInput, match="--conditions"):
        conditions_of([], raw)


def test_the_file_of_an_export_is_written(
    command: Command, linking: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    ran = command(*EXPORT, "--download", path, "-o", "json")
    assert (ran.code, ran.json["outcomes"][0]["file"]) == (0, str(path))
    assert "Paid" in path.read_text(encoding="utf-8")


def test_an_export_without_a_link_is_exit_code_6(
    command: Command, account: Sandbox, tmp_path: Path
) -> None:
    ran = command(*EXPORT, "--download", tmp_path / "events.csv")
    assert (ran.code, ran.error["type"]) == (6, "NoDownload")
    assert "comes by e-mail" in ran.error["message"]


@pytest.mark.parametrize("command_words", [EXPORT, ("analytics", "export", "-")])
def test_nobody_downloads_without_waiting(
    command: Command, account: Sandbox, command_words: tuple[str, ...]
) -> None:
    ran = command(*command_words, "--no-wait", "--download", "events.csv")
    assert ran.code == 2
    assert account.requests == []


def test_an_export_needs_a_start(command: Command, account: Sandbox) -> None:
    assert command("exports", "events", "--email", "a@b.c").error["type"] == "UsageError"


def test_a_question_is_answered_with_rows(
    command: Command, linking: Sandbox, question: Path
) -> None:
    assert command("analytics", "query", question, "-o", "json").json == [{"name": "Paid"}]


def test_an_answer_that_was_cut_short_says_so(
    command: Command, linking: Sandbox, question: Path
) -> None:
    linking.events.extend(dict(PAID) for _ in range(1000))
    ran = command("analytics", "query", question, "-o", "csv")
    assert len(ran.out.splitlines()) == 1001
    assert "there are more rows" in ran.err


def test_a_question_that_is_no_object_is_refused(
    command: Command, account: Sandbox, question: Path
) -> None:
    question.write_text("[]", encoding="utf-8")
    assert command("analytics", "query", question).code == 2


def test_a_question_is_answered_in_a_file(
    command: Command, linking: Sandbox, question: Path, tmp_path: Path
) -> None:
    path = tmp_path / "answer.ndjson"
    ran = command("analytics", "export", question, "--download", path)
    assert ran.code == 0
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Paid"}


def test_a_file_is_fetched_later_by_the_token_of_its_job(
    command: Command, linking: Sandbox, question: Path, tmp_path: Path
) -> None:
    (row,) = command("analytics", "export", question, "--no-wait", "-o", "json").json["outcomes"]
    assert row["status"] == "queued"
    path = tmp_path / "answer.ndjson"
    ran = command("jobs", "download", row["job"]["token"], path, "-o", "json")
    assert (ran.code, ran.json["outcomes"][0]["file"]) == (0, str(path))
    assert path.stat().st_size > 0


def test_a_link_is_not_shown(command: Command, linking: Sandbox, tmp_path: Path) -> None:
    ran = command(*EXPORT, "--download", tmp_path / "events.csv", "-o", "json")
    assert "/files/" not in ran.out + ran.err
    assert "signed" not in ran.out + ran.err
