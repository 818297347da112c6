"""Notices: everything that happens, as frozen values for listeners.

A client calls its one `on_notice` with each of these, in the order of events, on the loop. Logging,
progress bars and telemetry are listeners. A notice names endpoints by their route
(`segments/{segment_id}`), never by the ids in it, and holds no header, no body and no credential:
what is not a field here cannot leak through here. ("Event" stays the API's word for what users do.)

Standard logging is always among the listeners (see `logs`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeAlias

from appcues_async.notices.bulk import (
    BulkProgressed,
    ChunkEnded,
    RunEnded,
    RunStarted,
    WorkerChanged,
)
from appcues_async.notices.jobs import AnswerLost, AnswerSettled, JobChanged, JobStarted, PollFailed
from appcues_async.notices.outbox import (
    OutboxClosed,
    OutboxFilled,
    OutboxKeptAside,
    OutboxSends,
    OutboxStalled,
)
from appcues_async.notices.requests import (
    AttemptFailed,
    BodySent,
    Gauges,
    Limits,
    PauseBegan,
    PauseEnded,
    ReplyReceived,
)

__all__ = [
    "AnswerLost",
    "AnswerSettled",
    "AttemptFailed",
    "BodySent",
    "BulkProgressed",
    "ChunkEnded",
    "Gauges",
    "JobChanged",
    "JobStarted",
    "Limits",
    "Listener",
    "Notice",
    "OutboxClosed",
    "OutboxFilled",
    "OutboxKeptAside",
    "OutboxSends",
    "OutboxStalled",
    "PauseBegan",
    "PauseEnded",
    "PollFailed",
    "ReplyReceived",
    "RunEnded",
    "RunStarted",
    "WorkerChanged",
    "notify",
]

log: Final = logging.getLogger("appcues_async")

Notice: TypeAlias = (
    AnswerLost
    | AnswerSettled
    | ReplyReceived
    | AttemptFailed
    | BodySent
    | BulkProgressed
    | ChunkEnded
    | PauseBegan
    | PauseEnded
    | JobStarted
    | JobChanged
    | PollFailed
    | RunStarted
    | RunEnded
    | OutboxSends
    | OutboxStalled
    | OutboxKeptAside
    | OutboxFilled
    | OutboxClosed
    | WorkerChanged
)
"""Everything that can be told."""

Listener: TypeAlias = Callable[[Notice], None]
"""Takes each notice as it happens; must return soon, since it runs on the loop."""


def notify(listener: Listener | None, notice: Notice) -> None:
    """Tells the listener; one that fails is logged and never disturbs the work it watches."""
    if listener is None:
        return
    try:
        listener(notice)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # Nobody is cancelled, or left half way, by what a listener raises.
        log.exception("the on_notice listener failed on a %s", type(notice).__name__)
