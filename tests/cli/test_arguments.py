"""Help, versions and typing errors."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version

import pytest

from appcues_async.cli.app import app
from tests.cli.conftest import Command, Ran, commands

COMMANDS = [*commands()]


def example_of(ran: Ran) -> list[str]:
    """The words of the example in a command's help, without the command's own name."""
    shown = re.search(r"Example: appcues-async (.*?) ╭", " ".join(ran.out.split()))
    assert shown is not None
    return shlex.split(shown[1])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example_of_it(
    command: Command, words: tuple[str, ...]
) -> None:
    ran = command(*words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert tuple(example_of(ran)[: len(words)]) == words


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_example_of_every_command_can_be_typed(
    command: Command, words: tuple[str, ...]
) -> None:
    app.parse_args(example_of(command(*words, "--help")), exit_on_error=False, print_error=False)


def test_the_help_lists_every_noun(command: Command) -> None:
    out = command("--help").out
    for noun, *_ in COMMANDS:
        assert f"│ {noun} " in out


def test_the_version_is_the_packages(command: Command) -> None:
    assert command("--version").out.strip() == version("appcues-async")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("imprt", "profiles", "users.csv"), '"import"'),
        (("import", "profils", "users.csv"), '"profiles"'),
        (("segments", "lst"), '"list"'),
        (("segments", "list", "--profil", "eu"), "--profile"),
    ],
)
def test_a_typing_error_is_answered_with_what_was_meant(
    command: Command, words: tuple[str, ...], near: str
) -> None:
    ran = command(*words)
    assert (ran.code, ran.error["type"], ran.out) == (2, "UsageError", "")
    assert f"Did you mean {near}" in ran.error["message"]


def test_a_usage_error_is_one_line_that_names_the_help(command: Command) -> None:
    ran = command("segments", "get")
    assert len(ran.err.splitlines()) == 1
    assert ran.error["message"].endswith("Try: appcues-async segments get --help")


def test_an_unknown_form_of_output_is_refused(command: Command) -> None:
    ran = command("segments", "list", "-o", "xml")
    assert ran.code == 2
    assert '"table", "json", "csv"' in ran.error["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("sandbox", "--port", "65536"),
        ("sandbox", "--port", "-1"),
        ("sandbox", "--rate-limit", "0.5"),
        ("sandbox", "--rate-limit", "nan"),
        ("sandbox", "--job-seconds", "-1"),
        ("demo", "--users", "1"),
        ("demo", "--events", "1"),
        ("demo", "--rate-limit", "-1"),
        ("demo", "--job-seconds", "nan"),
    ],
    ids=" ".join,
)
def test_a_number_out_of_range_is_refused(command: Command, words: tuple[str, ...]) -> None:
    ran = command(*words)
    assert (ran.code, ran.error["type"]) == (2, "UsageError")
