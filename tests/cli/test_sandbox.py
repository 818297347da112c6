"""`sandbox`: a sandbox in another process, steered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appcues_async.sandbox import Answer, Sandbox, Segment
from tests.cli.conftest import Command


@pytest.fixture(autouse=True)
def steered(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox, with its token in the environment."""
    monkeypatch.setenv("APPCUES_SANDBOX_TOKEN", account.token)
    return account


def test_a_fault_is_added(command: Command, steered: Sandbox) -> None:
    details = ["status=503", "applied=true", "--path", "/flows", "--times", "0", "--method", "get"]
    assert command("sandbox", "fault", "answer", *details).code == 0
    (fault,) = steered.faults.instructions
    assert fault.fault == Answer(503, applied=True)
    assert (fault.method, fault.times) == ("GET", None)


def test_faults_are_listed_and_cleared(command: Command, steered: Sandbox) -> None:
    steered.faults.add(Answer(500))
    ran = command("sandbox", "faults", "-o", "json")
    assert [(one["kind"], one["hits"]) for one in json.loads(ran.out)] == [("answer", 0)]
    assert command("sandbox", "clear-faults").code == 0
    assert steered.faults.instructions == []


def test_the_clock_moves(command: Command, steered: Sandbox) -> None:
    before = steered.time()
    assert command("sandbox", "clock", "3600").code == 0
    assert steered.time() - before >= 3600


def test_data_is_put_in_shown_and_forgotten(
    command: Command, steered: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "seed.json"
    path.write_text('{"profiles": {"007": {"plan": "pro"}}, "segments": {"vip": ["007"]}}')
    assert command("sandbox", "seed", str(path)).code == 0
    assert isinstance(steered.segments["vip"], Segment)
    held = json.loads(command("sandbox", "state").out)
    assert held["profiles"] == {"007": {"plan": "pro"}}
    assert command("sandbox", "reset").code == 0
    assert steered.profiles == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fault", "earthquake"], "`kind` must be one of amend, answer"),
        (["fault", "answer", "503"], "write it as KEY=VALUE"),
        (["fault", "answer", "status=99"], "must be >= 100"),
        (["clock", "1e300"], "100 years"),
        (["seed", "nowhere.json"], "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    command: Command, arguments: list[str], message: str
) -> None:
    ran = command("sandbox", *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_a_wrong_token_is_a_configuration_error(command: Command) -> None:
    ran = command("sandbox", "reset", "--token", "wrong")
    assert ran.code == 3
    assert "has another token" in ran.err


def test_a_token_that_no_header_can_hold_is_a_usage_error(command: Command) -> None:
    ran = command("sandbox", "--token", "two words")
    assert ran.code == 2
    assert "token must be printable" in ran.err


@pytest.mark.parametrize("name", ["APPCUES_SANDBOX_TOKEN", "APPCUES_BASE_URL"])
def test_without_address_or_token_both_are_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    ran = command("sandbox", "state")
    assert ran.code == 2
    assert "APPCUES_BASE_URL and APPCUES_SANDBOX_TOKEN" in ran.err
