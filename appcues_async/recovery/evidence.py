"""Which job did a lost answer start? Pure rules over what was listed.

Nothing here guesses. A job is ruled out only by what is documented or was seen: somebody in this process
or journal owns it, it was listed before the request was sent, it started at another time, its counts
cannot be those of the rows that were sent, or it has another name than our own jobs of that endpoint.
What cannot be told by that is said to be undecided.

Several requests may be unsettled at once. Each is a rival of the others: a job that a rival may have
started is nobody's until something decides whose it is.
"""

from __future__ import annotations

import enum
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from attrs import field, frozen

from appcues_async.models import COMPLETED, Job

__all__ = [
    "LATE",
    "NO_CLOCK",
    "SAME_CLOCK",
    "Claim",
    "ClockSkew",
    "Finding",
    "Owned",
    "Verdict",
    "counts_matter",
    "judge",
    "possible",
    "reaches_back",
    "skew_of",
    "telling_name",
]

EARLY: Final = 1.0
"""Seconds that a start may lie before the request: it is written in whole seconds."""
LATE: Final = 60.0
"""Seconds that a start may lie after the last sign of the request."""
RECENT: Final = 3600.0
"""Seconds for which a list of recent jobs is trusted to reach back without a sign that it does."""


@frozen(kw_only=True)
class Claim:
    """What is known of one POST that may have started a job.

    Attributes:
        kind: The endpoint's route, such as `import/events`.
        began: When its first attempt began, in seconds since 1970.
        ended: When its last attempt ended, or the last heartbeat of the process that made it; None if
            that is not known, or it goes on.
        rows: How many rows its body has, if that is known.
        before: Ids of jobs that were listed before it was sent.
        id: What tells it from other claims, in whatever process or journal they are kept.
        target: What it makes, where that is no job; only claims on the same are rivals.
        answerable: Whether its answer may still come. Where it may, others wait for it rather than give
            up, for as long as `ended` is not more than 60 seconds old.
        offset: How far our clock was ahead of one that is never set, when it began; None where that
            one cannot be compared, as with another process's.
    """

    kind: str
    began: float
    ended: float | None = None
    rows: int | None = None
    before: frozenset[str] = field(default=frozenset(), repr=False)
    id: str = field(factory=lambda: secrets.token_hex(8))
    target: str = field(default="", repr=False)
    answerable: bool = True
    offset: float | None = None


@frozen(kw_only=True)
class Owned:
    """Whose jobs are known, and who else may have started one.

    Attributes:
        jobs: The jobs that somebody owns, by id, each with the route that started it; an empty one if
            that is not certain.
        claims: The requests of which it is not known what they started.
        names: How many own jobs of a route have shown which name.
    """

    jobs: Mapping[str, str] = field(factory=dict)
    claims: Sequence[Claim] = ()
    names: Mapping[str, Mapping[str, int]] = field(factory=dict)


@frozen
class ClockSkew:
    """How far the server's clock is ahead of ours, in seconds.

    Attributes:
        min: At least so much; negative where it is behind.
        max: At most so much.
    """

    min: float = 0.0
    max: float = 0.0

    def before(self, step: float) -> ClockSkew:
        """What it may have been at any time since our clock was set forward by so many seconds."""
        return ClockSkew(min(self.min, self.min + step), max(self.max, self.max + step))


SAME_CLOCK: Final = ClockSkew()
NO_CLOCK: Final = ClockSkew(-math.inf, math.inf)
"""Of a server whose times say nothing."""


class Finding(enum.Enum):
    """What a look at the jobs has shown."""

    FOUND = "found"
    """One job is left, and nobody else may own it."""
    ABSENT = "absent"
    """None is left: the request was not applied."""
    OPEN = "open"
    """A later look may tell."""
    UNDECIDED = "undecided"
    """No later look can tell."""


@frozen
class Verdict:
    """What a look at the jobs has shown.

    Attributes:
        finding: What.
        jobs: The jobs that are left.
    """

    finding: Finding
    jobs: tuple[Job, ...] = ()


def judge(
    claim: Claim,
    jobs: Iterable[Job],
    owned: Owned,
    *,
    now: float,
    settled: bool,
    skew: ClockSkew = SAME_CLOCK,
    whole: bool = True,
) -> Verdict:
    """Says which job a request has started, if any, as far as that can be told.

    Args:
        claim: The request.
        jobs: The jobs that were listed; those that have ended with their events.
        owned: Whose jobs are known, taken after the list.
        now: The moment, in seconds since 1970.
        settled: Whether the list was taken so late that what it does not show is not there.
        skew: How far the server's clock is ahead.
        whole: Whether the list reaches back to the request; without that, absence says nothing.
    """
    mine = possible(claim, jobs, owned, skew)
    if not mine:
        if not settled:
            return Verdict(Finding.OPEN)
        return Verdict(Finding.ABSENT if whole else Finding.UNDECIDED)
    rivals = _rivals(claim, mine, owned, skew)
    if len(mine) == 1 and not rivals:
        # That there is no other is an absence as well, and counts only from a settled list that reaches
        # back, save where the job's own counts speak for it.
        if (settled and whole) or _counts_are(mine[0], claim.rows):
            return Verdict(Finding.FOUND, mine)
        if not settled:
            return Verdict(Finding.OPEN, mine)
    runs = any(not job.ended for job in mine)
    counted = claim.rows is not None or any(rival.rows is not None for rival in rivals)
    if not settled or (runs and counted) or any(_may_answer(rival, now) for rival in rivals):
        return Verdict(Finding.OPEN, mine)
    return Verdict(Finding.UNDECIDED, mine)


