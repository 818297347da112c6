"""What the README shows is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pytest_plugin.conftest import PLUGIN

pytest_plugins = ["pytester"]
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks_with(text: str = "") -> list[str]:
    """The README's Python blocks that hold `text`."""
    found = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [block for block in found if text in block]


TESTS = blocks_with("def test_")
PROGRAMS = [block for block in blocks_with("asyncio.run(") if block not in TESTS]


def test_every_python_block_is_a_program_a_web_app_or_tests() -> None:
    assert len(PROGRAMS) + len(blocks_with("app = ")) + len(TESTS) == len(blocks_with())


def test_its_tests_pass(pytester: pytest.Pytester) -> None:
    (tests,) = TESTS
    pytester.makepyfile(tests)
    pytester.runpytest_subprocess(*PLUGIN, "-p", "no:asyncio").assert_outcomes(passed=3)


def test_the_first_program_has_at_most_15_lines() -> None:
    assert len(PROGRAMS[0].strip().splitlines()) <= 15


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_runs_as_it_stands(number: int, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: PLW1510 - its own words say more than its exit code
        [sys.executable, "-W", "error", "-c", PROGRAMS[number]],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert done.stdout
