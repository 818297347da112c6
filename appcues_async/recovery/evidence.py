"""Which job did a lost answer start? Pure rules over what was listed.

Nothing here guesses. A job is ruled out only by what is documented or was seen: somebody in this
process or journal owns it, it was listed before the request was sent, its counts cannot be those of the
rows that were sent, it has another name than our own jobs of that endpoint, or own jobs from before and
after the request prove that the clock that stamps jobs showed another time then (see `job_clock`). Where
that is not proved, time rules nothing out; it can only keep a job from being taken for ours. What cannot
be known by that is undecided.

Several requests may be unsettled at once. Each is a rival of the others: a job that a rival may have
started is nobody's until something decides whose it is.
"""

from __future__ import annotations

import enum
import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, field, frozen

from appcues_async.models import COMPLETED, Job
from appcues_async.recovery.job_clock import LATE, Clocks, Measurement, Trust, Window

__all__ = [
    "Claim",
    "Finding",
    "Owned",
    "Verdict",
    "counts_matter",
    "judge",
    "possible",
    "reaches_back",
    "telling_name",
]

RECENT: Final = 3600.0
"""Seconds for which a list of recent jobs is trusted to reach back without a sign that it does."""


@frozen(kw_only=True)
class Claim:
    """One POST that may have started a job, as far as it is known.

    Attributes:
        kind: The endpoint's route, such as `import/events`.
        began: When its first attempt began, in seconds of a clock that is never set.
        ended: When its last attempt ended, or the last heartbeat of the process that made it; None while
            it goes on, or if that is not known.
        clock: Which clock these are of; see `Clock.id`.
        job_time: The earliest and the latest moment that it can have been when it began, in seconds
            since 1970 by the clock that stamps jobs, as measured then; None if it was not.
        rows: How many rows its body has, if that is known.
        before: Ids of jobs that were listed before it was sent.
        id: Identifies it, in whatever process or journal it is kept.
        target: What it makes, where that is no job; only claims on the same are rivals.
        linger: Seconds that an attempt may go on elsewhere after this process has ended, or has let go
            of it.
        answerable: Whether its answer may still come. Where it may, others wait for it rather than give
            up, for as long as `ended` is not more than 60 seconds old.
    """

    kind: str
    began: float
    ended: float | None = None
    clock: str = ""
    job_time: tuple[float, float] | None = None
    rows: int | None = None
    before: frozenset[str] = field(default=frozenset(), repr=False)
    id: str = field(factory=lambda: secrets.token_hex(8))
    target: str = field(default="", repr=False)
    linger: float = 0.0
    answerable: bool = True

    def times_text(self) -> str:
        """Its times as JSON, for a journal."""
        return json.dumps(
            {
                "clock": self.clock,
                "began": self.began,
                "ended": self.ended,
                "job_time": self.job_time,
                "linger": self.linger,
            }
        )

    def with_times(self, text: str) -> Claim:
        """Makes the claim with times from a journal."""
        times: dict[str, Any] = json.loads(text)
        low_high = times["job_time"]
        job_time = None if low_high is None else (low_high[0], low_high[1])
        return evolve(
            self,
            clock=times["clock"],
            began=times["began"],
            ended=times["ended"],
            job_time=job_time,
            linger=times.get("linger", 0.0),
        )


@frozen(kw_only=True)
class Owned:
    """Whose jobs are known, and who else may have started one.

    Attributes:
        jobs: The jobs that somebody owns, by id, each with the route that started it; an empty one if
            that is not certain.
        claims: The requests of which it is not known what they started.
        names: How many own jobs of a route have shown which name.
        heard: The claims of owned jobs whose 202 was heard, ended when it was, by the jobs' ids.
        measurements: Looks at the clock that stamps jobs, beside those of the jobs in `heard`.
    """

    jobs: Mapping[str, str] = field(factory=dict)
    claims: Sequence[Claim] = ()
    names: Mapping[str, Mapping[str, int]] = field(factory=dict)
    heard: Mapping[str, Claim] = field(factory=dict)
    measurements: Sequence[Measurement] = ()


class Finding(enum.Enum):
    """The outcome of one look at the jobs."""

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
    """The outcome of one look at the jobs, with the jobs that are left.

    Attributes:
        finding: The finding.
        jobs: The jobs that are left.
        reason: Why it is undecided, where the jobs do not say that.
    """

    finding: Finding
    jobs: tuple[Job, ...] = ()
    reason: str = ""


