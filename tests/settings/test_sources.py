"""Settings come from the environment first, then from a profile of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async.settings import (
    Credentials,
)
from tests.settings.conftest import (
    DEFAULT,
    KEY,
    SECRET,
    refusal_of,
    variables,
    write_profiles,
)


def test_from_env_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(ENV="prod-eu").items():
        monkeypatch.setenv(name, value)
    credentials = Credentials.from_env()
    assert credentials.account_id == "222"
    assert credentials.api_key == KEY
    assert credentials.api_secret == SECRET
    assert credentials.origin == "https://api.eu.appcues.com"


def test_without_a_word_on_it_the_environment_is_prod() -> None:
    assert Credentials.from_env(variables()).origin == "https://api.appcues.com"


@pytest.mark.parametrize("env", ["prod-eu", "PROD-EU", "Prod-Eu"])
def test_the_environment_is_named_in_any_case_as_by_the_vendors_command(env: str) -> None:
    assert Credentials.from_env(variables(ENV=env)).origin == "https://api.eu.appcues.com"


def test_another_environment_is_refused_and_the_message_names_both() -> None:
    message = str(refusal_of(lambda: Credentials.from_env(variables(ENV="staging"))))
    assert message == "APPCUES_ENV (env in a profile) is 'staging'; it must be prod or prod-eu"


def test_the_home_of_the_profile_file_is_the_users(home: Path) -> None:
    write_profiles(home, DEFAULT)
    assert Credentials.from_env({}).account_id == "111"


def test_what_the_environment_does_not_set_comes_from_the_default_profile(home: Path) -> None:
    write_profiles(home, DEFAULT)
    credentials = Credentials.from_env({"APPCUES_API_KEY": "another-key"})
    assert credentials.account_id == "111"
    assert credentials.api_key == "another-key"
    assert credentials.api_secret == "default-secret"


def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(home: Path) -> None:
    write_profiles(home, "\ufeff" + DEFAULT.lstrip())
    assert Credentials.from_profile("default").account_id == "111"


def test_an_empty_variable_counts_as_not_set(home: Path) -> None:
    write_profiles(home, DEFAULT)
    assert Credentials.from_env(variables(API_KEY="")).api_key == "default-key"


def test_the_profile_variable_names_the_profile(home: Path) -> None:
    write_profiles(home, DEFAULT + DEFAULT.replace("default", "other").replace("111", "333"))
    assert Credentials.from_env({"APPCUES_PROFILE": "other"}).account_id == "333"


def test_a_profile_variable_that_names_none_is_refused_with_those_there_are(home: Path) -> None:
    write_profiles(home, DEFAULT)
    message = str(refusal_of(lambda: Credentials.from_env(variables(PROFILE="eu"))))
    assert message == (
        "there is no profile 'eu' in ~/.config/appcues/config.toml; there are: default"
    )


URLS = {
    "variable": "http://127.0.0.1:1",
    "profile": "http://127.0.0.1:2",
    "us": "https://api.appcues.com",
    "eu": "https://api.eu.appcues.com",
}


@pytest.mark.parametrize(
    ("url_variable", "url_in_profile", "env_variable", "env_in_profile", "expected"),
    [
        (True, True, "prod-eu", "prod-eu", "variable"),
        (True, False, "prod-eu", "prod-eu", "variable"),
        (False, True, "prod-eu", "prod-eu", "profile"),
        (False, True, "prod-eu", None, "profile"),
        (False, False, "prod-eu", "prod", "eu"),
        (False, False, "prod", "prod-eu", "us"),
        (False, False, None, "prod-eu", "eu"),
        (False, False, None, None, "us"),
    ],
)
def test_the_server_is_the_url_variable_or_the_profiles_url_or_env_variable_or_the_profiles_env(
    home: Path,
    url_variable: bool,
    url_in_profile: bool,
    env_variable: str | None,
    env_in_profile: str | None,
    expected: str,
) -> None:
    profile = DEFAULT
    if url_in_profile:
        profile += f'base_url = "{URLS["profile"]}"\n'
    if env_in_profile:
        profile += f'env = "{env_in_profile}"\n'
    write_profiles(home, profile)
    changes = {"BASE_URL": URLS["variable"]} if url_variable else {}
    if env_variable:
        changes["ENV"] = env_variable
    assert Credentials.from_env(variables(**changes)).origin == URLS[expected]


def test_missing_variables_are_named_with_the_other_way_to_give_them() -> None:
    message = str(refusal_of(lambda: Credentials.from_env({"APPCUES_API_KEY": KEY})))
    assert message == (
        "the environment gives no account_id, api_secret; set APPCUES_ACCOUNT_ID, "
        "APPCUES_API_SECRET or add a profile to ~/.config/appcues/config.toml"
    )


def test_a_user_without_a_home_has_no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert Credentials.from_env(variables()).account_id == "222"


def test_a_home_whose_config_is_a_file_has_no_profiles(home: Path) -> None:
    (home / ".config").write_text("")
    assert Credentials.from_env(variables()).account_id == "222"


def test_from_profile_reads_one_profile_and_no_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(home, DEFAULT + 'env = "prod-eu"\n')
    for name, value in variables(BASE_URL=URLS["variable"]).items():
        monkeypatch.setenv(name, value)
    credentials = Credentials.from_profile("default")
    assert credentials.account_id == "111"
    assert credentials.api_key == "default-key"
    assert credentials.origin == "https://api.eu.appcues.com"


def test_from_profile_reads_another_file_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text(DEFAULT)
    assert Credentials.from_profile("default", path).account_id == "111"


def test_a_profile_may_hold_what_only_the_vendors_command_knows(home: Path) -> None:
    write_profiles(home, DEFAULT + 'interactive = true\ntools_base_url = "http://localhost:1"\n')
    assert Credentials.from_profile("default").account_id == "111"


def test_a_profile_that_is_not_there_is_refused_with_the_file_and_those_there_are(
    home: Path,
) -> None:
    message = str(refusal_of(lambda: Credentials.from_profile("eu")))
    assert message == "there is no profile 'eu' in ~/.config/appcues/config.toml; there are: none"


def test_an_incomplete_profile_is_refused_with_the_file_to_mend(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text('[profiles.eu]\naccount_id = "1"\n')
    message = str(refusal_of(lambda: Credentials.from_profile("eu", path)))
    assert message == (f"profile 'eu' gives no api_key, api_secret; add what is missing to {path}")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("account_id = 5", "account_id is 5; it must be text"),
        ("api_key = 5", "api_key is an int; it must be text"),
        ("base_url = 5", "base_url is an int; give it as https://"),
        (
            "env = 5",
            "APPCUES_ENV (env in a profile) is 5; it must be prod or prod-eu",
        ),
        (
            'env = ["prod"]',
            "APPCUES_ENV (env in a profile) is ['prod']; it must be prod or prod-eu",
        ),
        (
            'env = "us"',
            "APPCUES_ENV (env in a profile) is 'us'; it must be prod or prod-eu",
        ),
    ],
)
def test_a_profiles_value_of_the_wrong_kind_is_refused_by_name(
    home: Path, line: str, rule: str
) -> None:
    name = line.partition(" ")[0]
    kept = [one for one in DEFAULT.splitlines() if not one.startswith(name)]
    write_profiles(home, "\n".join([*kept, line]))
    assert rule in str(refusal_of(lambda: Credentials.from_profile("default")))


def test_a_file_that_is_no_toml_is_refused_with_the_place_and_without_the_line(home: Path) -> None:
    write_profiles(home, f"[profiles.default]\napi_secret = {SECRET}\n")
    message = str(refusal_of(lambda: Credentials.from_env(variables())))
    assert message == (
        "~/.config/appcues/config.toml is not valid TOML (at line 2, column 14); "
        "correct it, or add the profile anew"
    )


def test_a_file_that_is_no_text_is_refused(home: Path) -> None:
    write_profiles(home, "").write_bytes(b"\xff\xfe[\x00")
    assert "is not valid TOML" in str(refusal_of(lambda: Credentials.from_profile("eu")))


def test_a_file_nested_without_end_is_refused(home: Path) -> None:
    write_profiles(home, "x = " + "[" * 100_000)
    assert "is not valid TOML" in str(refusal_of(lambda: Credentials.from_profile("eu")))


@pytest.mark.parametrize("text", ['profiles = "x"', "profiles = [1]", '[profiles]\neu = "x"'])
def test_a_file_without_tables_of_profiles_is_refused(home: Path, text: str) -> None:
    write_profiles(home, text)
    message = str(refusal_of(lambda: Credentials.from_profile("eu")))
    assert "has no [profiles.NAME] tables" in message


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(home: Path) -> None:
    write_profiles(home, "").unlink()
    (home / ".config" / "appcues" / "config.toml").mkdir()
    message = str(refusal_of(lambda: Credentials.from_profile("eu")))
    assert message == "~/.config/appcues/config.toml cannot be read: Is a directory"
