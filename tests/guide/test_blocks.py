"""The Python that README and guide show is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.guide.pages import AIRFLOW, CLUSTERS, PROGRAMS, PYTHON, TESTS, WEB_APPS, Block
from tests.pytest_plugin.conftest import PLUGIN

pytest_plugins = ["pytester"]

# Rows that are rejected are warned of, as is meant: all else that is on stderr is an error.
QUIET = """import logging
logging.getLogger("appcues_async").addHandler(logging.NullHandler())
"""


def params(blocks: list[Block]) -> list[Any]:
    """The README's by default; each is a process, and the guide has many."""
    return [
        one if one.page == "README" else pytest.param(one, marks=pytest.mark.long) for one in blocks
    ]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    run = [*PROGRAMS, *WEB_APPS, *TESTS, *AIRFLOW, *CLUSTERS]
    assert [one for one in PYTHON if one not in run] == []
    assert len(run) == len(PYTHON)


def test_the_first_program_has_at_most_15_lines() -> None:
    assert PROGRAMS[0].page == "README"
    assert len(PROGRAMS[0].text.strip().splitlines()) <= 15


@pytest.mark.parametrize("block", params(TESTS), ids=str)
def test_tests_pass(pytester: pytest.Pytester, block: Block) -> None:
    pytester.makepyfile(block.text)
    ran = pytester.runpytest_subprocess(*PLUGIN, "-p", "no:asyncio")
    ran.assert_outcomes(passed=block.text.count("def test_"))


@pytest.mark.parametrize("block", params(PROGRAMS), ids=str)
def test_a_program_runs_as_it_stands(tmp_path: Path, block: Block) -> None:
    done = subprocess.run(  # noqa: PLW1510 - its own words say more than its exit code
        [sys.executable, "-W", "error", "-c", QUIET + block.text],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert done.stdout
