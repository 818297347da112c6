"""Refusals, and the error bodies of each API."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

__all__ = [
    "Refusal",
    "activity_problem",
    "analytics_problem",
    "customerio_problem",
    "problem_details",
    "title_of",
]


class Refusal(Exception):  # noqa: N818 - it is an answer to the caller, not an error of ours
    """Ends the handling of a request with an error answer.

    Args:
        status: The HTTP status to answer.
        detail: What was wrong, for a person to read.
        headers: Headers to add to the answer.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers: dict[str, str] = dict(headers or {})


def title_of(status: int) -> str:
    """Returns the reason phrase of a status, such as "Not Found"."""
    if status == 413:
        return "Payload Too Large"  # Python's own phrase for it differs from version to version
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def problem_details(status: int, detail: str) -> dict[str, Any]:
    """Returns the error body of version 2 of the API."""
    return {"error": True, "status": status, "title": title_of(status), "detail": detail}


def activity_problem(status: int, detail: str) -> dict[str, Any]:
    """Returns the error body of version 1 of the API."""
    return {
        "error": True,
        "message": {"description": detail, "title": title_of(status), "type": "error"},
        "status_code": status,
    }


def analytics_problem(status: int, detail: str) -> dict[str, Any]:
    """Returns the error body of the analytics of version 2."""
    return {"detail": detail, "status": status, "title": title_of(status)}


def customerio_problem(_status: int, detail: str) -> dict[str, Any]:
    """Returns the error body of Customer.io."""
    return {"meta": {"errors": [detail]}}
