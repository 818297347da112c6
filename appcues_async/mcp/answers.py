"""The answers of tools: plain values, previews, and errors without secrets, links and paths."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias, TypeVar, cast

import attrs
import msgspec
from attrs import frozen
from mcp.server.mcpserver.exceptions import ToolError

from appcues_async.client import AppcuesClient
from appcues_async.errors import AppcuesError, InvalidInput, JobPending
from appcues_async.models import Job, as_row, without_links
from appcues_async.text import hide_links
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.rehearsal import NothingSent, Rehearsal

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = [
    "Content",
    "Folder",
    "Scope",
    "content_of",
    "job_content",
    "plain",
    "rehearsed_client",
]

Content: TypeAlias = dict[str, Any]
"""A JSON object."""

P = ParamSpec("P")
T = TypeVar("T")

NOBODY: Final = "nobody"
"""The account that rehearsals are of, and its key."""
_LARGEST: Final = 2_000
"""Characters of an error's message; a summary of a bulk run may have more."""


def plain(value: Any) -> Any:
    """Makes JSON values of what a model holds, such as times."""
    return msgspec.to_builtins(value, enc_hook=str)


def content_of(model: attrs.AttrsInstance) -> Content:
    """Makes a JSON object of a model, with the fields that the documents do not name."""
    content: Content = plain(as_row(model))
    return content


def job_content(handle: JobHandle) -> Content:
    """Describes a job as far as it has been seen, with the token that takes its wait up again."""
    job = handle.job
    seen = {"status": "not looked at yet"} if job is None else _told(job)
    return {"id": handle.id, **seen, "ended": handle.done(), "token": handle.token}


def _told(job: Job) -> Content:
    return content_of(without_links(job))


@frozen
class Folder:
    """The folder that files are read from and written to; nothing outside of it is touched.

    Attributes:
        path: The folder, without links.
    """

    path: Path

    @classmethod
    def at(cls, path: Path) -> Folder:
        """Takes a folder.

        Raises:
            InvalidInput: It is none.
        """
        if not path.is_dir():
            raise InvalidInput(f"--folder {path} is no folder; make it, or name another")
        return cls(path.resolve())

    def file(self, name: str) -> Path:
        """Finds a file below the folder.

        Raises:
            InvalidInput: The name, or a link that it goes through, leads elsewhere.
        """
        try:
            found = (self.path / name).resolve()
        except (OSError, ValueError):
            raise InvalidInput(
                "the path cannot be a file's; name a file below the folder"
            ) from None
        if not found.is_relative_to(self.path) or found == self.path:
            raise InvalidInput(
                f"{name!r} leads out of the folder that is served; name a file below it"
            )
        return found

    def hidden(self, text: str) -> str:
        """Takes out of text where the folder is."""
        return text.replace(f"{self.path}/", "").replace(str(self.path), ".")


@frozen
class Scope:
    """The account and the folder that every tool works on.

    Attributes:
        client: The account.
        folder: Where files are.
        preview: Whether nothing that changes the account is ever sent.
    """

    client: AppcuesClient
    folder: Folder
    preview: bool = False

    async def change(
        self, call: Callable[[AppcuesClient], Awaitable[Content]], *, dry_run: bool
    ) -> Content:
        """Makes a call that changes something, or shows what it would send.

        Args:
            call: Makes it, and answers once it is done.
            dry_run: Whether to send nothing.
        """
        if not (dry_run or self.preview):
            return await call(self.client)
        rehearsal = Rehearsal()
        async with rehearsed_client(rehearsal) as client:
            with suppress(NothingSent):
                await call(client)
        return {"dry_run": True, "would_send": [_request(one) for one in rehearsal.requests]}

    def tool(self, method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """Makes a tool of a method: its errors say what went wrong, and show nothing else."""

        @functools.wraps(method)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await method(*args, **kwargs)
            except AppcuesError as error:
                failure = self._failure(error)
            # Raised out here, so that nothing of the error's causes goes along.
            raise failure

        return guarded

    def message_of(self, error: AppcuesError) -> str:
        """The text of an error, without links and without where the folder is."""
        said = self.folder.hidden(hide_links(str(error)))
        return said if len(said) <= _LARGEST else said[:_LARGEST] + "…"

    def _failure(self, error: AppcuesError) -> ToolError:
        content = {
            "type": type(error).__name__,
            "status": error.status,
            "message": self.message_of(error),
            "retry_after": error.retry_after,
            "delivery": error.delivery.value,
        }
        if isinstance(error, JobPending):
            content["token"] = error.token
        return ToolError(json.dumps(content, ensure_ascii=False))


def rehearsed_client(rehearsal: Rehearsal) -> AppcuesClient:
    """Makes a client that sends nothing, and so needs no credentials."""
    session = cast("ClientSession", rehearsal)
    return AppcuesClient(NOBODY, NOBODY, NOBODY, session=session, throttle=None)


def _request(request: Mapping[str, Any]) -> Content:
    # The account of a rehearsal is nobody's.
    path = request["url"].partition(f"/{NOBODY}/")[2]
    return {"method": request["method"], "path": path, "body": request["body"] or None}
