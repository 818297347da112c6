"""Settings refuse what is unfit where it is made, and keep secrets to themselves."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async.errors import InvalidInput
from appcues_async.settings import (
    Credentials,
    Pace,
    PollPolicy,
    RetryPolicy,
    Secret,
    Timeouts,
    origin_of,
)

KEY, SECRET = "k3y-of-mine", "s3cret-of-mine"

DEFAULT = """
[profiles.default]
account_id = "111"
api_key = "default-key"
api_secret = "default-secret"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test, and an environment without Appcues in it."""
    for name in ("ACCOUNT_ID", "API_KEY", "API_SECRET", "BASE_URL", "ENV", "PROFILE"):
        monkeypatch.delenv(f"APPCUES_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write_profiles(home: Path, text: str) -> Path:
    file = home / ".config" / "appcues" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def make(**changes: Any) -> Credentials:
    return Credentials.of(**{"account_id": "123", "api_key": KEY, "api_secret": SECRET, **changes})


def variables(**changes: str) -> dict[str, str]:
    """An environment that is complete, with some variables changed."""
    complete = {"ACCOUNT_ID": "222", "API_KEY": KEY, "API_SECRET": SECRET}
    return {f"APPCUES_{name}": value for name, value in (complete | changes).items()}


def refusal_of(make_it: Callable[[], object]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        make_it()
    return caught.value


def written_down(error: BaseException) -> str:
    """What a tracker of errors sees: the message, and the variables of each frame but the test's."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    told = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    context = error.__context__
    return "".join(told.format()) + ("" if context is None else written_down(context))


# --- numbers -------------------------------------------------------------------------------------


def test_defaults_are_as_documented() -> None:
    assert attrs.astuple(Timeouts()) == (10, 60, 60, 86_400, 15)
    assert attrs.astuple(RetryPolicy()) == (5, 0.5, 20, 60, 600)
    assert attrs.astuple(PollPolicy()) == (0.5, 1, 15, 5)
    assert Pace().rate == 50


UNFIT_SECONDS: list[Any] = [
    -1,
    float("nan"),
    float("inf"),
    float("-inf"),
    10**400,
    "10",
    None,
    True,
    b"1",
    1 + 0j,
]
SETTINGS = [
    *((Timeouts, field) for field in ("connect", "idle", "budget", "wait")),
    *((RetryPolicy, field) for field in ("base", "cap", "max_retry_after")),
    *((PollPolicy, field) for field in ("first", "low", "high", "grace")),
    (Pace, "rate"),
]


@pytest.mark.parametrize("value", UNFIT_SECONDS, ids=lambda value: str(value)[:10])
@pytest.mark.parametrize(("cls", "name"), SETTINGS)
def test_a_number_that_is_none_or_not_finite_is_refused(
    cls: Callable[..., object], name: str, value: Any
) -> None:
    error = refusal_of(lambda: cls(**{name: value}))
    assert f".{name} is {value!r}; it must be a finite number" in str(error)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Timeouts, "connect"),
        (Timeouts, "idle"),
        (Timeouts, "budget"),
        (Timeouts, "wait"),
        (PollPolicy, "low"),
        (PollPolicy, "high"),
        (Pace, "rate"),
    ],
)
def test_zero_is_refused_where_nothing_could_happen_in_it(
    cls: Callable[..., object], name: str
) -> None:
    assert "above 0" in str(refusal_of(lambda: cls(**{name: 0})))


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (RetryPolicy, "base"),
        (RetryPolicy, "cap"),
        (RetryPolicy, "max_retry_after"),
        (PollPolicy, "first"),
        (PollPolicy, "grace"),
    ],
)
def test_zero_is_taken_where_it_means_at_once(cls: Callable[..., object], name: str) -> None:
    assert getattr(cls(**{name: 0}), name) == 0


