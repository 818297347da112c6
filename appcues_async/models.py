"""The API's answers.

Every model is frozen and tolerant: fields that these documents do not know are kept in `extra`, and so
is a time that cannot be read; a status nobody has seen before is kept as it is, and a missing optional
field is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import AttrsInstance, evolve, field, fields, frozen

from appcues_async.text import guard_links, hide_links, remove_links

__all__ = [
    "Accepted",
    "Checklist",
    "Event",
    "Experience",
    "Flow",
    "Job",
    "JobEvent",
    "Rows",
    "Segment",
    "Tag",
    "as_row",
    "without_links",
]

QUEUED: Final = "queued"
IN_PROGRESS: Final = "IN_PROGRESS"
COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"
ENDED: Final = frozenset({COMPLETED, FAILED})


def _shown(text: str) -> str:
    return repr(hide_links(text))


def _without_query(url: str) -> str:
    # Jobs are looked up by their path; a query could hold a signature.
    return url.partition("?")[0]


@frozen(kw_only=True)
class JobEvent:
    """One step of an offline job.

    Attributes:
        name: What happened; `Ingesting` and `Completed` are documented.
        timestamp: When; the API writes it without a zone, read here as UTC.
        attributes: What is known of it, as counts of rows and milliseconds. A text with a link in it is
            a `Link`: it is printed, and pickled, without what the link leads to.
        extra: Fields that the documents do not name.
    """

    name: str = field(default="", converter=hide_links)
    timestamp: datetime | None = None
    attributes: Mapping[str, Any] = field(factory=dict, converter=guard_links)
    extra: Mapping[str, Any] = field(factory=dict, converter=guard_links)


@frozen(kw_only=True)
class Job:
    """An offline job (the API's "Offline Jobs").

    Attributes:
        id: The job's id.
        name: What it does, in the API's words; `Import Profiles` is documented.
        status: IN_PROGRESS, COMPLETED or FAILED, or another word: still running. An analytics export
            is `queued` and `running` before it has ended.
        started_at: When it was created; the API writes it without a zone, read here as UTC.
        url: Where it can be looked up.
        events: Its steps so far, oldest first; a list of jobs leaves them out.
        extra: Fields that the documents do not name.
    """

    id: str = field(repr=_shown)
    name: str = field(default="", converter=hide_links)
    status: str = field(default="", converter=hide_links)
    started_at: datetime | None = None
    url: str = field(default="", converter=_without_query)
    events: tuple[JobEvent, ...] = ()
    extra: Mapping[str, Any] = field(factory=dict, converter=guard_links)

    @property
    def ended(self) -> bool:
        """Whether it is over, well or badly."""
        return self.status in ENDED

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


def without_links(job: Job) -> Job:
    """The job as it may be told to anyone: nothing in it is a link to a file."""
    events = tuple(
        evolve(event, attributes=remove_links(event.attributes), extra=remove_links(event.extra))
        for event in job.events
    )
    told = evolve(job, events=events, extra=remove_links(job.extra))
    return job if told == job else told


def as_row(model: AttrsInstance) -> dict[str, Any]:
    """Makes a row of a model: values by name, those that the documents do not name last."""
    row = {
        field.name: getattr(model, field.name)
        for field in fields(type(model))
        if field.name != "extra"
    }
    # The id and the name come first, wherever the model has them.
    named = {name: row[name] for name in ("id", "name") if name in row}
    return {**named, **row, **getattr(model, "extra", {})}


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
class _Item:
    """Something that the account has.

    Attributes:
        id: Its id.
        name: Its name; empty where it has none.
        created_at: When it was created.
        updated_at: When it was last changed.
        created_by: The id of who created it.
        updated_by: The id of who changed it last.
        url: Where it can be looked up.
        extra: Fields that are not named here.
    """

    id: str
    name: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    created_by: str | None = None
    updated_by: str | None = None
    url: str = ""
    extra: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Segment(_Item):
    """A segment of an account's users (the API's "Segments").

    Attributes:
        description: Its description.
    """

    description: str | None = None


@frozen(kw_only=True)
class Experience(_Item):
    """A pin, mobile experience, launchpad, banner, flow of the new kind, embed or NPS survey.

    Their fields are documented nowhere; these are the ones that flows have as well.

    Attributes:
        published: Whether it is published now.
        published_at: When it was last published, if ever.
    """

    published: bool | None = None
    published_at: datetime | None = None


@frozen(kw_only=True)
class Flow(Experience):
    """A flow (reference, "Flows").

    Attributes:
        frequency: How often it is shown, such as `once` or `every_time`.
    """

    frequency: str | None = None


@frozen(kw_only=True)
class Checklist(Experience):
    """A checklist; its fields are documented nowhere.

    Attributes:
        internal_name: Its name inside Appcues, in place of `name`.
        title: The title that its users read.
    """

    internal_name: str | None = None
    title: str | None = None


@frozen(kw_only=True)
class Tag(_Item):
    """A tag that experiences are sorted by."""


@frozen(kw_only=True)
class Event:
    """Something that a user did (reference, "Get User Event History").

    Attributes:
        name: What it was; Appcues' own begin with `appcues:`.
        timestamp: When, in the zone that was asked for.
        user_id: Who did it.
        attributes: What is known of it.
        extra: Fields that the documents do not name.
    """

    name: str
    timestamp: datetime | None = None
    user_id: str | None = None
    attributes: Mapping[str, Any] = field(factory=dict)
    extra: Mapping[str, Any] = field(factory=dict)


class Rows(list[dict[str, Any]]):
    """The rows of an analytics query: a list of values by name.

    Attributes:
        truncated: Whether the server had more rows than it answers at once (1,000).
    """

    truncated: bool

    def __init__(self, rows: Iterable[dict[str, Any]] = (), *, truncated: bool = False) -> None:
        """Keeps the rows.

        Args:
            rows: The rows, in the order of the answer.
            truncated: Whether some were left out.
        """
        super().__init__(rows)
        self.truncated = truncated
