"""Standard logging: what is logged at which level, and what never is."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from appcues_async import AppcuesClient, InvalidInput, Job, RetryPolicy
from appcues_async.logs import log_as_environment_says, log_notice, log_to_stderr
from appcues_async.notices import (
    AnswerLost,
    AnswerSettled,
    ChunkEnded,
    JobChanged,
    JobStarted,
    Notice,
    OutboxClosed,
    OutboxFilled,
    OutboxKeptAside,
    OutboxSends,
    OutboxStalled,
    PauseBegan,
    RunEnded,
)
from appcues_async.sandbox import Answer, JobPlan, Sandbox
from tests.conftest import AT_ONCE

NAME = "appcues_async"
RUN: dict[str, Any] = {
    "kind": "profiles",
    "rows": 9,
    "chunks": 1,
    "accepted": 8,
    "ingested": 7,
    "seconds": 0.5,
}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger=NAME)
    return caplog


@pytest.mark.parametrize(
    ("notice", "level"),
    [
        (PauseBegan(2.0, "429"), "INFO"),
        (PauseBegan(2.0, "outage"), "WARNING"),
        (JobStarted("7", "import/profiles"), "INFO"),
        (JobChanged(Job(id="7", status="IN_PROGRESS")), "DEBUG"),
        (JobChanged(Job(id="7", status="COMPLETED")), "INFO"),
        (JobChanged(Job(id="7", status="FAILED")), "WARNING"),
        (AnswerLost("import/events"), "WARNING"),
        (AnswerSettled("import/events", "found", "7"), "INFO"),
        (AnswerSettled("import/events", "undecided"), "WARNING"),
        (ChunkEnded(0, 8, 80, "completed", "7"), "DEBUG"),
        (ChunkEnded(0, 8, 80, "refused", None), "WARNING"),
        (RunEnded(**RUN, rejected=0), "INFO"),
        (RunEnded(**RUN, rejected=1), "WARNING"),
        (OutboxSends(), "INFO"),
        (OutboxStalled("InvalidInput"), "WARNING"),
        (OutboxKeptAside(7, "events", 9, "BadRequest"), "WARNING"),
        (OutboxFilled("drop", 9), "WARNING"),
        (OutboxClosed(waiting=0, accepted=0, failed=0, on_disk=True), "INFO"),
        (OutboxClosed(waiting=9, accepted=0, failed=0, on_disk=True), "WARNING"),
        (OutboxClosed(waiting=9, accepted=0, failed=0, on_disk=False), "WARNING"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_notice_has_its_level(
    log: pytest.LogCaptureFixture, notice: Notice, level: str
) -> None:
    log_notice(notice)
    (record,) = log.records
    assert (record.name, record.levelname) == (NAME, level)


def test_a_server_cannot_forge_a_line(log: pytest.LogCaptureFixture) -> None:
    log_notice(JobStarted("7\n2026 INFO all well\x1b[2J", "import/profiles"))
    assert log.messages == ["job 7\\n2026 INFO all well\\x1b[2J started by import/profiles"]


async def test_a_run_is_told_from_its_start_to_its_end(
    sandbox: Sandbox, log: pytest.LogCaptureFixture
) -> None:
    async with AppcuesClient(**sandbox.credentials, polling=AT_ONCE) as client:
        handle = await client.imports.profiles([{"user_id": "1"}])
        await handle
        await client.bulk.import_profiles([{"user_id": "2"}])
    told = [(one.levelname, one.getMessage()) for one in log.records if one.levelno >= logging.INFO]
    assert ("INFO", f"job {handle.id} started by import/profiles") in told
    assert ("INFO", f"job {handle.id} is COMPLETED: ingested 1, failed 0") in told
    assert ("INFO", "run of profiles started") in told
    assert told[-1][0] == "INFO"
    assert told[-1][1].endswith("1 row read, 0 rejected; 1 chunk, 1 row accepted, 1 ingested")


async def test_nothing_that_is_logged_is_a_secret_a_row_or_a_link(
    sandbox: Sandbox,
    log: pytest.LogCaptureFixture,
) -> None:
    rows = [{"user_id": "ROW-1", "a": "ROW-2"}, {"user_id": "ROW-3", "a": float("nan")}]
    link = "https://bucket.example.com/LINK?signature=LINK"
    sandbox.faults.add(Answer(503, body=json.dumps({"detail": link})))
    options = {"polling": AT_ONCE, "retry": RetryPolicy(base=0)}
    async with AppcuesClient(**sandbox.credentials, **options) as client:  # type: ignore[arg-type]
        await client.users.update_profile("ROW-4", {"a": "ROW-5"})
        run = client.bulk.import_profiles(rows)
        await run.cancel()
        sandbox.plan_next_job(JobPlan(ingestions_failed=1))
        handle = await client.imports.profiles(rows[:1])
        await handle
        async for _ in client.bulk.import_profiles([rows[0]]):
            pass
        sandbox.faults.add(Answer(401, body=json.dumps({"detail": link})))
        with pytest.raises(Exception, match="401"):
            await client.segments.get("ROW-6")
    assert len(log.records) > 10
    told = "\n".join(f"{one.getMessage()} {one.args} {one.exc_text}" for one in log.records)
    for never in ("ROW", "LINK", sandbox.credentials["api_key"], sandbox.credentials["api_secret"]):
        assert never not in told
    assert "segments/{segment_id}" in told


def test_the_environment_writes_the_log_to_stderr() -> None:
    code = """
import asyncio
from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox

async def main():
    async with Sandbox() as sandbox:
        for _ in range(2):
            async with AppcuesClient(**sandbox.credentials) as client:
                await client.tags.list()

asyncio.run(main())
"""
    for level, lines in (("debug", 2), ("INFO", 0), ("", 0)):
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env={"APPCUES_LOG": level},
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        assert ran.stderr.count("DEBUG GET tags: 200 in ") == lines
        assert len(ran.stderr.splitlines()) == lines


def test_another_level_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'loud'; it must be debug or info"):
        log_to_stderr("loud")


@pytest.fixture
def restored_log() -> Iterator[logging.Logger]:
    """The package's logger, as it was when the test ends."""
    log = logging.getLogger("appcues_async")
    level, handlers = log.level, log.handlers[:]
    yield log
    log.setLevel(level)
    log.handlers[:] = handlers


def test_the_level_that_the_environment_names_is_set_once(
    monkeypatch: pytest.MonkeyPatch, restored_log: logging.Logger
) -> None:
    monkeypatch.setenv("APPCUES_LOG", "INFO")
    log_as_environment_says()
    log_as_environment_says()
    assert restored_log.level == logging.INFO
    assert sum(type(one) is logging.StreamHandler for one in restored_log.handlers) == 1


def test_a_level_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCUES_LOG", "loud")
    with pytest.raises(InvalidInput, match="'loud'; it must be debug or info"):
        log_as_environment_says()


def test_a_program_that_sets_up_no_logging_sees_warnings() -> None:
    program = """
import asyncio
from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox

async def main():
    async with Sandbox() as sandbox, AppcuesClient(**sandbox.credentials) as client:
        await client.bulk.import_profiles([{"user_id": "1"}, {"user_id": ""}], on_failure="report")

asyncio.run(main())
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True
    )
    assert "2 rows read, 1 rejected" in ran.stderr
