"""`segments`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from appcues_async.cli.app import run
from appcues_async.sandbox import Sandbox
from tests.cli.conftest import Command, posts


class Terminal(io.StringIO):
    """A stdin that somebody types into."""

    def isatty(self) -> bool:
        return True


def make(command: Command, name: str = "Beta testers") -> str:
    made: str = command("segments", "create", name, "-o", "json").json["id"]
    return made


def test_a_segment_is_made_with_name_and_description(command: Command, account: Sandbox) -> None:
    ran = command("segments", "create", "Beta testers", "--description", "All", "-o", "json")
    (segment,) = account.segments.values()
    assert (segment.name, segment.description) == ("Beta testers", "All")
    assert ran.json["id"] == segment.id


def test_a_segment_without_a_name_is_not_made(command: Command, account: Sandbox) -> None:
    ran = command("segments", "create", " ")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")
    assert account.requests == []


def test_all_segments_are_listed(command: Command, account: Sandbox) -> None:
    made = {make(command, "One"), make(command, "Two")}
    assert {row["id"] for row in command("segments", "list", "-o", "json").json} == made


def test_one_segment_is_shown(command: Command, account: Sandbox) -> None:
    made = make(command)
    ran = command("segments", "get", made, "-o", "json")
    assert (ran.code, ran.json["name"]) == (0, "Beta testers")


def test_an_id_may_begin_with_a_hyphen(command: Command) -> None:
    ran = command("segments", "get", "-MEK2A2q927bUIuhpIFT", "--sandbox", "-o", "json")
    assert (ran.code, ran.json["id"]) == (0, "-MEK2A2q927bUIuhpIFT")


def test_a_wrong_option_does_not_pass_for_an_id(command: Command, account: Sandbox) -> None:
    ran = command("segments", "get", "--sandbx")
    assert (ran.code, ran.error["type"]) == (2, "UsageError")
    assert account.requests == []


def test_only_what_is_given_is_changed(command: Command, account: Sandbox) -> None:
    made = command("segments", "create", "Old", "--description", "Kept", "-o", "json").json["id"]
    assert command("segments", "update", made, "--name", "New").code == 0
    (segment,) = account.segments.values()
    assert (segment.name, segment.description) == ("New", "Kept")


def test_a_change_of_nothing_is_refused(command: Command, account: Sandbox) -> None:
    ran = command("segments", "update", "some-id")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")
    assert account.requests == []


def test_deleting_needs_yes_where_nobody_can_be_asked(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(command)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    ran = command("segments", "delete", made)
    assert ran.code == 2
    assert "--yes" in ran.error["message"]
    assert made in account.segments


def test_yes_deletes_without_asking(command: Command, account: Sandbox) -> None:
    made = make(command)
    ran = command("segments", "delete", made, "--yes", "-o", "json")
    assert ran.json == {"id": made, "deleted": True}
    assert account.segments == {}


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_on_a_terminal_yes_is_asked_for(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    made = make(command)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    ran = command("segments", "delete", made)
    assert ran.err == f"delete segment {made} for good? [y/N] "
    assert account.segments == {}


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yesterday\n"])
def test_any_other_answer_deletes_nothing(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    made = make(command)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert run(["segments", "delete", made]) == 2
    assert made in account.segments


def test_users_of_a_file_are_added(command: Command, account: Sandbox, ids: Path) -> None:
    made = make(command)
    assert command("segments", "add-users", made, ids).code == 0
    assert account.segments[made].user_ids == {"007", "008"}


def test_users_of_a_file_are_removed(command: Command, account: Sandbox, ids: Path) -> None:
    made = make(command)
    account.segments[made].user_ids |= {"007", "009"}
    assert command("segments", "remove-users", made, ids).code == 0
    assert account.segments[made].user_ids == {"009"}


def test_adding_without_waiting_names_the_job(
    command: Command, account: Sandbox, ids: Path
) -> None:
    made = make(command)
    (row,) = command("segments", "add-users", made, ids, "--no-wait", "-o", "json").json["outcomes"]
    assert row["job"]["id"] in account.jobs


def test_a_file_of_several_columns_is_no_list_of_ids(
    command: Command, account: Sandbox, users: Path
) -> None:
    ran = command("segments", "add-users", "some-id", users)
    assert ran.code == 2
    assert account.requests == []


def test_an_unknown_segment_is_told_with_its_status(
    command: Command, account: Sandbox, ids: Path
) -> None:
    ran = command("segments", "add-users", "unknown", ids)
    assert (ran.code, ran.error["type"], ran.error["status"]) == (4, "NotFound", 404)
    assert "REFUSED" in ran.out


def test_the_embedded_sandbox_has_the_segment_that_is_named(command: Command, ids: Path) -> None:
    ran = command("segments", "add-users", "-M1", ids, "--sandbox", "-o", "json")
    assert (ran.code, ran.json["completed"]) == (0, 2)


def test_adding_is_one_upload(command: Command, account: Sandbox, ids: Path) -> None:
    made = make(command)
    command("segments", "add-users", made, ids)
    assert posts(account) == ["segments", f"segments/{made}/add_user_ids"]
