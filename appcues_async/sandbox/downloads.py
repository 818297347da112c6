"""Files that are fetched by a link alone, from outside of the API."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from attrs import frozen

from appcues_async.sandbox.clock import SandboxClock

__all__ = ["SIGNATURE", "Downloads", "File", "Link"]

#: The parameter of a link that holds what makes it valid.
SIGNATURE: Final = "X-Amz-Signature"


@frozen
class File:
    """A file that a job has made.

    Attributes:
        content: Its bytes.
        media_type: What they are.
    """

    content: bytes
    media_type: str


@frozen
class Link:
    """A link to a file, valid for some time.

    Attributes:
        path: Where it is, with the query that makes it valid.
        expires_at: Until when, in UTC.
    """

    path: str
    expires_at: datetime


class Downloads:
    """The files of ended jobs, and the links that lead to them.

    Args:
        clock: What time it is.
    """

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._files: dict[str, File] = {}
        self._links: dict[str, tuple[str, datetime]] = {}

    def keep(self, job_id: str, file: File) -> None:
        """Stores the file of a job."""
        self._files[job_id] = file

    def mint(self, job_id: str, seconds: float) -> Link:
        """Makes a new link to the file of a job, valid for some seconds."""
        signature = secrets.token_hex(16)
        expires_at = self._clock.now() + timedelta(seconds=seconds)
        self._links[signature] = (job_id, expires_at)
        query = urlencode({"X-Amz-Expires": round(seconds), SIGNATURE: signature})
        return Link(f"/files/{job_id}?{query}", expires_at)

    def find(self, job_id: str, signature: str) -> File | None:
        """Returns the file behind a link; None where the link is wrong or has expired."""
        job, expires_at = self._links.get(signature, ("", self._clock.now()))
        if job != job_id or self._clock.now() >= expires_at:
            return None
        return self._files.get(job_id)

    def clear(self) -> None:
        """Forgets all files and links."""
        self._files.clear()
        self._links.clear()
