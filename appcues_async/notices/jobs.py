"""Notices of jobs, and of lost answers to the requests that start them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from appcues_async.models import Job

__all__ = ["AnswerLost", "AnswerSettled", "JobChanged", "JobStarted", "PollFailed"]


@frozen
class JobStarted:
    """The server accepted an upload and started a job.

    Attributes:
        id: The job's id.
        kind: What it does, by its route.
    """

    id: str
    kind: str


@frozen
class JobChanged:
    """A job was seen to be in another state than before.

    Attributes:
        job: The job as it is now.
    """

    job: Job


@frozen
class PollFailed:
    """A look at a job failed; the wait goes on.

    Attributes:
        id: The job's id, or None when the list of jobs could not be had.
        error: The kind of error, by its class name.
    """

    id: str | None
    error: str


@frozen
class AnswerLost:
    """Nothing says whether a request was applied, and it is being found out.

    Attributes:
        kind: What was sent, by its route.
    """

    kind: str


@frozen
class AnswerSettled:
    """The outcome of a lost answer is known, or cannot be.

    Attributes:
        kind: What was sent, by its route.
        outcome: `found` if it was applied, `absent` if it was not, `undecided` if that cannot be told.
        id: The id of what it has started or made, if that was found.
    """

    kind: str
    outcome: str
    id: str | None = None
