"""The program in the guide."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.guide.pages import CLUSTERS


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_program_in_the_guide_runs(tmp_path: Path) -> None:
    (block,) = CLUSTERS
    # Dask warns of machines that are busy: what it says on stderr is left to it.
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1,000 accepted" in done.stdout
    assert (tmp_path / "night.db").exists()
