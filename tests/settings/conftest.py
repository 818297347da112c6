"""What the tests of settings share."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appcues_async.errors import InvalidInput
from appcues_async.settings import (
    Credentials,
)

KEY, SECRET = "k3y-of-mine", "s3cret-of-mine"

_HERE = Path(__file__).parent

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
    """What a tracker of errors sees: the message, and the variables of each frame outside the tests."""
    frames = error.__traceback__
    while frames is not None and Path(frames.tb_frame.f_code.co_filename).parent == _HERE:
        frames = frames.tb_next
    told = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    context = error.__context__
    return "".join(told.format()) + ("" if context is None else written_down(context))