def judge(
    claim: Claim,
    jobs: Iterable[Job],
    owned: Owned,
    clocks: Clocks,
    *,
    settled: bool,
    whole: bool = True,
) -> Verdict:
    """Decides which job a request has started, if any, as far as that can be known.

    Args:
        claim: The request.
        jobs: The jobs that were listed; those that have ended with their events.
        owned: Whose jobs are known, taken after the list.
        clocks: What is known of the clocks.
        settled: Whether the list was taken so late that what it does not show is not there.
        whole: Whether the list reaches back to the request; without that, absence says nothing.
    """
    mine = possible(claim, jobs, owned, clocks)
    if not mine:
        if not settled:
            return Verdict(Finding.OPEN)
        return Verdict(Finding.ABSENT if whole else Finding.UNDECIDED)
    rivals = _rivals(claim, mine, owned, clocks)
    chosen = _chosen(mine, _window(claim, clocks))
    if chosen is not None and not rivals:
        # That there is no other is an absence as well, and counts only from a settled list that reaches
        # back, save where the job's own counts speak for it.
        if (settled and whole) or (len(mine) == 1 and _counts_are(chosen, claim.rows)):
            return Verdict(Finding.FOUND, (chosen,))
        if not settled:
            return Verdict(Finding.OPEN, mine)
    runs = any(not job.ended for job in mine)
    counted = claim.rows is not None or any(rival.rows is not None for rival in rivals)
    waits = any(_may_answer(rival, clocks) for rival in rivals)
    if not settled or (runs and counted) or waits:
        return Verdict(Finding.OPEN, mine)
    timeless = len(mine) == 1 and chosen is None and not rivals
    return Verdict(Finding.UNDECIDED, mine, _TIMELESS if timeless else "")


_TIMELESS: Final = "no job of ours shows what the clock that stamps jobs said then"


def possible(claim: Claim, jobs: Iterable[Job], owned: Owned, clocks: Clocks) -> tuple[Job, ...]:
    """The jobs that nobody owns and that a request may have started."""
    name = telling_name(owned.names.get(claim.kind, {}))
    window = _window(claim, clocks)
    return tuple(
        job
        for job in jobs
        if job.id not in owned.jobs
        and job.id not in claim.before
        and not _is_at_another_time(job, window)
        and (name is None or not job.name or job.name == name)
        and _counts_fit(job, claim.rows)
    )


def counts_matter(claim: Claim, jobs: Sequence[Job], owned: Owned, clocks: Clocks) -> bool:
    """Whether the counts of these jobs, of which each is possible, could decide whose they are."""
    rivals = _rivals(claim, jobs, owned, clocks)
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


def reaches_back(
    claim: Claim, listed: Collection[str], earlier: Mapping[str, Claim], clocks: Clocks
) -> bool:
    """Whether a list can be trusted to show what a request has started.

    Which jobs are "recent" is documented nowhere. A list that shows a job from before the request
    reaches back to it: one that was listed then, or one of our own that was answered before. One that
    shows none is trusted for an hour, by a clock that is never set.

    Args:
        claim: The request.
        listed: The ids of all jobs listed, whoever owns them.
        earlier: The claims of own jobs whose 202 was heard, by the jobs' ids.
        clocks: What is known of the clocks.
    """
    if claim.clock == clocks.id and clocks.now - claim.began <= RECENT:
        return True
    if any(job_id in claim.before for job_id in listed):
        return True
    return any(
        one.clock == claim.clock and one.ended is not None and one.ended <= claim.began
        for job_id, one in earlier.items()
        if job_id in listed
    )


def _rivals(claim: Claim, jobs: Sequence[Job], owned: Owned, clocks: Clocks) -> list[Claim]:
    """The other claims that may have started one of these jobs."""
    return [
        other
        for other in owned.claims
        if other.id != claim.id
        and other.target == claim.target
        and possible(other, jobs, owned, clocks)
    ]


def _may_answer(claim: Claim, clocks: Clocks) -> bool:
    if not claim.answerable or claim.ended is None:
        return claim.answerable
    return claim.clock == clocks.id and clocks.now - claim.ended <= LATE


def _window(claim: Claim, clocks: Clocks) -> Window | None:
    return clocks.window(claim.clock, claim.began, claim.ended, claim.job_time)


def _is_at_another_time(job: Job, window: Window | None) -> bool:
    """Whether it is proved that a job was stamped before or after the request."""
    if window is None or window.trust is not Trust.PROVED:
        return False
    return window.excludes(_stamp_of(job, window))


def _stamp_of(job: Job, window: Window) -> float:
    """When a job was stamped; one without a stamp fits every window."""
    return window.likely if job.started_at is None else job.started_at.timestamp()


def _chosen(jobs: Sequence[Job], window: Window | None) -> Job | None:
    """The job to take for the request's own, if no rival may have started it.

    The only one there is, unless its time speaks against it; of several the one in the request's time,
    if that was measured and the others cannot be.
    """
    if window is None:
        return None
    if len(jobs) > 1 and window.trust is Trust.GUESSED:
        return None
    left = [job for job in jobs if not window.excludes(_stamp_of(job, window))]
    return left[0] if len(left) == 1 and window.suits(_stamp_of(left[0], window)) else None


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
