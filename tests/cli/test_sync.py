"""`sync segment` and `sync profiles`: reports, dry runs, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async.sandbox import Answer, Sandbox
from tests.cli.conftest import Command, posts

USERS = "user_id,plan\nu1,pro\nu2,pro\nu3,pro\n"


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.csv"
    path.write_text(USERS, encoding="utf-8")
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_what_changed_is_sent_and_the_report_is_json(
    command: Command, account: Sandbox, users: Path, state: Path
) -> None:
    assert command("sync", "profiles", str(users), "--state", str(state)).code == 0
    users.write_text(USERS.replace("u2,pro", "u2,free"), encoding="utf-8")

    ran = command("sync", "profiles", str(users), "--state", str(state), "-o", "json")

    assert ran.code == 0
    assert {name: ran.json[name] for name in ("unchanged", "changed", "added", "applied")} == {
        "unchanged": 2,
        "changed": 1,
        "added": 0,
        "applied": 1,
    }
    assert account.profiles["u2"] == {"plan": "free"}


def test_the_table_says_it_in_words(
    command: Command, account: Sandbox, users: Path, state: Path
) -> None:
    ran = command("sync", "profiles", str(users), "--state", str(state))

    assert "3 new" in ran.out
    assert "3 rows sent in 1 request, 3 applied" in ran.out


def test_a_segment_is_kept_in_step(
    command: Command, account: Sandbox, state: Path, tmp_path: Path
) -> None:
    account.seed(segments={"-s1": ["elsewhere"]})
    ids = tmp_path / "ids.csv"
    ids.write_text("u1\nu2\nu3\n")
    first = command("sync", "segment", "-s1", str(ids), "--state", str(state))
    ids.write_text("u2\nu4\n")

    second = command("sync", "segment", "-s1", str(ids), "--state", str(state), "-o", "json")

    assert "members that were added elsewhere stay" in first.out
    assert (second.json["added"], second.json["removed"]) == (1, 2)
    assert set(account.segments["-s1"].user_ids) == {"elsewhere", "u2", "u4"}


def test_a_source_that_shrank_is_a_wrong_argument_unless_that_is_allowed(
    command: Command, account: Sandbox, state: Path, tmp_path: Path
) -> None:
    account.seed(segments={"-s1": []})
    ids = tmp_path / "ids.csv"
    ids.write_text("u1\nu2\nu3\n")
    sync = ("sync", "segment", "-s1", str(ids), "--state", str(state))
    assert command(*sync).code == 0
    ids.write_text("u1\n")

    refused = command(*sync)
    allowed = command(*sync, "--allow-shrink")

    assert refused.code == 2
    assert "the last one had 3" in refused.error["message"]
    assert "--allow-shrink" in refused.error["message"]
    assert allowed.code == 0
    assert set(account.segments["-s1"].user_ids) == {"u1"}


def test_a_dry_run_shows_counts_and_samples(
    command: Command, account: Sandbox, users: Path, state: Path
) -> None:
    ran = command("sync", "profiles", str(users), "--state", str(state), "--dry-run")

    assert ran.code == 0
    assert "3 rows would be sent" in ran.out
    assert "added, the first: u1, u2, u3" in ran.out
    assert "nothing was sent" in ran.err
    assert posts(account) == []
    assert not state.exists()


def test_the_missing_are_listed(
    command: Command, account: Sandbox, users: Path, state: Path
) -> None:
    sync = ("sync", "profiles", str(users), "--state", str(state))
    command(*sync)
    users.write_text("user_id,plan\nu2,pro\n", encoding="utf-8")

    ran = command(*sync, "--missing", "report", "-o", "json")

    assert ran.json["missing"] == 2
    assert ran.json["missing_ids"] == ["u1", "u3"]


def test_all_rows_are_sent_with_full(
    command: Command, account: Sandbox, users: Path, state: Path
) -> None:
    sync = ("sync", "profiles", str(users), "--state", str(state))
    command(*sync)

    assert command(*sync, "--full", "-o", "json").json["applied"] == 3


def test_a_failed_job_is_6_and_a_refused_upload_what_it_means(
    command: Command, account: Sandbox, users: Path, state: Path
) -> None:
    sync = ("sync", "profiles", str(users), "--state", str(state))
    account.fail_next_job("out of ink")
    failed = command(*sync)
    account.faults.add(Answer(403), path="import/profiles")
    refused = command(*sync, "-o", "json")
    account.faults.add(Answer(403), path="import/profiles")
    again = command(*sync)

    assert "refused, and sent again next time: 3 rows" in again.out
    assert failed.code == 6
    assert "in doubt, and sent again next time: 3 rows" in failed.out
    assert refused.code == 3
    assert refused.json["in_doubt"] == 3
    assert command(*sync).code == 0


def test_rejected_rows_are_6_unless_only_reported(
    command: Command, account: Sandbox, users: Path, state: Path
) -> None:
    users.write_text(USERS + ",pro\n", encoding="utf-8")
    sync = ("sync", "profiles", str(users), "--state", str(state))

    loud, quiet = command(*sync), command(*sync, "--on-failure", "report")

    assert loud.code == 6
    assert "1 of 4 rows rejected" in loud.error["message"]
    assert quiet.code == 0
    assert set(account.profiles) == {"u1", "u2", "u3"}


def test_a_state_is_needed(command: Command, account: Sandbox, users: Path) -> None:
    ran = command("sync", "profiles", str(users))

    assert ran.code == 2
    assert "--state" in ran.error["message"]
