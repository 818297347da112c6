"""`users`, `groups` and `activity`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from appcues_async.sandbox import JobPlan, Sandbox
from tests.cli.conftest import Command


def file_of(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "given.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON on stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"plan": "pro"}')))


def test_a_profile_is_shown(command: Command, account: Sandbox) -> None:
    account.profiles["007"] = {"plan": "pro", "year": 2024}
    assert command("users", "get-profile", "007", "-o", "json").json == account.profiles["007"]


def test_a_number_of_a_profile_is_shown_as_it_is(command: Command, account: Sandbox) -> None:
    account.profiles["007"] = {"year": 2024}
    assert command("users", "get-profile", "007").out == "year  2024\n"


def test_what_is_given_with_an_equals_sign_stays_text(command: Command, account: Sandbox) -> None:
    command("users", "update-profile", "007", "zip=00501", "vip=true", "formula=a=b", "empty=")
    assert account.profiles["007"] == {"zip": "00501", "vip": "true", "formula": "a=b", "empty": ""}


def test_what_is_given_with_a_colon_is_json(command: Command, account: Sandbox) -> None:
    command("users", "update-profile", "007", "seats:=3", "vip:=true", "boss:=null", 'name:="A"')
    assert account.profiles["007"] == {"seats": 3, "vip": True, "boss": None, "name": "A"}


@pytest.mark.parametrize("pair", ["plan", "=pro", ":=3", "seats:=3x", "seats:=NaN", "tags:=[1]"])
def test_what_is_no_attribute_is_refused(command: Command, account: Sandbox, pair: str) -> None:
    ran = command("users", "update-profile", "007", pair)
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")
    assert account.requests == []


def test_an_attribute_that_is_given_twice_is_refused(command: Command, account: Sandbox) -> None:
    assert "twice" in command("users", "update-profile", "007", "a=1", "a=2").error["message"]


def test_attributes_of_a_file_are_sent_and_pairs_go_before_them(
    command: Command, account: Sandbox, tmp_path: Path
) -> None:
    path = file_of(tmp_path, {"plan": "free", "seats": 3})
    command("users", "update-profile", "007", "plan=pro", "--json", path)
    assert account.profiles["007"] == {"plan": "pro", "seats": 3}


@pytest.mark.usefixtures("typed")
def test_a_hyphen_reads_stdin(command: Command, account: Sandbox) -> None:
    command("users", "update-profile", "007", "--json", "-")
    assert account.profiles["007"] == {"plan": "pro"}


@pytest.mark.parametrize("content", [[1], "text", 3])
def test_json_that_is_no_object_is_refused(
    command: Command, account: Sandbox, tmp_path: Path, content: object
) -> None:
    ran = command("users", "update-profile", "007", "--json", file_of(tmp_path, content))
    assert ran.code == 2
    assert "must hold an object" in ran.error["message"]


def test_a_missing_file_of_json_is_refused(command: Command, account: Sandbox) -> None:
    assert command("users", "update-profile", "007", "--json", "missing.json").code == 2


def test_an_update_of_nothing_is_refused(command: Command, account: Sandbox) -> None:
    assert command("users", "update-profile", "007").code == 2
    assert account.requests == []


def test_a_deleted_profile_is_gone_when_the_command_is_done(
    command: Command, account: Sandbox
) -> None:
    account.profiles["007"] = {"plan": "pro"}
    ran = command("users", "delete-profile", "007", "--yes", "-o", "json")
    assert (ran.code, ran.json["outcomes"][0]["status"]) == (0, "COMPLETED")
    assert account.profiles == {}


def test_deleting_a_profile_without_waiting_names_its_job(
    command: Command, account: Sandbox
) -> None:
    account.plan_next_job(JobPlan(seconds=3600))
    ran = command("users", "delete-profile", "007", "--yes", "--no-wait", "-o", "json")
    assert ran.json["outcomes"][0]["job"]["id"] in account.jobs


def test_deleting_a_profile_needs_yes_where_nobody_can_be_asked(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert "--yes" in command("users", "delete-profile", "007").error["message"]
    assert account.requests == []


def test_a_tracked_event_is_in_the_list_with_its_attributes(
    command: Command, account: Sandbox
) -> None:
    moment = "2026-01-02T03:04:05+00:00"
    words = ("users", "track-event", "007", "Paid", "by=visa", "amount:=3", "--timestamp", moment)
    assert command(*words).code == 0
    (event,) = command("users", "list-events", "007", "-o", "json").json
    assert (event["name"], event["timestamp"]) == ("Paid", moment)
    assert event["attributes"] == {"by": "visa", "amount": 3}


def test_events_are_listed_in_the_zone_and_number_asked_for(
    command: Command, account: Sandbox
) -> None:
    for hour in ("01", "02"):
        moment = f"2026-01-02T{hour}:00:00Z"
        command("users", "track-event", "007", "Paid", "--timestamp", moment)
    words = ("users", "list-events", "007", "--limit", "1", "--time-zone", "-04:00")
    assert "2026-01-01 22:00:00-04:00" in command(*words).out
    assert parse_qs(account.requests[-1].query) == {"limit": ["1"], "time_zone": ["-04:00"]}


def test_a_reserved_name_is_refused(command: Command, account: Sandbox) -> None:
    assert command("users", "track-event", "007", "appcues:x").code == 2


def test_a_group_has_the_profile_that_it_is_given(command: Command, account: Sandbox) -> None:
    command("groups", "update-profile", "acme", "plan=pro", "seats:=40")
    ran = command("groups", "get-profile", "acme", "-o", "json")
    assert ran.json == {"plan": "pro", "seats": 40}


def test_users_are_put_into_a_group(command: Command, account: Sandbox) -> None:
    ran = command("groups", "add-users", "acme", "007", "-008", "-o", "json")
    assert ran.json == {"id": "acme", "ids": 2}
    assert account.groups["acme"].user_ids == {"007", "-008"}


@pytest.mark.parametrize("content", ["user_id\n007\n008\n", "007\n\n 008\n", '"007"\n"008"\n'])
def test_users_of_a_file_are_put_into_a_group(
    command: Command, account: Sandbox, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "ids"
    path.write_text(content, encoding="utf-8")
    assert command("groups", "add-users", "acme", "--file", path).code == 0
    assert account.groups["acme"].user_ids == {"007", "008"}


@pytest.mark.parametrize("words", [[], ["007", "--file", "ids.csv"], ["--file", "missing.csv"]])
def test_ids_come_one_way_or_the_other(
    command: Command, account: Sandbox, ids: Path, words: list[str]
) -> None:
    assert command("groups", "add-users", "acme", *words).code == 2
    assert account.requests == []


def test_a_file_of_several_columns_holds_no_ids(
    command: Command, account: Sandbox, users: Path
) -> None:
    assert command("groups", "add-users", "acme", "--file", users).code == 2


def test_a_later_line_of_several_columns_is_no_id(
    command: Command, account: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("007\n008,pro\n", encoding="utf-8")
    ran = command("groups", "add-users", "acme", "--file", path)
    assert "line 2, has 2 columns" in ran.error["message"]


def test_activity_records_events_and_a_profile(command: Command, account: Sandbox) -> None:
    words = ("--event", "Signed up", "--event", "Paid", "plan=pro", "seats:=3")
    ran = command("activity", "record", "007", *words, "-o", "json")
    assert ran.json == {"user_id": "007", "events": 2, "attributes": 2}
    assert [event["name"] for event in account.events] == ["Signed up", "Paid"]
    assert account.profiles["007"] == {"plan": "pro", "seats": 3}


def test_activity_of_a_file_is_sent(command: Command, account: Sandbox, tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        {"request_id": "r1", "events": [{"name": "Paid"}], "profile_update": {"plan": "free"}},
    )
    command("activity", "record", "007", "--json", path, "plan=pro")
    assert account.profiles["007"] == {"plan": "pro"}
    assert json.loads(account.requests[0].body or b"")["request_id"] == "r1"


def test_activity_shows_no_credentials(command: Command, account: Sandbox) -> None:
    command("activity", "record", "007", "plan=pro")
    assert "Authorization" not in account.requests[0].headers


@pytest.mark.parametrize("content", [{"event": []}, {"events": {}}, {"profile_update": []}])
def test_activity_of_another_shape_is_refused(
    command: Command, account: Sandbox, tmp_path: Path, content: object
) -> None:
    ran = command("activity", "record", "007", "a=b", "--json", file_of(tmp_path, content))
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")
    assert account.requests == []


def test_activity_of_nothing_is_refused(command: Command, account: Sandbox) -> None:
    assert command("activity", "record", "007").code == 2
