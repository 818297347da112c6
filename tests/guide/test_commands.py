"""The commands that README and guide show exist, with the options that they are given."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
import yaml
from cyclopts import CycloptsError

from appcues_async.cli.app import app
from tests.guide.pages import blocks


def shown() -> Iterator[list[str]]:
    """The arguments of each `appcues-async` in a block of console."""
    for block in blocks("console"):
        lines = block.text.replace("\\\n", " ").splitlines()
        for line in lines:
            if line.startswith("$ "):
                yield from commands_of(line[2:])


def commands_of(line: str) -> Iterator[list[str]]:
    """The commands of this package in a line of the shell."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    part: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set("|&;<>"):
            if "appcues-async" in part:
                yield part[part.index("appcues-async") + 1 :]
            part = []
        else:
            part.append(word)


def kubernetes() -> Iterator[list[str]]:
    """The arguments of each `appcues-async` in a container of Kubernetes."""
    for block in blocks("yaml"):
        job = yaml.safe_load(block.text)
        assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        volumes = {one["name"] for one in pod["volumes"]}
        for container in pod["containers"]:
            assert {one["name"] for one in container["volumeMounts"]} == volumes
            assert container["command"] == ["sh", "-c"]
            (line,) = container["args"]
            yield from commands_of(line)


COMMANDS = [*shown(), *kubernetes()]


def parse(words: list[str]) -> None:
    """Takes the arguments of a command apart, without running it."""
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    # Where any number of files may stand, an option that is none is taken for one.
    for value in bound.arguments.values():
        for one in value if isinstance(value, tuple) else [value]:
            if str(one).startswith("--"):
                raise CycloptsError(msg=f"no option: {one}")


def test_commands_are_shown() -> None:
    assert len(COMMANDS) > 10
    (nightly,) = kubernetes()
    assert nightly[:2] == ["import", "events"]
    assert nightly[nightly.index("--journal") + 1].startswith("/state/")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_takes_what_it_is_shown_with(words: list[str]) -> None:
    parse(words)


@pytest.mark.parametrize(
    "line", ["jobs lst", "jobs list --jsn", "import profiles a.csv --chek full"]
)
def test_what_is_no_command_would_be_found_out(line: str) -> None:
    with pytest.raises(CycloptsError):
        parse(line.split())
