"""`flows`, `experiences`, `checklists`, `tags` and `screenshots`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from zipfile import ZipFile

import pytest

from appcues_async.sandbox import Answer, Sandbox
from tests.cli.conftest import Command

TYPES = ["pins", "mobile", "launchpads", "banners", "flows-v2", "embeds", "nps"]
SHELVES = [("flows",), ("checklists",), *(("experiences", kind) for kind in TYPES)]


def with_words(verb: str, shelf: tuple[str, ...]) -> list[str]:
    noun, *rest = shelf
    return [noun, verb, *rest]


@pytest.mark.parametrize("shelf", SHELVES, ids=" ".join)
def test_all_of_a_kind_are_listed(
    command: Command, account: Sandbox, shelf: tuple[str, ...]
) -> None:
    ran = command(*with_words("list", shelf), "-o", "json")
    assert (ran.code, len(ran.json)) == (0, 2)
    assert account.requests[0].path.endswith(f"/{shelf[-1]}")


@pytest.mark.parametrize("shelf", SHELVES, ids=" ".join)
def test_one_of_a_kind_is_shown_and_published_and_unpublished(
    command: Command, account: Sandbox, shelf: tuple[str, ...]
) -> None:
    one = command(*with_words("list", shelf), "-o", "json").json[1]["id"]
    for verb, published in (("publish", True), ("unpublish", False)):
        ran = command(*with_words(verb, shelf), one, "-o", "json")
        assert ran.json == {"id": one, "published": published}
        shown = command(*with_words("get", shelf), one, "-o", "json").json
        assert (shown["id"], shown["published"]) == (one, published)


def test_an_unknown_type_of_experience_is_a_wrong_use(command: Command, account: Sandbox) -> None:
    ran = command("experiences", "list", "popups")
    assert (ran.code, ran.error["type"]) == (2, "UsageError")
    assert '"pins"' in ran.error["message"]
    assert account.requests == []


def test_an_unknown_flow_is_exit_code_4(command: Command, account: Sandbox) -> None:
    assert command("flows", "publish", "unknown").error["status"] == 404


def test_tags_are_listed_and_shown(command: Command, account: Sandbox) -> None:
    listed = command("tags", "list", "-o", "json").json
    assert [tag["id"] for tag in listed] == ["tag1", "tag2"]
    assert command("tags", "get", "tag2", "-o", "json").json == listed[1]


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["flows", "list"], "flows"),
        (["flows", "get", "flow1"], "flows/flow1"),
        (["users", "get-profile", "007"], "users/007/profile"),
        (["users", "list-events", "007"], "users/007/events"),
        (["segments", "list"], "segments"),
        (["jobs", "list"], "jobs"),
    ],
    ids=str,
)
def test_csv_has_the_columns_of_the_servers_own_csv(
    command: Command, account: Sandbox, users: Path, words: list[str], path: str
) -> None:
    command("segments", "create", "Beta testers")
    command("import", "profiles", users, "--quiet")
    command("users", "track-event", "007", "Paid", "method=visa", "amount:=3")
    ours = [*csv.reader(io.StringIO(command(*words, "-o", "csv").out))]
    theirs = [*csv.reader(io.StringIO(command("request", "GET", path, "--accept", "text/csv").out))]
    assert set(ours[0]) == set(theirs[0])
    assert len(ours) == len(theirs)


def test_pictures_are_written_to_a_file(command: Command, account: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    ran = command("screenshots", "download", "flow1", path, "-o", "json")
    assert ran.json == {"id": "flow1", "file": str(path), "bytes": path.stat().st_size}
    assert ZipFile(path).testzip() is None


def test_a_folder_that_is_not_there_is_a_wrong_use(command: Command, account: Sandbox) -> None:
    ran = command("screenshots", "download", "flow1", "nowhere/pictures.zip")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")


def test_a_name_does_not_steer_the_terminal(command: Command, account: Sandbox) -> None:
    account.flows["flow1"].name = "\x1b[2Jgone"
    assert "\\x1b[2Jgone" in command("flows", "list").out


def test_an_answer_that_is_no_list_is_exit_code_5(command: Command, account: Sandbox) -> None:
    account.faults.add(
        Answer(200, body="3", headers={"Content-Type": "application/json"}), times=None
    )
    assert command("tags", "list").error["type"] == "UnexpectedReply"
