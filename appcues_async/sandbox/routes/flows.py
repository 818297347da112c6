"""Flows: read, published, unpublished."""

from __future__ import annotations

from typing import Final

from attrs import asdict

from appcues_async.sandbox.routes.publishing import Shelf

__all__ = ["ROUTES"]

_COLUMNS: Final = (
    "id",
    "name",
    "published",
    "frequency",
    "created_at",
    "updated_at",
    "published_at",
    "created_by",
    "updated_by",
    "url",
)

ROUTES: Final = Shelf("flows", "Flow", lambda state: state.flows, asdict, columns=_COLUMNS).routes()
