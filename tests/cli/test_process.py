"""The command as a process of its own: its start, its end, signals and terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appcues_async.sandbox import JobPlan, Sandbox, Stall
from tests.cli.conftest import Ran, copies, posts
from tests.conftest import wait_until

MODULE = (sys.executable, "-m", "appcues_async")


def execute(*words: str | Path) -> Ran:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=50)  # noqa: PLW1510
    return Ran(done.returncode, done.stdout, done.stderr)


def without(library: str, *words: str) -> Ran:
    """Runs a command where a library cannot be imported."""
    code = (
        f"import sys; sys.modules[{library!r}] = None; sys.argv[1:] = {list(words)!r}; "
        "from appcues_async.__main__ import main; main()"
    )
    return execute(sys.executable, "-c", code)


def on_a_terminal(*words: str | Path, **environment: str) -> tuple[int, str]:
    """Runs a command with its output on a terminal; returns its exit code and what was written."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    with subprocess.Popen(
        list(map(str, words)), stdin=theirs, stdout=theirs, stderr=theirs, env=variables
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                block = os.read(ours, 65_536)
            except OSError:
                # Linux's way to say that the other end was closed.
                break
            if not block:
                break
            written += block
        os.close(ours)
        return process.wait(), written.decode()


def test_a_typing_error_is_exit_code_2(users: Path) -> None:
    ran = execute(*MODULE, "import", "profils", users)
    assert (ran.code, ran.error["type"], ran.out) == (2, "UsageError", "")


@pytest.mark.long
def test_the_demo_runs_under_a_limit_that_it_meets() -> None:
    small = ["--users", "40", "--events", "30", "--job-seconds", "0", "--rate-limit", "6"]
    ran = execute(*MODULE, "demo", *small)
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 1 + 17
    assert "held back by 429 for " in ran.err
    assert "holds exactly what was sent" in ran.err


@pytest.mark.long
def test_without_waiting_the_process_ends_at_once(account: Sandbox, users: Path) -> None:
    account.plan_next_job(JobPlan(seconds=3600))
    ran = execute(*MODULE, "import", "profiles", users, "--no-wait", "-o", "json")
    assert (ran.code, ran.json["outcomes"][0]["job"]["id"]) == (0, next(iter(account.jobs)))


@pytest.mark.parametrize("library", ["cyclopts", "rich"])
def test_without_its_libraries_the_command_says_what_to_install(library: str) -> None:
    ran = without(library, "flows", "list")
    assert (ran.code, ran.error["type"], ran.out) == (2, "MissingExtra", "")
    assert ran.error["message"] == (
        f"the command line needs {library}; run: pip install 'appcues-async[cli]'"
    )


@pytest.mark.long
def test_a_fault_of_our_own_is_not_taken_for_a_missing_library() -> None:
    ran = without("appcues_async.cli.imports", "flows", "list")
    assert ran.code == 1
    assert "MissingExtra" not in ran.err


def test_most_commands_do_without_the_server() -> None:
    code = (
        "import sys; from appcues_async.cli.app import run; run(['--version']); "
        "sys.exit('appcues_async.sandbox' in sys.modules)"
    )
    assert execute(sys.executable, "-c", code).code == 0


def interrupt_while_waiting(
    account: Sandbox, uploads: int, *words: str | Path
) -> tuple[int, list[str]]:
    """Runs a command until one upload was accepted and all have come in, then presses Ctrl-C."""
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        assert "accepted as job" in lines[0]
        wait_until(lambda: len(posts(account)) >= uploads)
        process.send_signal(signal.SIGINT)
        lines += process.stderr.readlines()
        return process.wait(timeout=20), [line.rstrip("\n") for line in lines]


def test_ctrl_c_leaves_the_tokens_of_what_still_runs(account: Sandbox, users: Path) -> None:
    account.plan_next_job(JobPlan(seconds=3600))
    code, lines = interrupt_while_waiting(account, 1, *MODULE, "import", "profiles", users)
    (job,) = account.jobs
    assert code == 130
    stopped, go_on, token, error = lines[-4:]
    assert (
        stopped == "stopped: of 2 profiles read, 2 had been accepted in 1 chunk, 0 of them ingested"
    )
    assert go_on == "still running; go on with: appcues-async jobs wait TOKEN..."
    assert [json.loads(word)["job_id"] for word in shlex.split(token)] == [job]
    assert json.loads(error)["exit_code"] == 130


