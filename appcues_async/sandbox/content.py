"""Flows, experiences, checklists, tags and groups, and those that exist at first."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar

from attrs import define, field

__all__ = [
    "AUTHOR",
    "EPOCH_TYPES",
    "EXPERIENCE_TYPES",
    "Checklist",
    "Experience",
    "Flow",
    "Group",
    "Tag",
    "seed_checklists",
    "seed_experiences",
    "seed_flows",
    "seed_tags",
]

#: Who made everything that nobody made through the API.
AUTHOR: Final = "620a104f-0000-4000-8000-000000000001"

#: The types of experiences as they stand in paths, and what the ids of their seeds start with.
EXPERIENCE_TYPES: Final[Mapping[str, str]] = {
    "pins": "pin",
    "mobile": "mobile",
    "launchpads": "launchpad",
    "banners": "banner",
    "flows-v2": "flow-v2-",
    "embeds": "embed",
    "nps": "nps",
}
#: Those whose times are milliseconds since 1970; all others have ISO 8601.
EPOCH_TYPES: Final = frozenset({"pins", "launchpads", "banners"})

_MADE: Final = ("2026-01-05T16:21:09Z", 1_767_630_069_000)
_PUBLISHED: Final = ("2026-01-05T17:00:42Z", 1_767_632_442_000)


@define(eq=False, kw_only=True)
class Flow:
    """A flow.

    Attributes:
        id: The flow's id.
        name: Its name.
        published: Whether it is shown to users.
        frequency: How often a user sees it, such as `once` or `every_time`.
        created_at: When it was made, in ISO 8601.
        created_by: Who made it.
        updated_at: When it last changed, in ISO 8601.
        updated_by: Who changed it.
        published_at: When it was last published, in ISO 8601; None for never.
    """

    id: str
    name: str
    published: bool
    frequency: str
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str
    published_at: str | None = None


@define(eq=False, kw_only=True)
class Experience:
    """An experience that is neither a flow nor a checklist.

    Attributes:
        id: The experience's id.
        type: What it is, as in its path, such as `pins`.
        name: Its name.
        published: Whether it is shown to users.
        created_at: When it was made: milliseconds since 1970 for pins, launchpads and banners, and
            ISO 8601 for the others, like all of its times.
        created_by: Who made it.
        updated_at: When it last changed.
        updated_by: Who changed it.
        published_at: When it was last published; None for never.
    """

    id: str
    type: str
    name: str
    published: bool
    created_at: str | int
    created_by: str = AUTHOR
    updated_at: str | int
    updated_by: str = AUTHOR
    published_at: str | int | None = None


@define(eq=False, kw_only=True)
class Checklist:
    """A checklist.

    Attributes:
        id: The checklist's id.
        internal_name: What its makers call it.
        title: What its users read.
        published: Whether it is shown to users.
        created_at: When it was made, in milliseconds since 1970, like all of its times.
        created_by: Who made it.
        updated_at: When it last changed.
        updated_by: Who changed it.
        published_at: When it was last published; None for never.
    """

    id: str
    internal_name: str
    title: str
    published: bool
    created_at: int
    created_by: str = AUTHOR
    updated_at: int
    updated_by: str = AUTHOR
    published_at: int | None = None


@define(eq=False, kw_only=True)
class Tag:
    """A tag.

    Attributes:
        id: The tag's id.
        name: Its name.
        created_at: When it was made, in ISO 8601.
        created_by: Who made it.
        updated_at: When it last changed, in ISO 8601.
        updated_by: Who changed it.
    """

    id: str
    name: str
    created_at: str = _MADE[0]
    created_by: str = AUTHOR
    updated_at: str = _MADE[0]
    updated_by: str = AUTHOR


@define(eq=False)
class Group:
    """A group of users, such as a company.

    Attributes:
        attributes: Its profile.
        user_ids: Who was put into it.
    """

    attributes: dict[str, Any] = field(factory=dict[str, Any])
    user_ids: set[str] = field(factory=set[str])


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


def seed_flows() -> dict[str, Flow]:
    """Two flows, of which one is published."""
    return _copies(_FLOWS)


def seed_experiences() -> dict[str, dict[str, Experience]]:
    """Two experiences of each type, of which one is published."""
    return {noun: _copies(_make_pair(noun)) for noun in EXPERIENCE_TYPES}


def seed_checklists() -> dict[str, Checklist]:
    """Two checklists, of which one is published."""
    return _copies(_CHECKLISTS)


def seed_tags() -> dict[str, Tag]:
    """Two tags."""
    return _copies((Tag(id="tag1", name="Onboarding"), Tag(id="tag2", name="Releases")))


def _copies(things: Iterable[_Thing]) -> dict[str, _Thing]:
    return {thing.id: copy.copy(thing) for thing in things}


def _make_pair(noun: str) -> tuple[Experience, Experience]:
    form = 1 if noun in EPOCH_TYPES else 0
    start = EXPERIENCE_TYPES[noun]
    return (
        Experience(
            id=f"{start}1",
            type=noun,
            name=f"First of {noun}",
            published=True,
            created_at=_MADE[form],
            updated_at=_PUBLISHED[form],
            published_at=_PUBLISHED[form],
        ),
        Experience(
            id=f"{start}2",
            type=noun,
            name=f"Second of {noun}",
            published=False,
            created_at=_MADE[form],
            updated_at=_MADE[form],
        ),
    )


_FLOWS: Final = (
    Flow(
        id="flow1",
        name="Welcome tour",
        published=True,
        frequency="once",
        created_at=_MADE[0],
        created_by=AUTHOR,
        updated_at=_PUBLISHED[0],
        updated_by=AUTHOR,
        published_at=_PUBLISHED[0],
    ),
    Flow(
        id="flow2",
        name="New report",
        published=False,
        frequency="every_time",
        created_at="2026-02-11T09:18:02Z",
        created_by=AUTHOR,
        updated_at="2026-02-11T09:18:02Z",
        updated_by=AUTHOR,
    ),
)

_CHECKLISTS: Final = (
    Checklist(
        id="checklist1",
        internal_name="First steps",
        title="Get started",
        published=True,
        created_at=_MADE[1],
        updated_at=_PUBLISHED[1],
        published_at=_PUBLISHED[1],
    ),
    Checklist(
        id="checklist2",
        internal_name="Second week",
        title="Dig deeper",
        published=False,
        created_at=_MADE[1],
        updated_at=_MADE[1],
    ),
)
