"""Experiences other than flows, each type a resource of its own; and checklists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import asdict

from appcues_async.sandbox.content import EPOCH_TYPES, EXPERIENCE_TYPES, Experience
from appcues_async.sandbox.routes.publishing import Shelf, epoch_time, iso_time
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.state import State

__all__ = ["ROUTES"]


def _routes_of(noun: str) -> tuple[Route, ...]:
    def things(state: State) -> Mapping[str, Experience]:
        return state.experiences[noun]

    stamp = epoch_time if noun in EPOCH_TYPES else iso_time
    return Shelf(noun, "Experience", things, asdict, stamp).routes()


_CHECKLISTS: Final = Shelf(
    "checklists", "Checklist", lambda state: state.checklists, asdict, epoch_time
)

ROUTES: Final = (
    *(route for noun in EXPERIENCE_TYPES for route in _routes_of(noun)),
    *_CHECKLISTS.routes(),
)