def possible(
    claim: Claim, jobs: Iterable[Job], owned: Owned, skew: ClockSkew = SAME_CLOCK
) -> tuple[Job, ...]:
    """The jobs that nobody owns and that a request may have started."""
    name = telling_name(owned.names.get(claim.kind, {}))
    return tuple(
        job
        for job in jobs
        if job.id not in owned.jobs
        and job.id not in claim.before
        and _starts_in_time(job, claim, skew)
        and (name is None or not job.name or job.name == name)
        and _counts_fit(job, claim.rows)
    )


def counts_matter(
    claim: Claim, jobs: Sequence[Job], owned: Owned, skew: ClockSkew = SAME_CLOCK
) -> bool:
    """Whether the counts of these jobs, of which each is possible, could decide whose they are."""
    rivals = _rivals(claim, jobs, owned, skew)
    return claim.rows is not None or any(rival.rows is not None for rival in rivals)


def telling_name(shown: Mapping[str, int]) -> str | None:
    """The name that all jobs of an endpoint have, as far as its own jobs have shown it.

    Jobs of several names show that a name says nothing. One name with a digit in it may hold an id or a
    date, until a second job has shown the same.

    Args:
        shown: How many own jobs have shown which name.
    """
    names = [name for name in shown if name]
    if len(names) != 1:
        return None
    name = names[0]
    varies = any(character.isdigit() for character in name)
    return None if varies and shown[name] < 2 else name


def reaches_back(claim: Claim, jobs: Iterable[Job], now: float) -> bool:
    """Whether a list can be trusted to show what a request has started.

    Which jobs are "recent" is documented nowhere. A list that shows a job from before the request
    reaches back to it; one that does not is trusted for an hour.

    Args:
        claim: The request.
        jobs: All jobs listed, whoever owns them.
        now: The moment, in seconds since 1970.
    """
    if now - claim.began <= RECENT:
        return True
    return any(
        job.id in claim.before
        or (job.started_at is not None and job.started_at.timestamp() < claim.began - EARLY)
        for job in jobs
    )


def skew_of(date: str, asked: datetime, answered: datetime) -> ClockSkew:
    """How far the server's clock is ahead, by the `Date` of a reply, which has whole seconds.

    Args:
        date: The header.
        asked: When the request was sent, by our clock.
        answered: When the reply came.
    """
    try:
        moment = parsedate_to_datetime(date)
        least = (moment - answered).total_seconds()
        return ClockSkew(least, max(least, (moment - asked).total_seconds() + 1))
    except (ValueError, TypeError, IndexError, OverflowError):
        # The second is what a date without a zone comes to.
        return SAME_CLOCK


def _rivals(claim: Claim, jobs: Sequence[Job], owned: Owned, skew: ClockSkew) -> list[Claim]:
    """The other claims that may have started one of these jobs."""
    return [
        other
        for other in owned.claims
        if other.id != claim.id
        and other.target == claim.target
        and possible(other, jobs, owned, skew)
    ]


def _may_answer(claim: Claim, now: float) -> bool:
    return claim.answerable and (claim.ended is None or now - claim.ended <= LATE)


def _starts_in_time(job: Job, claim: Claim, skew: ClockSkew) -> bool:
    if job.started_at is None:
        return True
    start = job.started_at.timestamp()
    if start < claim.began - EARLY + min(0.0, skew.min):
        return False
    return claim.ended is None or start <= claim.ended + LATE + max(0.0, skew.max)


def _counts_fit(job: Job, rows: int | None) -> bool:
    if rows is None or not job.ended:
        return True
    completed, failed = job.ingestions_completed, job.ingestions_failed
    told = (completed or 0) + (failed or 0)
    if told > rows:
        return False
    # A job that failed, or requests inside of it, may have left rows that it counts nowhere.
    all_told = completed is not None and failed is not None
    if job.status != COMPLETED or job.requests_failed or not all_told:
        return True
    return told == rows


def _counts_are(job: Job, rows: int | None) -> bool:
    completed, failed = job.ingestions_completed, job.ingestions_failed
    if rows is None or not job.ended or completed is None or failed is None:
        return False
    return completed + failed == rows
