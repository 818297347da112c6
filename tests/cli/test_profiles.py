"""`profiles`: saved in the vendor's own file, which loses nothing else."""

from __future__ import annotations

import getpass
import io
import os
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from appcues_async import AppcuesClient
from tests.cli.conftest import Command
from tests.cli.test_segments import Terminal

KEY, SECRET = "key-of-the-account", "secret-of-the-account"
GIVEN = ("--api-key", KEY, "--api-secret", SECRET, "--account-id", "123")
OTHERS = """\
# What I must not forget.
top = 1

[profiles.eu]     # the big one
api_key = "eu-key-eu-key"
api_secret = 'eu-secret-eu'
account_id = "67890"
env = "prod-eu"
interactive = true

[other]
list = [1,
  2]  # kept

[profiles.local]
api_key = "local-key"
api_secret = "local-secret"
account_id = "13579"
base_url = "http://localhost:4000"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the profiles are; the home of these tests is not there yet."""
    return tmp_path / "home" / ".config" / "appcues" / "config.toml"


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")


def saved(file: Path) -> dict[str, dict[str, str]]:
    profiles: dict[str, dict[str, str]] = tomllib.loads(file.read_text("utf-8"))["profiles"]
    return profiles


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))
    monkeypatch.setattr(getpass, "getpass", lambda _: SECRET)


def test_a_profile_is_added_with_the_vendors_keys(command: Command, file: Path) -> None:
    assert command("profiles", "add", "eu", *GIVEN, "--env", "prod-eu").code == 0
    assert saved(file) == {
        "eu": {"api_key": KEY, "api_secret": SECRET, "account_id": "123", "env": "prod-eu"}
    }


def test_a_profile_without_a_name_is_the_one_that_clients_take(
    command: Command, file: Path
) -> None:
    command("profiles", "add", *GIVEN, "--base-url", "http://127.0.0.1:8080")
    assert "account 123 at http://127.0.0.1:8080" in repr(AppcuesClient.from_env())


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_only_its_owner_may_read_the_file(command: Command, file: Path) -> None:
    write(file, OTHERS)
    file.chmod(0o644)
    command("profiles", "add", *GIVEN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


def test_adding_leaves_the_rest_of_the_file_as_it_is(command: Command, file: Path) -> None:
    write(file, OTHERS)
    command("profiles", "add", "new", *GIVEN)
    text = file.read_text("utf-8")
    for line in OTHERS.splitlines():
        assert line in text.splitlines()
    assert saved(file)["new"]["account_id"] == "123"


def test_editing_changes_one_line(command: Command, file: Path) -> None:
    write(file, OTHERS)
    assert command("profiles", "edit", "eu", "--account-id", "99999").code == 0
    assert file.read_text("utf-8") == OTHERS.replace("67890", "99999")


def test_an_empty_base_url_is_taken_out(command: Command, file: Path) -> None:
    write(file, OTHERS)
    command("profiles", "edit", "local", "--base-url", "")
    assert file.read_text("utf-8") == OTHERS.replace('base_url = "http://localhost:4000"\n', "")


def test_removing_takes_out_one_profile(command: Command, file: Path) -> None:
    write(file, OTHERS)
    assert command("profiles", "remove", "local", "--yes").code == 0
    left = tomllib.loads(file.read_text("utf-8"))
    assert (left["top"], left["other"], [*left["profiles"]]) == (1, {"list": [1, 2]}, ["eu"])
    assert "# What I must not forget." in file.read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff[profiles.a]\napi_key = 'k1'\napi_secret = 's1'\naccount_id = '1'\n",
        "profiles = {a = {api_key = 'k1', api_secret = 's1', account_id = '1'}}\n",
        "profiles.a.api_key = 'k1'\nprofiles.a.api_secret = 's1'\nprofiles.a.account_id = '1'\n",
        "[profiles.a]\r\napi_key = 'k1'\r\napi_secret = 's1'\r\naccount_id = '1'\r\n",
    ],
    ids=["BOM", "inline", "dotted", "CRLF"],
)
def test_however_the_file_is_written_it_is_changed_or_left_alone(
    command: Command, file: Path, text: str
) -> None:
    write(file, text)
    before = file.read_bytes()
    ran = command("profiles", "add", "b", *GIVEN)
    if ran.code:
        assert file.read_bytes() == before
    else:
        assert saved(file)["a"] == {"api_key": "k1", "api_secret": "s1", "account_id": "1"}
        assert saved(file)["b"]["api_key"] == KEY
    assert command("profiles", "list", "-o", "json").json[0]["profile"] == "a"


