"""`client.outbox()`: events and profile updates that are taken at once, and sent in batches."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TypedDict, get_args

from attrs import frozen

from appcues_async.api.imports import IMPORT_EVENTS, IMPORT_PROFILES
from appcues_async.bulk.journal.run_journal import OnStep
from appcues_async.bulk.resource import check_names
from appcues_async.bulk.spec import Account
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import sleep_on
from appcues_async.errors import (
    AppcuesError,
    InvalidInput,
    OutboxPending,
)
from appcues_async.notices import Listener, OutboxClosed, notify
from appcues_async.outbox.disk import DiskStore
from appcues_async.outbox.failures import bulk_failed
from appcues_async.outbox.limits import Limits, OnFull
from appcues_async.outbox.memory import MemoryStore
from appcues_async.outbox.rows import KindName, Rows
from appcues_async.outbox.sender import OutboxSender
from appcues_async.outbox.store import FailedBatch, OutboxGauges, Store
from appcues_async.recovery.starting import Starter
from appcues_async.rows.ids import UserId, id_rule
from appcues_async.rows.kinds import EVENTS, PROFILES
from appcues_async.rows.values import one_of, shown, whole_number
from appcues_async.settings import OnUnknown

__all__ = ["Outbox", "OutboxOptions", "Wiring", "with_steps"]

MOST_ROWS: Final = 1_000_000
MOST_BYTES: Final = 500_000_000
_LOOK: Final = 0.02
"""Seconds between two looks at whether what was put has been sent."""
_ENDPOINTS: Final = {"events": IMPORT_EVENTS, "profiles": IMPORT_PROFILES}


class OutboxOptions(TypedDict, total=False):
    """Options of `client.outbox`; all are optional.

    Attributes:
        every: Seconds that rows are gathered for a batch; 2 when left out. 8 MB are sent before that.
        most_rows: Rows that are held at the most, in whatever state; 1,000,000 when left out.
        most_bytes: Bytes of all rows that are held; 500,000,000 when left out.
        on_full: What becomes of a row that finds no room. `wait` (when left out) lets its caller wait
            for up to `Timeouts.budget` seconds, and then raises `OutboxFull`; `raise` does so at once;
            `drop` lets it go, counts it in the gauges, and tells it as a notice.
        drain: Seconds that leaving the block takes at the most to send what waits; 5 when left out.
        allow_ids: Ids that are taken although they look like none, such as `null` or `12345.0`.
        on_notice: Receives every notice.
    """

    every: float
    most_rows: int
    most_bytes: int
    on_full: OnFull
    drain: float
    allow_ids: Iterable[UserId]
    on_notice: Listener | None


@frozen(kw_only=True)
class Wiring:
    """The parts of an open client that an outbox works with.

    Attributes:
        starter: Starts jobs.
        account: Whose rows these are.
        on_unknown: What to do about unknown outcomes.
        listener: Receives every notice.
        budget: Seconds that a caller waits for room.
        wait: Seconds that a flush may take.
        keep: Takes up the outbox, so that it is closed before the client.
    """

    starter: Starter
    account: Account
    on_unknown: OnUnknown
    listener: Listener | None
    budget: float
    wait: float
    keep: Callable[[Outbox], None]


class Outbox:
    """Events and profile updates that are kept, and sent in batches by a task of its own.

    Use it in `async with`, within that of the client. With a path, any number of processes may put into
    one file: one of them sends, and another takes over when it ends or dies. What `track` and
    `update_profile` have returned for survives the process. Without a path it does not.
    """

    def __init__(
        self,
        wiring: Callable[[], Wiring],
        path: str | os.PathLike[str] | None,
        options: OutboxOptions,
        *,
        on_step: OnStep | None = None,
    ) -> None:
        """Checks the options; opens nothing yet. `client.outbox` makes one."""
        check_names("outbox", options, OutboxOptions)
        self._wiring = wiring
        self._path = None if path is None else Path(path)
        self._every = _seconds(options.get("every", 2.0), "every", above=0.0)
        self._drain = _seconds(options.get("drain", 5.0), "drain")
        self._most_rows = whole_number(options.get("most_rows", MOST_ROWS), "most_rows", 1)
        self._most_bytes = whole_number(options.get("most_bytes", MOST_BYTES), "most_bytes", 1)
        self._on_full: OnFull = options.get("on_full", "wait")
        one_of("on_full", self._on_full, get_args(OnFull))
        rule = id_rule(options.get("allow_ids", ()))
        self._rows = Rows(EVENTS.with_ids(rule), PROFILES.with_ids(rule))
        self._on_notice = options.get("on_notice")
        self._on_step = on_step
        self._opened: _Opened | None = None
        self._pid = 0

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise RuntimeError("the outbox is open already; make another one with client.outbox()")
        wiring = self._wiring()
        self._opened = opened = _Opened(self, wiring)
        try:
            await opened.store.open()
        except BaseException:
            self._opened = None
            raise
        self._pid = os.getpid()
        opened.sending = asyncio.create_task(opened.sender.run(), name="appcues outbox")
        wiring.keep(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Sends what waits for up to `drain` seconds, and closes the outbox; may be repeated.

        What stays on disk is sent by the next process that opens the path. A notice says how much.
        """
        if self._opened is None:
            return
        self._check()
        opened, self._opened = self._opened, None
        await opened.close(self._drain)

    async def track(
        self,
        user_id: UserId,
        name: str,
        *,
        timestamp: datetime | str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Keeps an event, and returns: with a path once it is on the disk. Never waits for the network.

        Args:
            user_id: Who.
            name: What: at most 127 characters, not beginning with `appcues:`.
            timestamp: When: an aware datetime, or ISO 8601 text with an offset. None is now.
            attributes: What is known of it, by name; may be nested.

        Raises:
            InvalidInput: A value is refused, or the file cannot be written; nothing was kept.
            OutboxFull: There was no room.
            RuntimeError: The outbox is not open, or was opened before this process was forked.
        """
        opened = self._check()
        moment = opened.wiring.account.clock.now() if timestamp is None else timestamp
        await opened.store.put(self._rows.event(user_id, name, moment, attributes))

    async def update_profile(self, user_id: UserId, attributes: Mapping[str, Any]) -> None:
        """Keeps a change of a user's profile, and returns as `track` does.

        Changes of one user are merged in their order: of each attribute the last value counts.

        Args:
            user_id: Who.
            attributes: Text, numbers, booleans, dates, aware datetimes or None, by name.

        Raises:
            InvalidInput: A value is refused, or the file cannot be written; nothing was kept.
            OutboxFull: There was no room.
            RuntimeError: The outbox is not open, or was opened before this process was forked.
        """
        opened = self._check()
        await opened.store.put(self._rows.profile(user_id, attributes))

    async def flush(
        self,
        wait: bool = False,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - of the sending, not of this call
    ) -> None:
        """Waits until what was put before has been accepted, whichever process sends it.

        Args:
            wait: Wait until its jobs have ended as well.
            timeout: Seconds to wait at the most; `Timeouts.wait` when left out.

        Raises:
            BulkFailed: Rows that were put before are kept aside: refused, failed or unknown.
            OutboxPending: The time is over; the rows are kept, and sent when that is possible.
            RuntimeError: The outbox is not open, or was opened before this process was forked.
        """
        opened = self._check()
        clock, store = opened.wiring.account.clock, opened.store
        last = await store.urge()
        opened.sender.wake()
        until = clock.time() + (opened.wiring.wait if timeout is None else timeout)
        while True:
            pending = await store.pending(last)
            if not pending.unsent and not (wait and pending.running):
                break
            if clock.time() >= until:
                why = opened.sender.failure
                said = "" if why is None else f"; sending has failed: {why}"
                raise OutboxPending(
                    "the time to wait is over, and not all that was put before has been "
                    f"{'accepted' if pending.unsent else 'applied'}; it is kept, and sent as soon as it "
                    f"can be{said}"
                )
            await sleep_on(clock, _LOOK)
        if pending.aside:
            raise bulk_failed(pending.aside)

    async def failed(self) -> Sequence[FailedBatch]:
        """Lists the rows that are kept aside, by their batches, each with the reason.

        `appcues-async outbox retry` sends them again, or lets them go.
        """
        return await self._check().store.failed()

    async def gauges(self) -> OutboxGauges:
        """Says how it stands: what waits, the age of the oldest, what was sent, what is kept aside."""
        return await self._check().store.gauges()

    def __repr__(self) -> str:
        where = "in memory" if self._path is None else f"at {self._path}"
        return f"<Outbox {where}, {'open' if self._opened is not None else 'not open'}>"

    def _check(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError(
                "the outbox is not open; use it within `async with client.outbox(...) as outbox`"
            )
        if os.getpid() != self._pid:
            raise RuntimeError(
                f"this outbox was opened in process {self._pid}, and this is process {os.getpid()}, "
                "forked from it, where nothing would be sent: open an outbox after the fork, such as in "
                "the lifespan of the app; it may have the same path"
            )
        return self._opened


class _Opened:
    """The parts of an open outbox."""

    def __init__(self, outbox: Outbox, wiring: Wiring) -> None:
        clock = wiring.account.clock
        self.wiring = wiring
        self.listener = _both(wiring.listener, outbox._on_notice)
        self._limits = Limits(
            most_rows=outbox._most_rows,
            most_bytes=outbox._most_bytes,
            on_full=outbox._on_full,
            patience=wiring.budget,
            clock=clock,
            listener=self.listener,
            on_step=outbox._on_step,
        )
        self.on_disk = outbox._path is not None
        self.store: Store = (
            MemoryStore(wiring.account, self._limits)
            if outbox._path is None
            else DiskStore(outbox._path, wiring.account, self._limits)
        )
        self.sender = OutboxSender(
            self.store,
            self._uploader_of,
            every=outbox._every,
            clock=clock,
            listener=self.listener,
        )
        self.sending: asyncio.Task[None] | None = None

    def _uploader_of(self, kind: KindName) -> ChunkUploader:
        wiring = self.wiring
        return ChunkUploader(wiring.starter, _ENDPOINTS[kind], {}, wiring.on_unknown, kind)

    async def close(self, drain: float) -> None:
        """Sends what waits for so many seconds, and closes everything."""
        gauges: OutboxGauges | None = None
        try:
            with suppress(AppcuesError):
                await self._drain(drain)
        finally:
            # Shielded, so that what is written is written also where the leaving is cancelled.
            await asyncio.shield(asyncio.ensure_future(self._end()))
            gauges = self._gauges
        if gauges is not None:
            notify(
                self.listener,
                OutboxClosed(
                    waiting=gauges.waiting,
                    accepted=gauges.accepted,
                    failed=gauges.failed,
                    on_disk=self.on_disk,
                ),
            )

    _gauges: OutboxGauges | None = None

    async def _drain(self, seconds: float) -> None:
        clock = self.wiring.account.clock
        until = clock.time() + seconds
        if clock.time() >= until or self.store.others_send():
            # Who sends goes on; nobody is to wait for that at each restart of a worker.
            return
        last = await self.store.urge()
        self.sender.wake()
        while (await self.store.pending(last)).unsent and clock.time() < until:
            await sleep_on(clock, _LOOK)

    async def _end(self) -> None:
        if self.sending is not None:
            self.sending.cancel()
            await asyncio.wait([self.sending])
        self._limits.tell_rest()
        try:
            with suppress(AppcuesError):
                self._gauges = await self.store.gauges()
        finally:
            with suppress(AppcuesError):
                await self.store.close()


def with_steps(outbox: Outbox, on_step: OnStep) -> Outbox:
    """Makes an outbox that is not open tell of each step of a batch that is written down."""
    outbox._on_step = on_step
    return outbox


def _both(one: Listener | None, other: Listener | None) -> Listener | None:
    if one is None or other is None:
        return one or other

    def both(notice: Any) -> None:
        notify(one, notice)
        notify(other, notice)

    return both


def _seconds(value: object, name: str, above: float | None = None) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (value >= 0 if above is None else value > above):  # type: ignore[operator]
        rule = "a number of seconds" if above is None else f"a number of seconds above {above:.0f}"
        raise InvalidInput(f"{name} is {shown(value)}; it must be {rule}")
    return float(value)  # type: ignore[arg-type]
