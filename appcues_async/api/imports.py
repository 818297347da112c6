"""Profiles and events in bulk, one upload a call (reference, "Importing Data in Bulk")."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from appcues_async.recovery.starting import Starter
from appcues_async.rows.file_head import Format
from appcues_async.rows.ids import UserId, id_rule
from appcues_async.rows.kinds import EVENTS, PROFILES
from appcues_async.rows.sources import Source, body_of
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.request import BLOCK, Blocks, Body, Endpoint, Lane, Multipart, Repeat

__all__ = ["Imports"]

IMPORT_PROFILES: Final = Endpoint("POST", "import/profiles", lane=Lane.UPLOAD)
IMPORT_EVENTS: Final = Endpoint("POST", "import/events", Repeat.UNSAFE, Lane.UPLOAD)


class Imports:
    """`client.imports`: one upload of profiles or events."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def profiles(
        self,
        source: Source,
        *,
        format: Format | None = None,  # noqa: A002 - the public word
        storage_options: Mapping[str, Any] | None = None,
        allow_ids: Iterable[UserId] = (),
    ) -> JobHandle:
        """Uploads profile updates.

        Every row needs `user_id` or `userId`; its other columns are attributes of that user.

        Args:
            source: A path, bytes, rows (mappings), or a data frame, of up to 200,000,000 bytes; or a
                URL, of up to 20,000,000.
            format: How a file or bytes are written, when their name or content does not show it.
            storage_options: What fsspec opens the store of a URL with.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Returns:
            The job that applies them; await it to know how it went.

        Raises:
            InvalidInput: The source is refused, before anything is sent.
            AppcuesError: It was not accepted.
        """
        body = await body_of(
            source,
            PROFILES.with_ids(id_rule(allow_ids)),
            format=format,
            storage_options=storage_options,
        )
        return await self._starter.start(IMPORT_PROFILES.request(body))

    async def events(
        self,
        source: Source,
        *,
        format: Format | None = None,  # noqa: A002 - the public word
        storage_options: Mapping[str, Any] | None = None,
        allow_ids: Iterable[UserId] = (),
    ) -> JobHandle:
        """Uploads events.

        Every row needs `user_id` or `userId`, `name`, and `timestamp` in ISO 8601 with a zone; its other
        columns, and those in `attributes`, are attributes of the event. Uploading events twice records
        them twice, so an upload whose answer was lost is sent again only where the account's jobs show
        that it was not applied.

        Args:
            source: A path, bytes, rows (mappings), or a data frame, of up to 200,000,000 bytes; or a
                URL, of up to 20,000,000.
            format: How a file or bytes are written, when their name or content does not show it.
            storage_options: What fsspec opens the store of a URL with.
            allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.

        Returns:
            The job that applies them; await it to know how it went.

        Raises:
            InvalidInput: The source is refused, before anything is sent.
            OutcomeUnknown: Nothing says whether it was accepted.
            AppcuesError: It was not accepted.
        """
        body = await body_of(
            source,
            EVENTS.with_ids(id_rule(allow_ids)),
            format=format,
            storage_options=storage_options,
        )
        written_here = not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview)
        rows = await _lines_of(body) if written_here else None
        return await self._starter.start(IMPORT_EVENTS.request(body), rows=rows)


async def _lines_of(body: Body) -> int | None:
    """How many lines a body has in memory. Of a file, that need not be its rows."""
    part = body.part if isinstance(body, Multipart) else body
    if not isinstance(part, Blocks):
        return None

    def count() -> int:
        return sum(bytes(block).count(b"\n") for block in part.blocks)

    # Many lines must not hold the loop.
    return count() if part.size <= BLOCK else await asyncio.to_thread(count)
