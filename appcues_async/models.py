"""What the API answers.

Every model is frozen and tolerant: fields that these documents do not know are kept in `extra`, a
status nobody has seen before is kept as it is, and a missing optional field is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

__all__ = ["Accepted", "Job", "JobEvent", "Segment"]

COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"


@frozen(kw_only=True)
class JobEvent:
    """One step of an offline job.

    Attributes:
        name: What happened; `Ingesting` and `Completed` are documented.
        timestamp: When; the API writes it without a zone, read here as UTC.
        attributes: What is known of it, as counts of rows and milliseconds.
        extra: Fields that the documents do not name.
    """

    name: str
    timestamp: datetime | None = None
    attributes: Mapping[str, Any] = field(factory=dict)
    extra: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Job:
    """An offline job (the API's "Offline Jobs").

    Attributes:
        id: The job's id.
        name: What it does, in the API's words; `Import Profiles` is documented.
        status: IN_PROGRESS, COMPLETED or FAILED, or a word not seen before: still running.
        started_at: When it was created; the API writes it without a zone, read here as UTC.
        url: Where it can be looked up.
        events: Its steps so far, oldest first; a list of jobs leaves them out.
        extra: Fields that the documents do not name.
    """

    id: str
    name: str = ""
    status: str = ""
    started_at: datetime | None = None
    url: str = ""
    events: tuple[JobEvent, ...] = ()
    extra: Mapping[str, Any] = field(factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it is over, well or badly."""
        return self.status in {COMPLETED, FAILED}

    @property
    def ingestions_completed(self) -> int | None:
        """Rows taken, once the job has said so."""
        return self._count("ingestions_completed")

    @property
    def ingestions_failed(self) -> int | None:
        """Rows not taken, once the job has said so."""
        return self._count("ingestions_failed")

    @property
    def requests_failed(self) -> int | None:
        """Requests inside Appcues that failed, once the job has said so."""
        return self._count("requests_failed")

    @property
    def runtime_ms(self) -> int | None:
        """Milliseconds of work, once the job has said so."""
        return self._count("runtime_ms")

    def _count(self, name: str) -> int | None:
        for event in reversed(self.events):
            value = event.attributes.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return int(value)
        return None


@frozen(kw_only=True)
class Accepted:
    """A 202: the work was accepted and is done offline.

    Attributes:
        job_id: The id of the job that does it.
        job_url: Where that job can be looked up.
        extra: Fields that the documents do not name.
    """

    job_id: str
    job_url: str = ""
    extra: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Segment:
    """A segment of an account's users (the API's "Segments").

    Attributes:
        id: The segment's id.
        name: Its name.
        description: Its description.
        created_at: When it was created.
        updated_at: When it was last changed.
        created_by: The id of who created it.
        updated_by: The id of who changed it last.
        url: Where it can be looked up.
        extra: Fields that the documents do not name.
    """

    id: str
    name: str = ""
    description: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    created_by: str | None = None
    updated_by: str | None = None
    url: str = ""
    extra: Mapping[str, Any] = field(factory=dict)