def test_a_link_to_the_file_stays_a_link(command: Command, file: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.toml"
    target.write_text(OTHERS, encoding="utf-8")
    file.parent.mkdir(parents=True)
    file.symlink_to(target)
    command("profiles", "add", "new", *GIVEN)
    assert file.is_symlink()
    assert "new" in tomllib.loads(target.read_text("utf-8"))["profiles"]


def test_a_list_shows_the_beginnings_of_credentials(command: Command, file: Path) -> None:
    write(file, OTHERS)
    rows = command("profiles", "list", "-o", "json").json
    assert rows[0] == {
        "profile": "eu",
        "account_id": "67890",
        "env": "prod-eu",
        "url": "https://api.eu.appcues.com",
        "api_key": "eu-…",
        "api_secret": "eu-…",
    }
    assert rows[1]["url"] == "http://localhost:4000"


def test_no_command_shows_a_credential(command: Command, file: Path) -> None:
    words = [("add", "a", *GIVEN), ("list",), ("edit", "a", "--env", "prod"), ("add", "a", *GIVEN)]
    for some in [*words, ("edit", "a", "--api-key", "with space"), ("remove", "a", "--yes")]:
        ran = command("profiles", *some)
        assert KEY not in ran.out + ran.err
        assert SECRET not in ran.out + ran.err


def test_without_profiles_the_list_is_empty(command: Command) -> None:
    assert command("profiles", "list", "-o", "json").json == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("add", "eu", *GIVEN), 3, "profiles edit eu"),
        (("edit", "us", "--env", "prod"), 3, "there are: eu, local"),
        (("remove", "us", "--yes"), 3, "there are: eu, local"),
        (("edit", "eu"), 2, "nothing is given"),
        (("add", "new", *GIVEN[:4]), 2, "--account-id"),
        (("add", "new", *GIVEN, "--base-url", "http://example.com"), 2, "unencrypted"),
        (("add", " ", *GIVEN), 2, "NAME"),
        (("edit", "eu", "--account-id", "a b"), 2, "account_id"),
        (("add", "new", *GIVEN, "--env", "mars"), 2, "mars"),
    ],
)
def test_what_is_refused_changes_nothing(
    command: Command,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    write(file, OTHERS)
    ran = command("profiles", *words)
    assert (ran.code, file.read_text("utf-8")) == (code, OTHERS)
    assert says in ran.error["message"]


def test_a_damaged_file_is_left_alone_and_not_shown(command: Command, file: Path) -> None:
    write(file, f"[profiles.a]\napi_key = {KEY}\n")
    before = file.read_bytes()
    ran = command("profiles", "add", "b", *GIVEN)
    assert (ran.code, file.read_bytes()) == (2, before)
    assert KEY not in ran.err


def test_on_a_terminal_what_is_left_out_is_asked_for(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, f"{KEY}\n123\nprod-eu\n")
    assert command("profiles", "add").code == 0
    assert saved(file)["default"] == {
        "api_key": KEY,
        "api_secret": SECRET,
        "account_id": "123",
        "env": "prod-eu",
    }


def test_what_is_given_is_not_asked_for(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "\n")
    command("profiles", "add", *GIVEN[:2], *GIVEN[4:])
    assert saved(file)["default"] == {
        "api_key": KEY,
        "api_secret": SECRET,
        "account_id": "123",
    }


@pytest.mark.parametrize(("said", "left"), [("y\n", False), ("n\n", True)])
def test_removing_asks_first(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch, said: str, left: bool
) -> None:
    write(file, OTHERS)
    answer(monkeypatch, said)
    command("profiles", "remove", "eu", "-i")
    assert ("eu" in saved(file)) is left
