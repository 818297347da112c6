"""Whose a job is: what the clients of an account in this process know of their jobs and requests.

A journal knows the same of several processes; it brings an `Owners` of its own, which is asked beside
this one.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Final, Protocol
from weakref import WeakValueDictionary

from appcues_async.models import Job
from appcues_async.recovery.evidence import LATE, Claim, ClockSkew, Owned

__all__ = ["LocalOwners", "Owners", "shared_owners"]

REMEMBERED: Final = 10_000
"""Own jobs that are remembered at least; older ones are, for as long as a request may need them."""
FORGOTTEN: Final = 1_000
"""Jobs that are forgotten at a time."""
NAMES: Final = 20
"""Names of a route that are remembered; a second one says already that names vary."""
KEPT: Final = 10 * LATE
"""Seconds that a request which was never settled is remembered beyond its end."""
ZONE: Final = 900.0
"""Seconds by which two time zones differ at least."""
ACCOUNTS: Final = 100
"""Accounts that are remembered when no client of theirs is open."""


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


class Owners(Protocol):
    """Knows whose jobs are, and which requests are not settled."""

    async def look(self, listed: Collection[str]) -> Owned:
        """Tells what is known now; is asked after each list, so that it is never older than the list.

        A request has to be known here before it is sent, and the job of one that was answered from then
        on. Claims keep their `id` from one look to the next.

        Args:
            listed: The ids of the jobs that were listed; what is known of others is not needed.

        Raises:
            InvalidInput: It cannot be told any more, as when a journal cannot be read.
        """
        ...


class LocalOwners:
    """The jobs and requests of one account in this process; for any number of threads."""

    def __init__(self) -> None:
        """Begins with nothing known."""
        self._mutex = threading.Lock()
        self._jobs: dict[str, tuple[str, float]] = {}
        self._unnamed: dict[str, str] = {}
        self._names: dict[str, dict[str, int]] = {}
        self._claims: dict[str, Claim] = {}
        self._loose: dict[str, Claim] = {}

    def enter(self, claim: Claim) -> None:
        """Remembers a request, from before it is sent; or what is known of it now."""
        with self._mutex:
            self._loose.pop(claim.id, None)
            self._claims[claim.id] = claim

    def leave(self, claim: Claim) -> None:
        """Forgets a request that has started no job that nobody owns."""
        with self._mutex:
            self._claims.pop(claim.id, None)
            self._tidy(claim)

    def give_up(self, claim: Claim) -> None:
        """Takes a request for one that will never be settled; it may still have started a job.

        It stays a rival of others for as long as its job could be taken for theirs.
        """
        with self._mutex:
            self._claims.pop(claim.id, None)
            self._loose[claim.id] = claim
            self._tidy(claim)

    def own(self, job_id: str, kind: str, now: float, *, certain: bool = True) -> None:
        """Remembers that a job is ours.

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

    def see(self, jobs: Mapping[str, Named]) -> None:
        """Learns how own jobs are called, from what was seen of jobs, by their ids."""
        with self._mutex:
            for job_id in self._unnamed.keys() & jobs.keys():
                if name := jobs[job_id].name:
                    shown = self._names.setdefault(self._unnamed.pop(job_id), {})
                    if name in shown or len(shown) < NAMES:
                        shown[name] = shown.get(name, 0) + 1

    def look(self, listed: Collection[str]) -> Owned:
        """Tells what is known now of the jobs that were listed."""
        with self._mutex:
            return Owned(
                jobs={job_id: self._jobs[job_id][0] for job_id in listed if job_id in self._jobs},
                claims=[*self._loose.values(), *self._claims.values()],
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

    def clock_agrees(self, jobs: Iterable[Job], lead: ClockSkew) -> bool:
        """Whether own jobs started when they were accepted, and not in another zone's time.

        The API writes times without a zone. Where these are not UTC, no job is ruled out by its time.

        Args:
            jobs: The jobs that were listed.
            lead: How far the server's clock is ahead.
        """
        with self._mutex:
            for job in jobs:
                started_by, when = self._jobs.get(job.id, ("", 0.0))
                if started_by and job.started_at is not None:
                    late = job.started_at.timestamp() - when
                    if not lead.least - ZONE < late < lead.most + ZONE:
                        return False
        return True

    def _tidy(self, claim: Claim) -> None:
        """Forgets what no request that is open can meet any more."""
        now = claim.began if claim.ended is None else claim.ended
        oldest = min([one.began for one in self._claims.values()], default=now)
        for one in tuple(self._loose.values()):
            ended = one.began if one.ended is None else one.ended
            if ended + KEPT < min(now, oldest):
                del self._loose[one.id]

    def _forget(self, now: float) -> None:
        oldest = min([one.began for one in self._claims.values()], default=now)
        for job_id, (_, when) in tuple(islice(self._jobs.items(), FORGOTTEN + 1)):
            if when + KEPT >= oldest:
                break
            del self._jobs[job_id]
            self._unnamed.pop(job_id, None)


_shared: Final[dict[tuple[str, str], LocalOwners]] = {}
_older: Final[WeakValueDictionary[tuple[str, str], LocalOwners]] = WeakValueDictionary()
_mutex: Final = threading.Lock()


def shared_owners(origin: str, account_id: str) -> LocalOwners:
    """What is known of an account in this process, whichever loops its clients run on.

    It outlasts them: a client that is opened for each piece of work must not take a job for its own
    that the one before it has started.

    Args:
        origin: The server.
        account_id: Whose jobs it is about.
    """
    key = (origin, account_id)
    with _mutex:
        owners = _shared.pop(key, None) or _older.get(key) or LocalOwners()
        _shared[key] = owners
        if len(_shared) > ACCOUNTS:
            oldest = next(iter(_shared))
            # Its clients may be open still.
            _older[oldest] = _shared.pop(oldest)
    return owners
