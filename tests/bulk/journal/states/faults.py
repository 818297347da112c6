"""What can go wrong with a request, by name."""

from __future__ import annotations

from collections.abc import Callable

from appcues_async.sandbox import Answer, Close, Fault, Reset, Stall, Truncate
from tests.bulk.journal.states.processes import IDLE
from tests.bulk.journal.states.times import CountedHold

__all__ = ["fault_of"]


def fault_of(name: str) -> Fault:
    faults: dict[str, Callable[[], Fault]] = {
        "reset": Reset,
        "reset applied": lambda: Reset(applied=True),
        "reset early": lambda: Reset(after="headers"),
        "closed applied": lambda: Close(applied=True),
        "truncated": Truncate,
        "500": lambda: Answer(500),
        "500 applied": lambda: Answer(500, applied=True),
        "503": lambda: Answer(503),
        "503 applied": lambda: Answer(503, applied=True),
        "502 html": lambda: Answer.html(502),
        "429": lambda: Answer(429),
        "slow request": lambda: Stall("request", seconds=0.05, hold=CountedHold()),
        "slow answer": lambda: Stall("headers", seconds=0.05, hold=CountedHold()),
        "stalled request": lambda: Stall("request", seconds=IDLE + 0.1, hold=CountedHold()),
        "stalled answer": lambda: Stall("headers", seconds=IDLE + 0.1, hold=CountedHold()),
    }
    return faults[name]()
