"""Whose jobs are whose: what the clients of an account in this process know of their jobs and requests.

A journal knows the same of several processes; it is an `Owners` of its own, which is asked beside this
one.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Final, Protocol
from weakref import WeakValueDictionary

from attrs import evolve

from appcues_async.models import Job
from appcues_async.recovery.evidence import LATE, Claim, ClockSkew, Owned

__all__ = ["LocalOwners", "Owners", "SharedOwners", "join", "of_this_process"]

REMEMBERED: Final = 10_000
"""Own jobs that are kept at least; older ones are kept while an open request may need them."""
FORGOTTEN: Final = 1_000
"""Jobs that are dropped at a time."""
NAMES: Final = 20
"""Names of a route that are kept; a second one says already that names vary."""
KEPT: Final = 10 * LATE
"""Seconds that an abandoned request is kept beyond its end."""
ZONE: Final = 900.0
"""Seconds by which two time zones differ at least."""
ACCOUNTS: Final = 100
"""Accounts that are kept while no client of theirs is open."""


class Named(Protocol):
    """Has a name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


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


class LocalOwners:
    """The jobs and requests of one account in this process; for any number of threads."""

    def __init__(self) -> None:
        """Starts with nothing known."""
        self._mutex = threading.Lock()
        self._jobs: dict[str, tuple[str, float]] = {}
        self._unnamed: dict[str, str] = {}
        self._names: dict[str, dict[str, int]] = {}
        self._claims: dict[str, Claim] = {}
        self._abandoned: dict[str, Claim] = {}

    def open(self, claim: Claim) -> None:
        """Records a request before it is sent, or what is known of it now."""
        with self._mutex:
            self._abandoned.pop(claim.id, None)
            self._claims[claim.id] = claim

    def close(self, claim: Claim) -> None:
        """Drops a settled claim: any job that it started has an owner."""
        with self._mutex:
            self._claims.pop(claim.id, None)
            self._tidy(claim)

    def abandon(self, claim: Claim, now: float) -> None:
        """Records a request whose outcome can no longer be determined.

        It stays a rival of others for as long as its job could be taken for theirs.

        Args:
            claim: The request.
            now: The moment, in seconds since 1970.
        """
        ended = now if claim.ended is None else claim.ended
        with self._mutex:
            self._claims.pop(claim.id, None)
            self._abandoned[claim.id] = evolve(claim, ended=ended, answerable=False)
            self._tidy(claim)

    def unsettled(self, claim_id: str) -> Claim | None:
        """A request of which this process does not know all that it has started; None if it does."""
        with self._mutex:
            return self._claims.get(claim_id) or self._abandoned.get(claim_id)

    def is_certain(self, job_id: str) -> bool:
        """Whether the server said that a job is ours; False where it was found."""
        with self._mutex:
            return bool(self._jobs.get(job_id, ("", 0.0))[0])

    def own(self, job_id: str, kind: str, now: float, *, certain: bool = True) -> None:
        """Records that a job is ours.

        Args:
            job_id: The job.
            kind: The route that started it.
            now: The moment, in seconds since 1970.
            certain: Whether the server said so; only then does the job's name say what names of that
                route are.
        """
        with self._mutex:
            if job_id in self._jobs:
                return
            self._jobs[job_id] = (kind if certain else "", now)
            if certain:
                self._unnamed[job_id] = kind
            if len(self._jobs) > REMEMBERED and not len(self._jobs) % FORGOTTEN:
                self._forget(now)

    def record_names(self, jobs: Mapping[str, Named]) -> None:
        """Records the names of own jobs.

        Args:
            jobs: Jobs that were seen, by their ids.
        """
        with self._mutex:
            for job_id in self._unnamed.keys() & jobs.keys():
                if name := jobs[job_id].name:
                    shown = self._names.setdefault(self._unnamed.pop(job_id), {})
                    if name in shown or len(shown) < NAMES:
                        shown[name] = shown.get(name, 0) + 1

    def whose(self, listed: Collection[str]) -> Owned:
        """Says whose the listed jobs are, as far as is known now."""
        with self._mutex:
            return Owned(
                jobs={job_id: self._jobs[job_id][0] for job_id in listed if job_id in self._jobs},
                claims=[*self._abandoned.values(), *self._claims.values()],
                names={kind: dict(shown) for kind, shown in self._names.items()},
            )

    def list_lags_behind(
        self, listed: Collection[str], kind: str, since: float, until: float
    ) -> bool:
        """Whether a list lacks a job that it should show, since the server said that it is ours.

        Args:
            listed: The ids of the jobs that were listed.
            kind: The route that started it.
            since: When it was accepted at the earliest, in seconds since 1970.
            until: When at the latest.
        """
        with self._mutex:
            for job_id, (started_by, when) in reversed(self._jobs.items()):
                if when < since:
                    return False
                if started_by == kind and when <= until and job_id not in listed:
                    return True
        return False

    def clock_agrees(self, jobs: Iterable[Job], skew: ClockSkew) -> bool:
        """Whether own jobs started when they were accepted, and not in another zone's time.

        The API writes times without a zone. Where these are not UTC, no job is ruled out by its time.

        Args:
            jobs: The jobs that were listed.
            skew: How far the server's clock is ahead.
        """
        with self._mutex:
            for job in jobs:
                started_by, when = self._jobs.get(job.id, ("", 0.0))
                if started_by and job.started_at is not None:
                    late = job.started_at.timestamp() - when
                    if not skew.min - ZONE < late < skew.max + ZONE:
                        return False
        return True

    def _tidy(self, claim: Claim) -> None:
        """Drops abandoned claims that no open request can meet any more."""
        now = claim.began if claim.ended is None else claim.ended
        oldest = min([one.began for one in self._claims.values()], default=now)
        for one in tuple(self._abandoned.values()):
            ended = one.began if one.ended is None else one.ended
            if ended + KEPT < min(now, oldest):
                del self._abandoned[one.id]

    def _forget(self, now: float) -> None:
        oldest = min([one.began for one in self._claims.values()], default=now)
        for job_id, (_, when) in tuple(islice(self._jobs.items(), FORGOTTEN + 1)):
            if when + KEPT >= oldest:
                break
            del self._jobs[job_id]
            self._unnamed.pop(job_id, None)


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
"""What the clients of this process know."""


def join(theirs: Owned, ours: Owned, listed: Mapping[str, Named]) -> Owned:
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
    )


def _names_of(kinds: Mapping[str, str], listed: Mapping[str, Named]) -> dict[str, dict[str, int]]:
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
