"""Whose jobs are whose: what the clients of an account in this process know of their jobs and requests.

A journal knows the same of several processes; it is an `Owners` of its own, which is asked beside this
one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final, Protocol, TypeAlias
from weakref import WeakValueDictionary

from attrs import evolve, frozen

from appcues_async.models import Job
from appcues_async.recovery.evidence import Claim, Owned
from appcues_async.recovery.job_clock import LATE, Measurement
from appcues_async.wire.codec import JobSummary, job_of

__all__ = [
    "LocalOwners",
    "Owners",
    "SharedOwners",
    "join",
    "measurement_of",
    "of_this_process",
    "stamp_of",
]

REMEMBERED: Final = 10_000
"""Own jobs that are kept at least; older ones are kept while an open request may need them."""
FORGOTTEN: Final = 1_000
"""Jobs that are dropped at a time."""
NAMES: Final = 20
"""Names of a route that are kept; a second one says already that names vary."""
KEPT: Final = 10 * LATE
"""Seconds that an abandoned request is kept beyond its end."""
MEASUREMENTS: Final = 100
"""Looks at the clock that stamps jobs that are kept."""
ACCOUNTS: Final = 100
"""Accounts that are kept while no client of theirs is open."""


Seen: TypeAlias = Job | JobSummary
"""A job as a poll or a list shows it."""


class Owners(Protocol):
    """Knows whose jobs are whose, and which requests are not settled."""

    async def whose(self, listed: Collection[str]) -> Owned:
        """Says whose the listed jobs are, as far as is known now.

        It is called after each list, so that the answer is never older than the list. A request has to
        be known here before it is sent, and its job from the moment it is answered. Claims keep their
        `id` from one call to the next.

        Args:
            listed: The ids of the jobs that were listed.

        Raises:
            InvalidInput: That cannot be known any more, as when a journal cannot be read.
        """
        ...


@frozen
class _OwnJob:
    """A job of ours.

    Attributes:
        claim: The request that has started it, ended when its 202 was heard.
        certain: Whether the server said so; False where it was found.
        since: Since when that is known, on the clock of this process.
    """

    claim: Claim
    certain: bool
    since: float


class LocalOwners:
    """The jobs and requests of one account in this process; for any number of threads."""

    def __init__(self) -> None:
        """Starts with nothing known."""
        self._mutex = threading.Lock()
        self._jobs: dict[str, _OwnJob] = {}
        self._unnamed: dict[str, Claim] = {}
        self._unmeasured: dict[str, Claim] = {}
        self._names: dict[str, dict[str, int]] = {}
        self._claims: dict[str, tuple[Claim, float]] = {}
        self._abandoned: dict[str, tuple[Claim, float]] = {}
        self._measurements: deque[Measurement] = deque(maxlen=MEASUREMENTS)

    def open(self, claim: Claim, now: float) -> None:
        """Records a request before it is sent, or what is known of it now."""
        with self._mutex:
            self._abandoned.pop(claim.id, None)
            _, since = self._claims.get(claim.id, (claim, now))
            self._claims[claim.id] = claim, since

    def close(self, claim: Claim, now: float) -> None:
        """Drops a settled claim: any job that it started has an owner."""
        with self._mutex:
            self._claims.pop(claim.id, None)
            self._tidy(now)

    def abandon(self, claim: Claim, now: float) -> None:
        """Records a request whose outcome can no longer be determined.

        It stays a rival of others for as long as its job could be taken for theirs.
        """
        ended = now + claim.linger if claim.ended is None else claim.ended
        with self._mutex:
            self._claims.pop(claim.id, None)
            self._abandoned[claim.id] = evolve(claim, ended=ended, answerable=False), now
            self._tidy(now)

    def unsettled(self, claim_id: str) -> Claim | None:
        """A request of which this process does not know all that it has started; None if it does."""
        with self._mutex:
            claim, _ = self._claims.get(claim_id) or self._abandoned.get(claim_id) or (None, 0.0)
            return claim

    def is_certain(self, job_id: str) -> bool:
        """Whether the server said that a job is ours; False where it was found."""
        with self._mutex:
            return job_id in self._jobs and self._jobs[job_id].certain

    def own(self, job_id: str, claim: Claim, now: float, *, certain: bool = True) -> None:
        """Records that a job is ours.

        Args:
            job_id: The job.
            claim: The request that has started it.
            now: The moment, on the clock of this process.
            certain: Whether the server said so, and just now; only then does the job show what the names
                of that route are, and what the clock that stamps jobs said.
        """
        with self._mutex:
            if job_id in self._jobs:
                return
            claim = evolve(claim, ended=now, before=frozenset()) if certain else claim
            self._jobs[job_id] = _OwnJob(claim, certain, now)
            if certain:
                self._unnamed[job_id] = self._unmeasured[job_id] = claim
            if len(self._jobs) > REMEMBERED and not len(self._jobs) % FORGOTTEN:
                self._forget(now)

    def record_seen(self, jobs: Mapping[str, Seen]) -> None:
        """Records the names of own jobs, and what the clock that stamps jobs said.

        Args:
            jobs: Jobs that were seen, by their ids.
        """
        with self._mutex:
            for job_id in self._unnamed.keys() & jobs.keys():
                if name := jobs[job_id].name:
                    shown = self._names.setdefault(self._unnamed.pop(job_id).kind, {})
                    if name in shown or len(shown) < NAMES:
                        shown[name] = shown.get(name, 0) + 1
            for job_id in self._unmeasured.keys() & jobs.keys():
                claim, stamp = self._unmeasured.pop(job_id), stamp_of(jobs[job_id])
                if stamp is not None and (measured := measurement_of(claim, stamp)) is not None:
                    self._measurements.append(measured)

    def whose(self, listed: Collection[str]) -> Owned:
        """Says whose the listed jobs are, as far as is known now."""
        with self._mutex:
            mine = {job_id: self._jobs[job_id] for job_id in listed if job_id in self._jobs}
            claims = (*self._abandoned.values(), *self._claims.values())
            return Owned(
                jobs={job_id: one.claim.kind * one.certain for job_id, one in mine.items()},
                claims=[claim for claim, _ in claims],
                names={kind: dict(shown) for kind, shown in self._names.items()},
                heard={job_id: one.claim for job_id, one in mine.items() if one.certain},
                measurements=tuple(self._measurements),
            )

    def measurements(self) -> tuple[Measurement, ...]:
        """The measurements of the clock that stamps jobs."""
        with self._mutex:
            return tuple(self._measurements)

    def list_lags_behind(
        self, listed: Collection[str], kind: str, since: float, until: float
    ) -> bool:
        """Whether a list lacks a job that it should show, since the server said that it is ours.

        Args:
            listed: The ids of the jobs that were listed.
            kind: The route that started it.
            since: When it was accepted at the earliest, on the clock of this process.
            until: When at the latest.
        """
        with self._mutex:
            for job_id, one in reversed(self._jobs.items()):
                if one.since < since:
                    return False
                missing = one.since <= until and job_id not in listed
                if one.certain and one.claim.kind == kind and missing:
                    return True
        return False

    def _tidy(self, now: float) -> None:
        """Drops abandoned claims that no open request can meet any more."""
        oldest = min([since for _, since in self._claims.values()], default=now)
        for claim, since in tuple(self._abandoned.values()):
            if since + KEPT < oldest:
                del self._abandoned[claim.id]

    def _forget(self, now: float) -> None:
        oldest = min([since for _, since in self._claims.values()], default=now)
        for job_id, one in tuple(islice(self._jobs.items(), FORGOTTEN + 1)):
            if one.since + KEPT >= oldest:
                break
            del self._jobs[job_id]
            self._unnamed.pop(job_id, None)
            self._unmeasured.pop(job_id, None)


class SharedOwners:
    """The owners of each account, for all clients and loops of this process.

    They outlast the clients: one that is opened for each piece of work must not take a job for its own
    that the one before it has started.
    """

    def __init__(self) -> None:
        """Starts with nothing known."""
        self._mutex = threading.Lock()
        self._recent: dict[tuple[str, str], LocalOwners] = {}
        self._older: WeakValueDictionary[tuple[str, str], LocalOwners] = WeakValueDictionary()

    def of(self, origin: str, account_id: str) -> LocalOwners:
        """The owners of one account.

        Args:
            origin: The server.
            account_id: The account.
        """
        key = (origin, account_id)
        with self._mutex:
            owners = self._recent.pop(key, None) or self._older.get(key) or LocalOwners()
            self._recent[key] = owners
            if len(self._recent) > ACCOUNTS:
                oldest = next(iter(self._recent))
                # Its clients may be open still.
                self._older[oldest] = self._recent.pop(oldest)
        return owners

    def forget(self, origin: str, account_id: str) -> None:
        """Forgets one account, for servers that begin anew at the same address."""
        with self._mutex:
            self._recent.pop((origin, account_id), None)
            self._older.pop((origin, account_id), None)

    def clear(self) -> None:
        """Forgets everything, as the end of the process does; for tests of what comes after."""
        with self._mutex:
            self._recent.clear()
            self._older.clear()


of_this_process: Final = SharedOwners()
"""The owners of each account in this process."""


def join(theirs: Owned, ours: Owned, listed: Mapping[str, Seen]) -> Owned:
    """Joins what a journal and this process know; where they differ, this process is right.

    Args:
        theirs: What the journal knows.
        ours: What this process knows.
        listed: The jobs that were listed, by their ids.
    """
    claims = {one.id: one for one in (*theirs.claims, *ours.claims)}
    return Owned(
        jobs={**theirs.jobs, **ours.jobs},
        claims=tuple(claims.values()),
        names=_highest(ours.names, theirs.names, _names_of(theirs.jobs, listed)),
        heard={**theirs.heard, **ours.heard},
        measurements=(*ours.measurements, *_measured(theirs.heard, listed)),
    )


def stamp_of(job: Seen) -> float | None:
    """When a job was stamped, in seconds since 1970 by the clock of the server; None if it was not."""
    started_at = (job if isinstance(job, Job) else job_of(job)).started_at
    return None if started_at is None else started_at.timestamp()


def measurement_of(claim: Claim, stamp: float) -> Measurement | None:
    """Measures the clock that stamps jobs by an own job; None if its 202 was not heard."""
    if claim.ended is None:
        return None
    return Measurement(clock=claim.clock, sent=claim.began, heard=claim.ended, stamp=stamp)


def _measured(heard: Mapping[str, Claim], listed: Mapping[str, Seen]) -> list[Measurement]:
    """Measures it by the own jobs of a journal."""
    found = (
        measurement_of(claim, stamp)
        for job_id, claim in heard.items()
        if job_id in listed and (stamp := stamp_of(listed[job_id])) is not None
    )
    return [one for one in found if one is not None]


def _names_of(kinds: Mapping[str, str], listed: Mapping[str, Seen]) -> dict[str, dict[str, int]]:
    """How many jobs of each kind have which name."""
    shown: dict[str, dict[str, int]] = {}
    for job_id, kind in kinds.items():
        if kind and job_id in listed and (name := listed[job_id].name):
            counts = shown.setdefault(kind, {})
            counts[name] = counts.get(name, 0) + 1
    return shown


def _highest(*several: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """All names that were shown, each with its highest count, since they may count the same jobs."""
    shown: dict[str, dict[str, int]] = {}
    for one in several:
        for kind, counts in one.items():
            known = shown.setdefault(kind, {})
            for name, number in counts.items():
                known[name] = max(known.get(name, 0), number)
    return shown