@pytest.mark.parametrize("attempts", [0, -1, 1.5, 2.0, "2", True, None])
def test_attempts_are_a_whole_number_of_at_least_one(attempts: Any) -> None:
    message = str(refusal_of(lambda: RetryPolicy(attempts=attempts)))
    assert message == (
        f"RetryPolicy.attempts is {attempts!r}; it must be a whole number of at least 1"
    )


def test_one_attempt_means_never_again() -> None:
    assert RetryPolicy(attempts=1).attempts == 1


def test_the_longest_pause_between_looks_is_not_below_the_shortest() -> None:
    message = str(refusal_of(lambda: PollPolicy(low=2, high=1)))
    assert message == "PollPolicy.high is 1; it must be at least low, 2"


def test_equal_pauses_between_looks_are_fine() -> None:
    assert PollPolicy(low=2, high=2).high == 2


def test_settings_do_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Timeouts().connect = 1  # type: ignore[misc]


def test_a_setting_that_was_changed_is_checked_again() -> None:
    refusal_of(lambda: attrs.evolve(Pace(), rate=0))


# --- the server's address ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "origin"),
    [("us", "https://api.appcues.com"), ("eu", "https://api.eu.appcues.com")],
)
def test_each_region_has_its_server(region: str, origin: str) -> None:
    assert make(region=region).origin == origin


@pytest.mark.parametrize("region", ["US", "prod-eu", "", None, 1])
def test_another_region_is_refused_and_the_message_names_both(region: Any) -> None:
    message = str(refusal_of(lambda: make(region=region)))
    assert message == f"region is {region!r}; it must be 'us' or 'eu'"


def test_a_base_url_wins_over_the_region() -> None:
    assert make(region="eu", base_url="http://127.0.0.1:1").origin == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://api.appcues.com", "https://api.appcues.com"),
        ("https://api.appcues.com/", "https://api.appcues.com"),
        ("https://api.appcues.com//", "https://api.appcues.com"),
        ("HTTPS://API.Appcues.com", "https://api.appcues.com"),
        ("https://api.appcues.com:443", "https://api.appcues.com"),
        ("https://api.appcues.com:", "https://api.appcues.com"),
        ("https://api.appcues.com:8443", "https://api.appcues.com:8443"),
        ("https://api.appcues.com?", "https://api.appcues.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ("https://bücher.example", "https://bücher.example"),
    ],
)
def test_one_server_has_one_origin_however_it_is_written(base_url: str, origin: str) -> None:
    assert origin_of(base_url) == origin


