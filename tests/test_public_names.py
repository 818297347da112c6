"""The names that users rely on. One that is missing here was taken away from them."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import appcues_async
from appcues_async import errors, settings

PUBLIC = [
    "AppcuesClient",
    "AppcuesError",
    "Attempt",
    "BadRequest",
    "BulkFailed",
    "BulkRun",
    "Checklist",
    "Condition",
    "ConnectionFailed",
    "Delivery",
    "Event",
    "Experience",
    "Flow",
    "Forbidden",
    "InvalidInput",
    "Job",
    "JobError",
    "JobEvent",
    "JobFailed",
    "JobHandle",
    "JobPending",
    "NoDownload",
    "NoTurn",
    "NotFound",
    "Outbox",
    "OutboxFull",
    "OutboxPending",
    "Outcome",
    "OutcomeUnknown",
    "Pace",
    "PollPolicy",
    "Problem",
    "Reject",
    "Reply",
    "ReplyError",
    "Report",
    "RetryPolicy",
    "Rows",
    "RowsFailed",
    "Segment",
    "ServerError",
    "SyncReport",
    "Tag",
    "Throttle",
    "Throttled",
    "Timeouts",
    "Unauthorized",
    "UnexpectedReply",
    "UnsupportedMediaType",
    "where",
]


def test_the_public_names_are_these() -> None:
    assert appcues_async.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(appcues_async, name))


def test_a_star_brings_these_names_and_no_others() -> None:
    brought: dict[str, object] = {}
    exec("from appcues_async import *", brought)
    assert sorted(brought.keys() - {"__builtins__"}) == PUBLIC


def test_every_error_is_public() -> None:
    assert set(errors.__all__) <= set(PUBLIC)


@pytest.mark.parametrize("name", ["Timeouts", "RetryPolicy", "PollPolicy", "Pace"])
def test_what_a_user_can_set_is_public(name: str) -> None:
    assert getattr(appcues_async, name) is getattr(settings, name)


@pytest.mark.parametrize("name", ["Credentials", "Secret"])
def test_what_holds_a_secret_is_not_public(name: str) -> None:
    assert not hasattr(appcues_async, name)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "appcues_async.notices",
            [
                "AttemptFailed",
                "BodySent",
                "JobChanged",
                "JobStarted",
                "Listener",
                "Notice",
                "PauseBegan",
                "PauseEnded",
                "PollFailed",
                "ReplyReceived",
            ],
        ),
        ("appcues_async.sandbox", ["Sandbox"]),
    ],
)
def test_what_is_public_in_a_module_of_its_own_is_there(module: str, names: list[str]) -> None:
    found = importlib.import_module(module)
    assert set(names) <= set(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (Path(appcues_async.__file__).parent / "py.typed").exists()


def test_every_public_name_has_one_home() -> None:
    assert sorted(appcues_async._HOMES) == sorted(appcues_async.__all__)
    assert set(PUBLIC) <= set(dir(appcues_async))


def test_the_package_alone_imports_nothing_heavy() -> None:
    program = (
        "import appcues_async, sys; print({'aiohttp', 'cattrs', 'msgspec'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'AppcuesKlient'"):
        _ = appcues_async.AppcuesKlient  # type: ignore[attr-defined]
