"""An asyncio client for the Appcues API.

One request is paced, retried and answered; one upload becomes a job; and a job is done when
`await job` says that it is.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appcues_async.api.conditions import Condition, where
    from appcues_async.bulk.rejects import Reject
    from appcues_async.bulk.report import Outcome, Report
    from appcues_async.bulk.run import BulkRun
    from appcues_async.client import AppcuesClient
    from appcues_async.errors import (
        AppcuesError,
        Attempt,
        BadRequest,
        BulkFailed,
        ConnectionFailed,
        Delivery,
        Forbidden,
        InvalidInput,
        JobError,
        JobFailed,
        JobPending,
        NoDownload,
        NotFound,
        NoTurn,
        OutboxFull,
        OutboxPending,
        OutcomeUnknown,
        ReplyError,
        RowsFailed,
        ServerError,
        Throttled,
        Unauthorized,
        UnexpectedReply,
        UnsupportedMediaType,
    )
    from appcues_async.models import (
        Checklist,
        Event,
        Experience,
        Flow,
        Job,
        JobEvent,
        Rows,
        Segment,
        Tag,
    )
    from appcues_async.outbox.outbox import Outbox
    from appcues_async.settings import Pace, PollPolicy, RetryPolicy, Timeouts
    from appcues_async.sync.report import SyncReport
    from appcues_async.waiting.handle import JobHandle
    from appcues_async.wire.reply import Problem, Reply
    from appcues_async.wire.turn import Throttle

__all__ = [
    "AppcuesClient",
    "AppcuesError",
    "Attempt",
    "BadRequest",
    "BulkFailed",
    "BulkRun",
    "Checklist",
    "Condition",
    "ConnectionFailed",
    "Delivery",
    "Event",
    "Experience",
    "Flow",
    "Forbidden",
    "InvalidInput",
    "Job",
    "JobError",
    "JobEvent",
    "JobFailed",
    "JobHandle",
    "JobPending",
    "NoDownload",
    "NoTurn",
    "NotFound",
    "Outbox",
    "OutboxFull",
    "OutboxPending",
    "Outcome",
    "OutcomeUnknown",
    "Pace",
    "PollPolicy",
    "Problem",
    "Reject",
    "Reply",
    "ReplyError",
    "Report",
    "RetryPolicy",
    "Rows",
    "RowsFailed",
    "Segment",
    "ServerError",
    "SyncReport",
    "Tag",
    "Throttle",
    "Throttled",
    "Timeouts",
    "Unauthorized",
    "UnexpectedReply",
    "UnsupportedMediaType",
    "where",
]

_ROOMS = {
    "api.conditions": "Condition where",
    "bulk.rejects": "Reject",
    "bulk.report": "Outcome Report",
    "bulk.run": "BulkRun",
    "client": "AppcuesClient",
    "errors": (
        "AppcuesError Attempt BadRequest BulkFailed ConnectionFailed Delivery Forbidden "
        "InvalidInput JobError JobFailed JobPending NoDownload NotFound NoTurn OutboxFull "
        "OutboxPending OutcomeUnknown ReplyError RowsFailed ServerError Throttled Unauthorized "
        "UnexpectedReply UnsupportedMediaType"
    ),
    "models": "Checklist Event Experience Flow Job JobEvent Rows Segment Tag",
    "outbox.outbox": "Outbox",
    "settings": "Pace PollPolicy RetryPolicy Timeouts",
    "sync.report": "SyncReport",
    "waiting.handle": "JobHandle",
    "wire.reply": "Problem Reply",
    "wire.turn": "Throttle",
}
"""Where each public name lives, below the package."""
_HOMES = {name: room for room, names in _ROOMS.items() for name in names.split()}


if not TYPE_CHECKING:
    # Hidden from type checkers, to which any name would be a name of this module.

    def __getattr__(name: str) -> Any:
        """Imports a public name when it is first used: pytest loads the package for its plugin alone."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