@pytest.mark.long
def test_ctrl_c_says_of_an_upload_under_way_that_nothing_is_known(
    account: Sandbox, users: Path
) -> None:
    account.plan_next_job(JobPlan(seconds=3600))
    stall = Stall("request")
    account.faults.add(stall, method="POST", skip=1)
    files = copies(users, 2)
    code, lines = interrupt_while_waiting(account, 2, *MODULE, "import", "profiles", *files)
    stall.hold.release()
    assert code == 130
    assert (
        f"chunk 1, rows 1 to 2 of {files[1]}: stopped before it was known to be accepted; "
        "its job may be in: appcues-async jobs list"
    ) in lines


@pytest.mark.long
def test_ctrl_c_ends_the_wait_for_a_pipe_that_says_nothing(account: Sandbox) -> None:
    words = [*MODULE, "import", "profiles", "-"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        # More than a pipe holds: once it is written, somebody reads at the other end.
        process.stdin.write(b"user_id\n" + b"1234567\n" * 50_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=10) == 130
        finally:
            process.kill()
        assert process.stderr.readline().startswith(b"stopped: of ")
    assert account.jobs == {}


@pytest.mark.parametrize(
    "words", [("segments", "delete", "1"), ("users", "delete-profile", "007")], ids=str
)
def test_ctrl_c_is_an_answer_to_a_question(account: Sandbox, words: tuple[str, ...]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*MODULE, *words], stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        try:
            said = b""
            # A question may come in parts.
            while not said.endswith(b"? [y/N] "):
                part = os.read(process.stderr.fileno(), 4096)
                assert part
                said += part
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 130
        finally:
            process.kill()
    os.close(ours)
    os.close(theirs)
    assert account.requests == []


def test_the_sandbox_prints_what_every_command_reads_of_it() -> None:
    with subprocess.Popen([*MODULE, "sandbox"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        names = {process.stdout.readline().partition("=")[0] for _ in range(9)}
        page = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert "export APPCUES_LEGACY_API_KEY" in names
    assert "export APPCUES_SANDBOX_TOKEN" in names
    assert "export CUSTOMERIO_BASE_URL" in names
    assert page.startswith("# Inspector: http://127.0.0.1:")


@pytest.mark.long
def test_the_sandbox_serves_until_ctrl_c(tmp_path: Path) -> None:
    words = [*MODULE, "sandbox", "--rate-limit", "0", "--job-seconds", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        exports = [process.stdout.readline() for _ in range(4)]
        assert all(line.startswith("export APPCUES_") for line in exports)
        listing = " ".join([*MODULE, "segments", "list", "-o", "json"])
        ran = execute("sh", "-c", "".join(exports) + listing)
        assert (ran.code, ran.json) == (0, [])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


@pytest.mark.long
def test_a_port_that_is_taken_is_a_wrong_use(account: Sandbox) -> None:
    port = account.url.rpartition(":")[2]
    ran = execute(*MODULE, "sandbox", "--port", port)
    assert ran.code == 2
    assert f"port {port} cannot be served on" in ran.error["message"]


def test_on_a_terminal_there_are_bars_and_then_the_table(account: Sandbox, users: Path) -> None:
    code, written = on_a_terminal(*MODULE, "import", "profiles", users.name, COLUMNS="120")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert code == 0
    assert "━━━" in plain
    assert "1 answered, 0 x 429" in plain
    assert re.search(r"^    0  users.csv     2     30 ", plain, re.MULTILINE)
    for stage in ("read", "sent", "ingested"):
        assert f" {stage} " in plain
    assert "\x1b[32m" in written


@pytest.mark.long
def test_no_color_is_honoured(account: Sandbox, users: Path) -> None:
    _, written = on_a_terminal(*MODULE, "import", "profiles", users.name, NO_COLOR="1")
    assert not re.search(r"\x1b\[(3|4|9)[0-9]", written)


@pytest.mark.long
def test_a_name_that_cannot_be_encoded_does_not_end_the_command(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/users-\xff.csv"
    Path(os.fsdecode(path)).write_text("user_id\n1\n", encoding="utf-8")
    done = subprocess.run(  # noqa: PLW1510
        [*MODULE, "import", "profiles", path, "--sandbox", "--no-wait", "-o", "json"],
        capture_output=True,
        timeout=50,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["outcomes"][0]["source"].endswith(r"users-\xff.csv")
