"""Runs that can be ended at any step, and what is seen of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Self, get_args

from appcues_async import AppcuesClient, Report, Timeouts
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.bulk.resource import with_steps
from appcues_async.sandbox import Sandbox
from tests.conftest import AT_ONCE, SOON

__all__ = [
    "ACCOUNT",
    "COUNT",
    "OBSERVED",
    "OPTIONS",
    "STEPS",
    "Client",
    "Killed",
    "Steps",
    "_awaited",
    "_rows",
    "_run",
    "assert_each_once",
    "assert_whole",
    "client_of",
    "posts",
    "statuses",
    "uploads_applied",
    "write_events",
]


ACCOUNT = "sandbox-account"


COUNT = 600


STEPS: tuple[Step, ...] = get_args(Step)


OPTIONS: dict[str, Any] = {"chunk_bytes": 9_000, "concurrency": 2}


class Killed(BaseException):
    """Stands for the end of the process."""


def write_events(path: Path, count: int = COUNT, user: str = "u") -> Path:
    line = '{{"user_id":"{}{:04}","name":"Paid","timestamp":"2026-07-14T12:00:00Z"}}\n'
    path.write_text("".join(line.format(user, number) for number in range(count)))
    return path


class Steps:
    """Ends the run at a step of a chunk."""

    at: tuple[Step, int] | None = None

    def __call__(self, step: Step, number: int) -> None:
        if (step, number) == self.at:
            raise Killed


OBSERVED = Steps()


class Client(AppcuesClient):
    """A client whose runs can be ended at a step of a chunk."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.bulk = with_steps(self.bulk, OBSERVED)
        return self


def client_of(sandbox: Sandbox, **others: Any) -> AppcuesClient:
    options: dict[str, Any] = {"retry": SOON, "polling": AT_ONCE, "throttle": None, **others}
    options.setdefault("timeouts", Timeouts(settle=0.3))
    return Client(**sandbox.credentials, **options)


def statuses(journal: Path) -> list[str]:
    return [chunk["status"] for chunk in read_journal(journal).chunks]


def posts(sandbox: Sandbox) -> int:
    return sum(request.method == "POST" for request in sandbox.requests)


def uploads_applied(sandbox: Sandbox) -> int:
    return sum(one.method == "POST" and one.applied for one in sandbox.requests)


def assert_each_once(sandbox: Sandbox, count: int = COUNT, user: str = "u") -> None:
    times = Counter(event["user_id"] for event in sandbox.events)
    assert times == {f"{user}{number:04}": 1 for number in range(count)}


def assert_whole(report: Report) -> None:
    assert report.ok
    assert report.rows == report.completed == COUNT
    assert [one.chunk for one in report.outcomes] == list(range(report.chunks))


def _rows(count: int, name: str = "Paid") -> list[dict[str, Any]]:
    when = "2026-07-14T12:00:00Z"
    return [{"user_id": f"u{one:04}", "name": name, "timestamp": when} for one in range(count)]


async def _run(client: AppcuesClient, source: Any, **others: Any) -> Report:
    return await client.bulk.import_events(source, **{**OPTIONS, **others})


async def _awaited(run: Any) -> Any:
    return await run
