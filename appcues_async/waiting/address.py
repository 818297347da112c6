"""Where a job is: its id, url and token, read and written."""

from __future__ import annotations

import json
import re
from typing import Final

from attrs import frozen

from appcues_async.errors import InvalidInput

__all__ = ["ANALYTICS", "EXPORT", "JobAddress"]

EXPORT: Final = "export/events"
ANALYTICS: Final = "analytics/exports"
"""The kinds of jobs that make a file; the second is looked up at a route of its own."""

_VERSION: Final = 1
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_URL: Final = re.compile(
    r"https?://[^/?#]+/v2/accounts/([^/?#]+)/(jobs|analytics/exports)/([^/?#]+)/?", re.IGNORECASE
)


@frozen
class JobAddress:
    """Where a job is, and all that another process needs to wait for it.

    Attributes:
        origin: The server's address.
        account_id: The account.
        id: The job's id.
        kind: The route that started it, such as `import/profiles`; empty if unknown.
    """

    origin: str
    account_id: str
    id: str
    kind: str = ""

    @property
    def url(self) -> str:
        """The job's URL; built here, never taken from a reply."""
        route = "jobs" if self.is_listed else self.kind
        return f"{self.origin}/v2/accounts/{self.account_id}/{route}/{self.id}"

    @property
    def is_listed(self) -> bool:
        """Whether the list of recent jobs can show it; analytics exports are never listed."""
        return self.kind != ANALYTICS

    @property
    def token(self) -> str:
        """The address as JSON, versioned, without credentials."""
        return json.dumps(
            {
                "version": _VERSION,
                "origin": self.origin,
                "account_id": self.account_id,
                "job_id": self.id,
                "kind": self.kind,
            },
            separators=(",", ":"),
        )

    @classmethod
    def of(cls, text: str, *, origin: str, account_id: str) -> JobAddress:
        """Parses a job's id, url or token; sends nothing.

        Only account, route and id of a url are used: requests always go to `origin`.

        Args:
            text: The id, url or token.
            origin: The server of this client.
            account_id: The account of this client.

        Raises:
            InvalidInput: It is none of these, or belongs to another account or server.
        """
        if not isinstance(text, str):
            raise InvalidInput(f"a job is named by text (id, url or token), not by {text!r}")
        text, kind = text.strip(), ""
        if text.startswith("{"):
            return cls._of_token(text, origin, account_id)
        if match := _URL.fullmatch(text):
            _check_account(match[1], account_id)
            kind = ANALYTICS if match[2].lower() == ANALYTICS else ""
            text = match[3]
        if not _ID.fullmatch(text):
            raise InvalidInput(
                f"{text!r} is no job id, job url or token; "
                "give handle.token, handle.url or the id that `jobs list` shows"
            )
        return cls(origin, account_id, text, kind)

    @classmethod
    def _of_token(cls, text: str, origin: str, account_id: str) -> JobAddress:
        try:
            content = json.loads(text)
            version, job_id = content["version"], content["job_id"]
        except (ValueError, KeyError, TypeError):
            raise InvalidInput("this is no job token; give handle.token as it was") from None
        if version != _VERSION:
            raise InvalidInput(
                f"the job token is of version {version!r}, and this release reads {_VERSION}; "
                "give the job's id instead"
            )
        _check_account(content.get("account_id"), account_id)
        if content.get("origin") != origin:
            raise InvalidInput(
                f"the job token is of {content.get('origin')!r}, and this client talks to "
                f"{origin!r}; use a client with that region or base_url"
            )
        kind = content.get("kind", "")
        if not isinstance(job_id, str) or not _ID.fullmatch(job_id) or not isinstance(kind, str):
            raise InvalidInput("this is no job token; give handle.token as it was")
        return cls(origin, account_id, job_id, kind)


def _check_account(given: object, account_id: str) -> None:
    if given != account_id:
        raise InvalidInput(
            f"the job belongs to account {given!r}, and this client acts for {account_id!r}; "
            "use a client of that account"
        )