@pytest.mark.parametrize(
    ("base_url", "rule"),
    [
        ("", "no http(s) address"),
        ("api.appcues.com", "no http(s) address"),
        ("//api.appcues.com", "no http(s) address"),
        ("https:///v2", "no http(s) address"),
        ("https://:443", "no http(s) address"),
        ("ftp://api.appcues.com", "no http(s) address"),
        ("https://api.appcues.com:99999", "is no address"),
        ("https://api.appcues.com:port", "is no address"),
        ("https://[::1", "is no address"),
        ("https://api.appcues.com/v2", "beyond the host"),
        ("https://api.appcues.com?x=1", "beyond the host"),
        ("https://api.appcues.com#x", "beyond the host"),
        ("https://api.appcues.com ", "holds what no host can"),
        (" https://api.appcues.com", "holds what no host can"),
        ("https://api.appcues.com\n", "holds what no host can"),
        ("https://api. appcues.com", "holds what no host can"),
        ("https://api.appcues.com\\.example.com", "holds what no host can"),
        ("https://api.appcues.com%2eexample.com", "holds what no host can"),
        ("https://api.appcues.com\u200b", "holds what no host can"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_form_it_should_have(
    base_url: str, rule: str
) -> None:
    message = str(refusal_of(lambda: origin_of(base_url)))
    assert rule in message
    assert repr(base_url) in message
    assert "give it as https://host[:port]" in message


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.appcues.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1.",
        "http://127.0.0.256",
        "http://127.1",
        "http://localhost.example.com",
        "http://0.0.0.0:8080",
        "http://192.168.0.1",
        "http://[::2]",
    ],
)
def test_http_is_for_loopback_only(base_url: str) -> None:
    message = str(refusal_of(lambda: origin_of(base_url)))
    assert "would send credentials unencrypted" in message
    assert "use https" in message


@pytest.mark.parametrize(
    "base_url",
    [
        f"https://{KEY}:{SECRET}@api.appcues.com",
        f"https://{KEY}@api.appcues.com",
        f"https://{KEY}:{SECRET}/@api.appcues.com",
        f"https://{KEY}:{SECRET}@[bad",
        f"{KEY}:{SECRET}@api.appcues.com",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_quoted(base_url: str) -> None:
    message = str(refusal_of(lambda: origin_of(base_url)))
    assert "holds credentials" in message
    assert KEY not in message
    assert SECRET not in message


@pytest.mark.parametrize("base_url", [5, b"https://api.appcues.com", ["https://x"], Path("x")])
def test_an_address_that_is_no_text_is_refused(base_url: Any) -> None:
    message = str(refusal_of(lambda: make(base_url=base_url)))
    assert f"base_url is a {type(base_url).__name__}" in message


@given(st.text())
def test_no_text_makes_the_check_of_addresses_fail_otherwise(base_url: str) -> None:
    try:
        origin = origin_of(base_url)
    except InvalidInput:
        return
    assert origin_of(origin) == origin


# --- who -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("account_id", ["123", "a-B_9", "x" * 128])
def test_account_ids_are_taken_as_they_are(account_id: str) -> None:
    assert make(account_id=account_id).account_id == account_id


@pytest.mark.parametrize("account_id", ["", "a/b", "..", "a b", "é", "1\n", "x" * 129, 123, None])
def test_an_account_id_that_could_lead_elsewhere_is_refused(account_id: Any) -> None:
    message = str(refusal_of(lambda: make(account_id=account_id)))
    assert f"account_id is {account_id!r}; it must be text of letters, digits" in message
    assert "Appcues Studio" in message


@pytest.mark.parametrize("name", ["api_key", "api_secret"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "is empty; create a key"),
        ("two words", "holds a space, a line break or a control character"),
        ("line\n", "holds a space, a line break or a control character"),
        ("\tx", "holds a space, a line break or a control character"),
        ("x\x00", "holds a space, a line break or a control character"),
        (None, "is a NoneType; it must be text"),
        (12345, "is a int; it must be text"),
        (b"bytes", "is a bytes; it must be text"),
    ],
)
def test_a_malformed_key_or_secret_is_refused_and_not_quoted(
    name: str, value: Any, rule: str
) -> None:
    message = str(refusal_of(lambda: make(**{name: value})))
    assert message.startswith(f"{name} {rule}")
    assert not value or str(value) not in message


def test_a_key_and_secret_in_one_are_refused_with_how_to_give_them() -> None:
    message = str(refusal_of(lambda: make(api_key=f"{KEY}:{SECRET}")))
    assert message == "api_key holds ':'; give key and secret apart, as api_key and api_secret"


def test_a_secret_may_hold_a_colon() -> None:
    assert make(api_secret="a:b").authorization == "Basic azN5LW9mLW1pbmU6YTpi"


def test_the_authorization_is_http_basic() -> None:
    credentials = make(api_key="Aladdin", api_secret="opensesame")
    assert credentials.authorization == "Basic QWxhZGRpbjpvcGVuc2VzYW1l"


def test_the_authorization_is_of_utf_8() -> None:
    credentials = make(api_key="test", api_secret="123£")
    assert credentials.authorization == "Basic dGVzdDoxMjPCow=="


# --- nothing leaks -------------------------------------------------------------------------------


@pytest.mark.parametrize("show", [repr, str, ascii, "{!r}".format, "{}".format, "%s".__mod__])
def test_credentials_do_not_show_themselves(show: Callable[[object], str]) -> None:
    assert show(make()) == "Credentials(account_id='123', origin='https://api.appcues.com')"


def test_a_secret_does_not_show_itself_inside_of_other_things() -> None:
    assert repr({"key": [Secret(KEY)]}) == "{'key': ['***']}"


def test_a_secret_is_the_text_that_it_is() -> None:
    assert Secret(KEY) == KEY
    assert f"{Secret(KEY)}" == KEY


def test_the_authorization_does_not_show_itself() -> None:
    assert repr(make().authorization) == "'***'"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_credentials_refuse_to_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(make(), protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_credentials_refuse_to_be_copied(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        duplicate(make())


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "mars"},
        {"account_id": "a/b"},
        {"base_url": "http://api.appcues.com"},
        {"api_key": f"{KEY}:{SECRET}"},
        {"api_secret": f"{SECRET} "},
    ],
)
def test_a_refusal_shows_no_secret_in_the_variables_of_its_frames(changes: dict[str, Any]) -> None:
    shown = written_down(refusal_of(lambda: make(**changes)))
    assert "InvalidInput" in shown
    assert KEY not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"ENV": "mars"},
        {"ACCOUNT_ID": ""},
        {"PROFILE": "other"},
        {"API_KEY": f"{KEY} "},
        {"BASE_URL": "http://api.appcues.com"},
    ],
)
def test_a_refused_environment_shows_no_secret_in_the_variables_of_its_frames(
    changes: dict[str, str],
) -> None:
    environment = variables(**changes)
    shown = written_down(refusal_of(lambda: Credentials.from_env(environment)))
    assert "InvalidInput" in shown
    assert KEY not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "text",
    [
        f'[profiles.eu]\napi_key = "{KEY}"\napi_secret = {SECRET}\n',
        f'[profiles.eu]\napi_key = "{KEY}\n',
        f'profiles = "{SECRET}"\n',
        f'[profiles]\neu = "{SECRET}"\n',
        f'[profiles.eu]\napi_key = "{KEY}"\napi_secret = "{SECRET}"\n',
        f'[profiles.eu]\naccount_id = "1"\napi_key = "{KEY}"\napi_secret = "{SECRET}"\nenv = 5\n',
        f'[profiles.us]\napi_key = "{KEY}"\napi_secrets = "{SECRET}"\n',
    ],
)
def test_a_refused_profile_shows_no_secret_in_the_variables_of_its_frames(
    home: Path, text: str
) -> None:
    write_profiles(home, text)
    shown = written_down(refusal_of(lambda: Credentials.from_profile("eu")))
    assert "InvalidInput" in shown
    assert KEY not in shown
    assert SECRET not in shown


# --- the environment and the profile file --------------------------------------------------------


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
    assert message == "the Appcues environment is 'staging'; it must be prod or prod-eu"


def test_the_home_of_the_profile_file_is_the_users(home: Path) -> None:
    write_profiles(home, DEFAULT)
    assert Credentials.from_env({}).account_id == "111"


def test_what_the_environment_does_not_set_comes_from_the_default_profile(home: Path) -> None:
    write_profiles(home, DEFAULT)
    credentials = Credentials.from_env({"APPCUES_API_KEY": "another-key"})
    assert credentials.account_id == "111"
    assert credentials.api_key == "another-key"
    assert credentials.api_secret == "default-secret"


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
        ("api_key = 5", "api_key is a int; it must be text"),
        ("base_url = 5", "base_url is a int; give it as https://"),
        ("env = 5", "the Appcues environment is 5; it must be prod or prod-eu"),
        ('env = ["prod"]', "the Appcues environment is ['prod']; it must be prod or prod-eu"),
        ('env = "us"', "the Appcues environment is 'us'; it must be prod or prod-eu"),
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
