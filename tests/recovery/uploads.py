"""Uploads whose answers are lost, and what is seen of them."""

from __future__ import annotations

import asyncio
from collections import Counter

from appcues_async import (
    AppcuesClient,
    JobHandle,
    PollPolicy,
    Timeouts,
)
from appcues_async.sandbox import Answer, Close, Reset, Sandbox, Stall, Truncate
from appcues_async.sandbox.faults import Fault
from tests.api.conftest import asked
from tests.conftest import SOON

__all__ = [
    "APPLIED",
    "EVENTS",
    "LEAST",
    "NOT_APPLIED",
    "OFTEN",
    "SETTLE",
    "elsewhere",
    "lose",
    "ndjson",
    "of_each",
    "opened",
    "recorded",
    "rows",
    "uploads",
]


SETTLE = 0.3


OFTEN = PollPolicy(first=0.01, low=0.02, high=0.05, grace=0.05)


EVENTS = "import/events"


LEAST = {"email": "h@example.com", "format": "json", "conditions": [], "start_time": "2026-08-11"}


def opened(sandbox: Sandbox, **options: object) -> AppcuesClient:
    chosen = {
        **sandbox.credentials,
        "retry": SOON,
        "polling": OFTEN,
        "timeouts": Timeouts(settle=SETTLE, idle=0.5),
        "throttle": None,
        **options,
    }
    return AppcuesClient(**chosen)  # type: ignore[arg-type]


def elsewhere(sandbox: Sandbox) -> AppcuesClient:
    """A producer that shares the account and nothing else with us."""
    return opened(sandbox, base_url=sandbox.url.replace("127.0.0.1", "localhost"))


def rows(name: str, number: int) -> list[dict[str, str]]:
    moment = "2026-07-14T12:00:00Z"
    return [{"user_id": str(one), "name": name, "timestamp": moment} for one in range(number)]


def ndjson(name: str) -> bytes:
    """Rows that nobody counts."""
    return f'{{"user_id":"1","name":"{name}","timestamp":"2026-07-14T12:00:00Z"}}\n'.encode()


def recorded(sandbox: Sandbox) -> Counter[str]:
    return Counter(event["name"] for event in sandbox.events)


def uploads(sandbox: Sandbox, what: str = EVENTS) -> int:
    return asked(sandbox).count(f"POST {what}")


def lose(sandbox: Sandbox, *faults: Fault, path: str = EVENTS) -> None:
    for fault in faults:
        sandbox.faults.add(fault, method="POST", path=path)


async def of_each(*work: object) -> list[JobHandle | BaseException]:
    return await asyncio.gather(*work, return_exceptions=True)  # type: ignore[call-overload, no-any-return]


APPLIED = {
    "reset": Reset(applied=True),
    "closed": Close(applied=True),
    "500": Answer(500, applied=True),
    "503": Answer(503, applied=True),
    "a page of a proxy": Answer.html(502, applied=True),
    "408": Answer(408, applied=True),
    "an answer cut off": Truncate(),
    "an answer that is no JSON": Answer(202, body="accepted", applied=True),
    "an answer that comes too late": Stall(seconds=1.5),
}


NOT_APPLIED = {
    "reset": Reset(),
    "reset after the headers": Reset(after="headers"),
    "closed": Close(),
    "500": Answer(500),
    "a page of a proxy": Answer.html(504),
}
