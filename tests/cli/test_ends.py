"""How a command ends that is stopped, or that nobody reads."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appcues_async.sandbox import JobPlan, Sandbox
from tests.cli.conftest import posts
from tests.cli.test_process import MODULE, on_a_terminal
from tests.conftest import wait_until


def start(*words: str | Path, **options: int) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*MODULE, *map(str, words)], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def shell(line: str) -> tuple[int, str, str]:
    ran = subprocess.run(
        ["/bin/sh", "-c", line], check=False, capture_output=True, text=True, timeout=20
    )
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("words", [("import", "profiles"), ("jobs", "wait")], ids=" ".join)
def test_a_signal_leaves_the_tokens_of_what_still_runs(
    account: Sandbox, users: Path, words: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    account.plan_next_job(JobPlan(seconds=60))
    given: str | Path = users
    if words == ("jobs", "wait"):
        with start("import", "profiles", users, "--no-wait", "-o", "json") as first:
            given = json.loads(first.communicate()[0])["outcomes"][0]["job"]["id"]
    with start(*words, given, "-q") as process:
        wait_until(lambda: sum("/jobs" in one.path for one in account.requests) > 0)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    (job,) = account.jobs
    assert process.returncode == code
    assert "still running; go on with: appcues-async jobs wait" in err
    assert job in err
    assert json.loads(err.splitlines()[-1])["exit_code"] == code


WHILE_IMPORTING = """
import os, sys

class Signals:
    def find_spec(self, name, path=None, target=None):
        if name == "cyclopts":
            os.kill(os.getpid(), int(sys.argv[1]))

sys.meta_path.insert(0, Signals())
from appcues_async.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_command_that_is_still_being_imported(
    number: signal.Signals, code: int
) -> None:
    words = [sys.executable, "-c", WHILE_IMPORTING, str(int(number))]
    ran = subprocess.run(words, check=False, capture_output=True, timeout=20)
    assert (ran.returncode, ran.stderr) == (code, b"")


@pytest.mark.long
def test_a_signal_that_is_ignored_stays_ignored(account: Sandbox) -> None:
    watch = shlex.join([*MODULE, "jobs", "watch", "--idle", "--every", "1s"])
    process = subprocess.Popen(["/bin/sh", "-c", f"trap '' HUP; exec {watch}"])
    wait_until(lambda: bool(account.requests))
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == 0


def test_ctrl_c_is_the_good_end_of_watching(account: Sandbox) -> None:
    with start("jobs", "watch", "--every", "1s") as process:
        wait_until(lambda: len(account.requests) > 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("id")


@pytest.mark.parametrize("fails", [False, True])
def test_who_stops_reading_changes_no_exit_code(account: Sandbox, users: Path, fails: bool) -> None:
    if fails:
        account.fail_next_job("Disk full")
    read, write = os.pipe()
    os.close(read)
    with start("import", "profiles", users, stdout=write) as process:
        os.close(write)
        _, err = process.communicate(timeout=20)
    assert process.returncode == (6 if fails else 0)
    assert "BrokenPipe" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_a_report_that_cannot_be_written_is_an_error(account: Sandbox) -> None:
    with Path("/dev/full").open("wb") as full, start("flows", "list", stdout=full.fileno()) as run:
        _, err = run.communicate(timeout=20)
    assert run.returncode == 1
    assert "cannot be written: No space left" in json.loads(err)["message"]


@pytest.mark.long
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_the_table_goes_out_where_stderr_fails(account: Sandbox, users: Path) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        start("import", "profiles", users, stderr=full.fileno()) as process,
    ):
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "2 accepted, 2 completed" in out
    assert len(posts(account)) == 1


def test_on_a_terminal_an_error_is_words(account: Sandbox) -> None:
    code, written = on_a_terminal(*MODULE, "flows", "get", "nobody")
    assert code == 4
    assert written.startswith("Error: GET flows/{flow_id}: 404 ")
    assert "{" not in written.partition("}")[2]


def test_on_a_terminal_a_missing_extra_is_words() -> None:
    code = "import sys; sys.modules['rich'] = None; from appcues_async.__main__ import main; main()"
    ended, written = on_a_terminal(sys.executable, "-c", code)
    assert ended == 2
    assert written.startswith("Error: the command line needs rich; run: pip install")


@pytest.mark.long
@pytest.mark.parametrize("words", ["import profiles {users} -q", "segments list -o csv"])
def test_a_stdout_that_is_closed_is_an_error(account: Sandbox, users: Path, words: str) -> None:
    command = shlex.join([*MODULE, *words.format(users=users).split()])
    code, _, err = shell(f"{command} >&-")
    assert code == 1
    assert "cannot be written: Bad file descriptor" in json.loads(err)["message"]


@pytest.mark.long
def test_without_any_stream_a_command_does_its_work(account: Sandbox, users: Path) -> None:
    command = shlex.join([*MODULE, "import", "profiles", str(users), "-q"])
    assert shell(f"{command} <&- >&- 2>&-")[0] == 1
    assert len(posts(account)) == 1
