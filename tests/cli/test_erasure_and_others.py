"""`gdpr`, `request` and `customerio`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from appcues_async.sandbox import Answer, Sandbox
from tests.cli.conftest import Command


@pytest.fixture
def legacy(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """An account of two users, with its Legacy API key in the environment."""
    monkeypatch.setenv("APPCUES_LEGACY_API_KEY", account.legacy_api_key)
    account.profiles.update({"007": {}, "008": {}})
    return account


def test_users_are_erased(command: Command, legacy: Sandbox) -> None:
    ran = command("gdpr", "delete", "007", "--yes", "-o", "json")
    assert ran.json == {"ids": 1, "message": "accepted 1 users for deletion"}
    assert set(legacy.profiles) == {"008"}


def test_users_of_a_file_are_erased(command: Command, legacy: Sandbox, ids: Path) -> None:
    assert command("gdpr", "delete", "--file", ids, "--yes").code == 0
    assert legacy.profiles == {}


def test_erasure_needs_yes_where_nobody_can_be_asked(
    command: Command, legacy: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    ran = command("gdpr", "delete", "007")
    assert (ran.code, set(legacy.profiles)) == (2, {"007", "008"})


def test_erasure_needs_the_legacy_key(command: Command, account: Sandbox) -> None:
    ran = command("gdpr", "delete", "007", "--yes")
    assert ran.code == 3
    assert "APPCUES_LEGACY_API_KEY" in ran.error["message"]
    assert account.requests == []


def test_the_legacy_key_is_taken_from_the_variable_that_is_named(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", account.legacy_api_key)
    words = ("gdpr", "delete", "007", "--yes", "--legacy-api-key-env", "OTHER_KEY")
    assert command(*words).code == 0


def test_a_wrong_legacy_key_is_exit_code_3_and_not_shown(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPCUES_LEGACY_API_KEY", "wrong-key")
    ran = command("gdpr", "delete", "007", "--yes")
    assert (ran.code, ran.error["status"]) == (3, 401)
    assert "wrong-key" not in ran.out + ran.err


def test_the_embedded_sandbox_has_a_legacy_key_of_its_own(command: Command) -> None:
    assert command("gdpr", "delete", "007", "--yes", "--sandbox").code == 0


def test_any_request_is_answered_as_it_comes(command: Command, account: Sandbox) -> None:
    ran = command("request", "GET", "flows/flow1", "--accept", "text/csv")
    assert ran.out.splitlines()[0].startswith("id,name,published,")


def test_a_request_has_its_query_and_body(
    command: Command, account: Sandbox, tmp_path: Path
) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"name": "Beta testers"}', encoding="utf-8")
    ran = command("request", "POST", "segments", "--json", body, "--query", "a=b=c")
    assert ran.json["name"] == "Beta testers"
    assert parse_qs(account.requests[0].query) == {"a": ["b=c"]}


@pytest.mark.parametrize(
    "words",
    [["GET", "/flows"], ["GET", "../x"], ["GET", "flows", "--query", "a"]],
    ids=str,
)
def test_a_request_that_leads_elsewhere_is_refused(
    command: Command, account: Sandbox, words: list[str]
) -> None:
    assert command("request", *words).code == 2
    assert account.requests == []


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A site of Customer.io whose credentials are in the environment."""
    with Sandbox(customerio_rate_limit=None) as sandbox:
        for name, value in sandbox.customerio_credentials.items():
            monkeypatch.setenv(f"CUSTOMERIO_{name.upper()}", str(value))
        yield sandbox


def test_people_are_added_to_a_segment(command: Command, site: Sandbox, ids: Path) -> None:
    ran = command("customerio", "add-customers", "1", ids, "-o", "json")
    assert ran.json == {"segment_id": 1, "ids": 2, "requests": 1, "failed": 0}
    assert site.customerio_segments[1] == {"007", "008"}


def test_people_are_removed_from_a_segment(command: Command, site: Sandbox, ids: Path) -> None:
    site.customerio_segments[1] = {"007", "009"}
    assert command("customerio", "remove-customers", "1", ids).code == 0
    assert site.customerio_segments[1] == {"009"}


def test_the_type_of_the_ids_is_sent(command: Command, site: Sandbox, ids: Path) -> None:
    command("customerio", "add-customers", "1", ids, "--id-type", "email")
    assert site.requests[0].query == "id_type=email"


def test_requests_that_failed_are_told_with_their_ids(
    command: Command, site: Sandbox, ids: Path
) -> None:
    site.faults.add(Answer(400))
    ran = command("customerio", "add-customers", "1", ids)
    assert (ran.code, ran.error["status"]) == (4, 400)
    assert "ids 0 to 1, counted from 0: " in ran.out


def test_a_wrong_key_of_a_site_is_exit_code_3(
    command: Command, site: Sandbox, ids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "wrong")
    assert command("customerio", "add-customers", "1", ids).error["exit_code"] == 3


def test_a_site_without_credentials_is_exit_code_3(command: Command, ids: Path) -> None:
    ran = command("customerio", "add-customers", "1", ids)
    assert ran.code == 3
    assert "CUSTOMERIO_SITE_ID" in ran.error["message"]


def test_a_profile_of_appcues_is_none_of_customerio(command: Command, ids: Path) -> None:
    assert command("customerio", "add-customers", "1", ids, "--profile", "eu").code == 2


def test_the_embedded_sandbox_has_a_site(command: Command, ids: Path) -> None:
    assert command("customerio", "add-customers", "1", ids, "--sandbox").code == 0


def test_a_rehearsal_of_many_ids_shows_a_request_of_them(
    command: Command, site: Sandbox, ids: Path
) -> None:
    ran = command("customerio", "add-customers", "1", ids, "--dry-run", "-o", "json")
    assert ran.json[0]["body"] == {"ids": ["007", "008"]}
    assert site.requests == []
    assert json.dumps(ran.json).count("site-key") == 0
