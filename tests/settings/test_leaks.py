"""No secret shows in a repr, a pickle, a message or a frame."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appcues_async.settings import Credentials
from appcues_async.text import Secret
from tests.settings.conftest import (
    KEY,
    SECRET,
    make,
    refusal_of,
    variables,
    write_profiles,
    written_down,
)


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
