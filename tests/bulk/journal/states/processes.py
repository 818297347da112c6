"""Clients that stand for processes, and what they upload."""

from __future__ import annotations

import asyncio
import contextlib
import re
from contextvars import ContextVar
from typing import Final, Literal, get_args

from attrs import define, field

from appcues_async import AppcuesClient, Report
from appcues_async.bulk.journal.locks import Locks
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.bulk.journal.store import Journal
from appcues_async.bulk.run import BulkRun
from appcues_async.settings import OnUnknown

__all__ = [
    "COUNT",
    "FIRST_ROW",
    "IDLE",
    "KEYS",
    "SETTLED",
    "TICK",
    "Key",
    "Killed",
    "Process",
    "Upload",
    "ended",
    "on_step",
    "taken_up",
    "written",
]

COUNT: Final = 600
IDLE: Final = 0.4
"""Real seconds after which an answer that does not come is given up."""
TICK: Final = 0.003
SETTLED: Final = {"accepted", "completed", "failed"}
Key = Literal["a", "b", "p"]
"""The sources: two of events, one of profiles."""
KEYS: tuple[Key, ...] = get_args(Key)
FIRST_ROW = re.compile(rb"\b([abp])(\d{4})\b")


class Killed(BaseException):
    """Stands for the end of a process."""


@define(eq=False)
class Process:
    """A client, and what it is doing."""

    client: AppcuesClient
    uploads: list[Upload] = field(factory=list)
    dead: bool = False

    def die(self) -> None:
        """Ends as by kill -9: nothing is written any more, and the kernel gives up its locks."""
        if self.dead:
            return
        self.dead = True
        for upload in self.uploads:
            if (journal := upload.run._journal) is not None:
                # A thread that has been shut down has closed it already.
                with contextlib.suppress(RuntimeError):
                    journal._thread.submit(_drop, journal._journal).result()
        for upload in self.uploads:
            if upload.run._task is not None and not upload.run._task.done():
                upload.run._task.cancel()
            upload.task.cancel()


@define(eq=False)
class Upload:
    """A run of a source in a process."""

    key: Key
    run: BulkRun
    process: Process
    way: OnUnknown
    kill: tuple[Step, int] | None = None
    cancelled: bool = False
    task: asyncio.Task[Report] = field(init=False)

    def begin(self) -> None:
        self.process.uploads.append(self)
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> Report:
        _upload.set(self)
        return await self.run


_upload: ContextVar[Upload | None] = ContextVar("upload", default=None)


class _NoLocks(Locks):
    """The locks of a process that is no more."""

    def __init__(self) -> None:
        """Holds none."""

    def close(self) -> None:
        """Has given them up."""


def _drop(journal: Journal) -> None:
    try:
        journal._db.execute("SELECT 1")
    except Exception:  # noqa: BLE001 - it was closed in an orderly way just before
        return
    journal._locks.close()
    journal._locks = _NoLocks()
    journal._db.close()


def on_step(step: Step, number: int) -> None:
    upload = _upload.get()
    if upload is not None and upload.kill == (step, number):
        upload.kill = None
        upload.process.die()
        raise Killed


async def taken_up(upload: Upload) -> None:
    """Waits until a run has its journal open."""
    while upload.run._journal is None and not upload.task.done():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(TICK)


async def ended(upload: Upload) -> None:
    await asyncio.wait([upload.task])
    if upload.run._task is not None:
        await asyncio.wait([upload.run._task])


async def written(process: Process) -> None:
    """Waits until what a process wants to write down is written."""
    for upload in process.uploads:
        if (journal := upload.run._journal) is not None:
            with contextlib.suppress(RuntimeError):
                await asyncio.wrap_future(journal._thread.submit(int))
