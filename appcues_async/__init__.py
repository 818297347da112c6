"""An asyncio client for the Appcues API.

One request is paced, retried and answered; one upload becomes a job; and a job is done when
`await job` says that it is.
"""

from appcues_async.api.conditions import Condition, where
from appcues_async.bulk.rejects import Reject
from appcues_async.bulk.report import Outcome, Report
from appcues_async.bulk.run import BulkRun
from appcues_async.client import AppcuesClient
from appcues_async.errors import (
    AppcuesError,
    Attempt,
    BadRequest,
    ConnectionFailed,
    Delivery,
    Forbidden,
    InvalidInput,
    JobError,
    JobFailed,
    JobPending,
    NoDownload,
    NotFound,
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
from appcues_async.settings import Pace, PollPolicy, RetryPolicy, Timeouts
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.reply import Problem, Reply
from appcues_async.wire.throttle import Throttle

__all__ = [
    "AppcuesClient",
    "AppcuesError",
    "Attempt",
    "BadRequest",
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
    "NotFound",
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
    "Tag",
    "Throttle",
    "Throttled",
    "Timeouts",
    "Unauthorized",
    "UnexpectedReply",
    "UnsupportedMediaType",
    "where",
]
