"""Progress notifications of a tool that takes its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from attrs import define
from mcp.server.mcpserver import Context

from appcues_async.notices import BulkProgressed, Notice
from appcues_async.text import counted

__all__ = ["Call", "Stages", "progress_of"]

Call: TypeAlias = Context[Any, Any]
"""The call of a tool, whose client may want to hear of its progress."""

TICK: Final = 0.25
"""Seconds between two looks at what there is to tell."""
LATEST: Final = 5.0
"""Seconds between two notifications at the most: clients give up calls that they hear nothing of."""


@define(eq=False)
class Stages:
    """How far a bulk run or a sync is; a listener of its notices."""

    last: BulkProgressed | None = None

    def __call__(self, notice: Notice) -> None:
        """Takes a notice."""
        if isinstance(notice, BulkProgressed):
            self.last = notice

    def __str__(self) -> str:
        last = self.last
        if last is None:
            return "begun"
        return (
            f"{counted(last.rows_read, 'row')} read, {last.rows_rejected:,} rejected, "
            f"{last.rows_sent:,} sent, {last.rows_ingested:,} ingested"
        )


@asynccontextmanager
async def progress_of(
    call: Call, describe: Callable[[], str], seconds: float | None = None
) -> AsyncIterator[None]:
    """Notifies the client for as long as a call lasts, at each change and every few seconds.

    Progress is counted in seconds, which grow with each notification, as the protocol wants it.

    Args:
        call: The call.
        describe: Says how far it is.
        seconds: How long it may take, where that is known.
    """
    telling = asyncio.create_task(_tell(call, describe, seconds))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def _tell(call: Call, describe: Callable[[], str], total: float | None) -> None:
    began = time.monotonic()
    told, message = -LATEST, ""
    while True:
        now, said = time.monotonic() - began, describe()
        if said != message or now - told >= LATEST:
            told, message = now, said
            await call.report_progress(round(now, 3), total, said)
        await asyncio.sleep(TICK)
