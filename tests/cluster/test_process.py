"""Whether a process is known to be dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from attrs import evolve

from appcues_async.cluster.process import Process, is_dead, this_process


def test_a_process_is_dead_once_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        here = this_process()
        seen = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        process = Process(here.place, child.pid, seen[19])
        assert is_dead(process) is False
        child.kill()
        child.wait()
    assert is_dead(process) is True


def test_a_process_of_another_machine_is_not_taken_for_dead() -> None:
    assert is_dead(Process("elsewhere", 1, "1")) is None
    assert is_dead(Process("", 1, "1")) is None


def test_another_process_with_the_same_number_is_another() -> None:
    here = this_process()
    assert is_dead(here) is False
    assert is_dead(evolve(here, started="1")) is True
