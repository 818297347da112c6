"""The program in the guide, on a cluster of real processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appcues_async.sandbox import Sandbox
from tests.cluster.dask_processes import DaskProcesses
from tests.guide.pages import text_of


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_program_in_the_guide_runs(tmp_path: Path) -> None:
    found = re.search(r"^```py\n(.*?)^```$", text_of("cluster"), re.DOTALL | re.MULTILINE)
    assert found is not None
    cluster = DaskProcesses(tmp_path, 3)
    with Sandbox() as sandbox:
        # Workers take their credentials from the environment that they are started in.
        before = dict(os.environ)
        os.environ.update(sandbox.environment)
        try:
            cluster.start()
            program = found[1].replace("tcp://scheduler:8786", cluster.address)
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        finally:
            os.environ.clear()
            os.environ.update(before)
            cluster.stop()
        assert done.returncode == 0, done.stderr
        assert len(sandbox.profiles) == 1_000
    assert "1,000 accepted" in done.stdout
