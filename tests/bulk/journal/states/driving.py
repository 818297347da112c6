"""How the machine is driven: runs that go on tick by tick, time that passes, processes that die."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter, deque
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

import pytest

from appcues_async import AppcuesClient, InvalidInput, PollPolicy, Timeouts
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.bulk.resource import with_steps
from appcues_async.bulk.run import BulkRun
from appcues_async.recovery.ownership import of_this_process
from appcues_async.sandbox import Close, Fault, Instruction, Reset, Sandbox
from appcues_async.sandbox.jobs import Work
from appcues_async.settings import OnUnknown
from appcues_async.wire.throttle import LocalThrottle
from tests.bulk.journal.states.processes import (
    COUNT,
    FIRST_ROW,
    IDLE,
    KEYS,
    SETTLED,
    TICK,
    Key,
    Process,
    Upload,
    ended,
    on_step,
    taken_up,
    written,
)
from tests.bulk.journal.states.proxy import Proxy
from tests.bulk.journal.states.times import CountedHold, LeapClock
from tests.conftest import SOON

__all__ = ["SETTLE", "Driver"]

SETTLE: Final = 15.0
STEP_BOUND: Final = 25.0
"""Real seconds that any step may take."""
WAIT_BOUND: Final = 4_000.0
"""Seconds of the clock after which a wait is taken for one that does not end."""
CHUNK_BYTES: Final[dict[Key, int]] = {"a": 14_000, "b": 14_000, "p": 3_000}

POLLING = PollPolicy(first=0, low=0.5, high=5, grace=1)
EVENT = '{{"user_id":"{}{:04}","name":"P","timestamp":"2026-07-14T12:00:00Z"}}\n'


class Driver:
    """Processes that share a journal, and the server they talk to."""

    def __init__(self) -> None:
        """Starts with an empty server and no process."""
        self.steps: list[str] = []
        self.broken = False
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Path(self.folder.name) / "journal.db"
        self.paths: dict[Key, Path] = {}
        for key in KEYS:
            path = self.paths[key] = (
                Path(self.folder.name) / f"{key}.{'csv' if key == 'p' else 'ndjson'}"
            )
            rows = (EVENT.format(key, one) for one in range(COUNT))
            if key == "p":
                rows = (f"p{one:04},pro\n" for one in range(COUNT))
                path.write_text("user_id,plan\n" + "".join(rows))
            else:
                path.write_text("".join(rows))
        self.runner = asyncio.Runner()
        # What a process that was killed was about to do fails, and nobody is left to see it.
        self.runner.get_loop().set_exception_handler(lambda _loop, _context: None)
        self.clock = LeapClock()
        self.sandbox = Sandbox(rate_limit=None)
        self.throttle: LocalThrottle | None = None
        self.processes: list[Process] = []
        self.current: dict[Key, Upload] = {}
        self.instructions: list[Instruction] = []
        self.allowed: dict[Key, set[int]] = {key: set() for key in KEYS}
        """First rows of chunks that `resend` may have sent more than once."""
        self.done: dict[Key, set[tuple[int, int]]] = {key: set() for key in KEYS}
        """What was reported to be done, by first and last row."""
        self.begun: set[Key] = set()
        self.proxy: Proxy | None = None
        self.times_differ = False
        """Whether clocks differ, or an upload has reached the server long after it was sent."""
        CountedHold.standing = 0

    def _do(self, what: str, work: Awaitable[Any]) -> Any:
        async def bounded() -> Any:
            try:
                async with asyncio.timeout(STEP_BOUND):
                    return await work
            except TimeoutError:
                pytest.fail(f"{what} does not end: {self._state()}")

        return self.runner.run(bounded())

    def _state(self) -> str:
        live = {key: str(upload.task) for key, upload in self.current.items()}
        chunks = Counter(chunk["status"] for chunk in self._chunks().values())
        return f"{live}, {chunks}, {len(self.sandbox.requests)} requests"

    def _add(self, fault: Fault, *, method: str, path: str, skip: int, times: int) -> None:
        added = self.sandbox.faults.add(fault, method=method, path=path, skip=skip, times=times)
        self.instructions.append(added)

    def _begin(
        self,
        key: Key,
        way: OnUnknown,
        *,
        kill: tuple[Step, int] | None = None,
        fresh: bool = True,
        concurrency: int = 2,
        wait: bool = True,
    ) -> Upload:
        options: dict[str, Any] = {
            "on_unknown": way,
            "concurrency": concurrency,
            "wait": wait,
        }
        if way == "resend":
            settled = {
                row
                for (one, first), chunk in self._chunks().items()
                if one == key and chunk["status"] in SETTLED
                for row in range(first, first + chunk["rows"])
            }
            self.allowed[key] |= set(range(COUNT)) - settled

        async def begin() -> Upload:
            live = [one for one in self.processes if not one.dead]
            process = live[-1] if live and not fresh else await self._process()
            upload = Upload(key, self._run_of(process, key, **options), process, way, kill)
            upload.begin()
            return upload

        upload: Upload = self._do(f"beginning {key}", begin())
        self.current[key] = upload
        self.begun.add(key)
        return upload

    async def _process(self) -> Process:
        # Another process knows nothing of what others have seen.
        of_this_process.clear()
        credentials: Any = {**self.sandbox.credentials, "base_url": self._url()}
        client = AppcuesClient(
            **credentials,
            retry=SOON,
            polling=POLLING,
            timeouts=Timeouts(settle=SETTLE, idle=IDLE, budget=1000),
            throttle=self.throttle,
            clock=self.clock,
        )
        process = Process(await client.__aenter__())
        self.processes.append(process)
        return process

    def _url(self) -> str:
        return self.sandbox.url if self.proxy is None else self.proxy.url

    def _start_elsewhere(self, rows: int) -> None:
        """Another producer starts a job, which goes well."""
        jobs = self.sandbox._jobs
        plans, jobs._plans = jobs._plans, deque()
        jobs.start("import_events", Work(rows=rows))
        jobs._plans = plans

    def _go_on(self, key: Key, ticks: int | None) -> None:
        """Lets a run go on, some ticks or to its end; the others go on with it."""
        self._do(f"run {key}", self._drive(self.current[key], ticks))
        self._do("what has ended", self._reap())

    async def _drive(self, upload: Upload, ticks: int | None) -> None:
        until = self.clock.time() + WAIT_BOUND
        while not upload.task.done() and ticks != 0:
            await self._tick(upload.task)
            if ticks is not None:
                ticks -= 1
            if self.clock.time() > until:
                pytest.fail(f"run {upload.key} still waits after {WAIT_BOUND} s: {self._state()}")

    async def _tick(self, task: asyncio.Task[Any] | None = None) -> None:
        """Lets everything move, and where nothing does, the time pass to what is next due."""
        if await self._is_calm(task):
            await self._leap(min(max(self.clock.next_due(), 0.01), 3.0))

    async def _is_calm(self, task: asyncio.Task[Any] | None = None) -> bool:
        for _ in range(2):
            before = len(self.sandbox.requests)
            if task is not None:
                await asyncio.wait([task], timeout=TICK)
                if task.done():
                    return False
            else:
                await asyncio.sleep(TICK)
            for process in self.processes:
                await written(process)
            if CountedHold.standing or self._open() or len(self.sandbox.requests) != before:
                return False
        return True

    def _open(self) -> int:
        """Requests that the server has not answered yet."""
        cut = sum(one.hits for one in self.instructions if isinstance(one.fault, Reset | Close))
        unanswered = sum(one.status is None and not one.aborted for one in self.sandbox.requests)
        return max(0, unanswered - cut)

    async def _quiet(self) -> None:
        """Waits until the server owes nobody an answer: by then, things were applied or never are."""
        while not await self._is_calm():
            pass

    async def _leap(self, seconds: float) -> None:
        self.sandbox.advance(seconds)
        self.clock.leap(seconds)
        await asyncio.sleep(0)

    async def _pass(self, seconds: float) -> None:
        await self._quiet()
        until = self.clock.time() + seconds
        while (left := until - self.clock.time()) > 0:
            await self._leap(min(left, 2.0, max(self.clock.next_due(), 0.01)))
            await self._quiet()
        await self._reap()

    async def _crash(self, process: Process) -> None:
        for upload in process.uploads:
            await taken_up(upload)
        process.die()
        await self._reap()

    async def _cancel(self, upload: Upload, awaited: bool) -> None:
        if awaited:
            upload.task.cancel()
        else:
            await upload.run.cancel()
        await asyncio.wait([upload.task])
        await self._reap()

    async def _reap(self) -> None:
        """Takes note of what has ended, and buries processes."""
        for key, upload in tuple(self.current.items()):
            if upload.process.dead:
                await ended(upload)
            if upload.task.done():
                del self.current[key]
                self._note_end(upload)
        for process in tuple(self.processes):
            if process.dead:
                self.processes.remove(process)
                for upload in process.uploads:
                    await ended(upload)
                await process.client.__aexit__(None, None, None)

    def _note_end(self, upload: Upload) -> None:
        if upload.process.dead:
            # It was seen by nobody.
            for task in (upload.task, upload.run._task):
                if task is not None and task.done() and not task.cancelled():
                    task.exception()
            return
        if upload.cancelled:
            assert upload.task.cancelled() or upload.task.exception() is None
        else:
            upload.task.result()
        self._note_done(upload)
        _, applied = self._posts()
        for one in upload.run.report.outcomes:
            if one.status == "refused" and upload.key != "p":
                key, first = upload.key, one.first - 1
                if first not in self.allowed[key]:
                    assert not applied[key, first], f"said to be refused: {key}{first}, {one.error}"

    def _note_done(self, upload: Upload) -> None:
        for one in upload.run.report.outcomes:
            if one.status == "completed" and not upload.process.dead:
                assert one.ingested == one.rows
                self.done[upload.key].add((one.first - 1, one.last - 1))

    async def _refused_while_another_runs(self, key: Key) -> None:
        first = self.current[key]
        await taken_up(first)
        process = await self._process()
        second = Upload(key, self._run_of(process, key), process, "reconcile")
        second.begin()
        while not (second.task.done() or first.task.done()):
            await asyncio.wait([first.task, second.task], return_when=asyncio.FIRST_COMPLETED)
        if first.task.done():
            # There is nobody to stand back for any more.
            second.cancelled = True
            await second.run.cancel()
            await asyncio.wait([second.task])
        else:
            with pytest.raises(InvalidInput, match="is working on"):
                second.task.result()
        self.processes.remove(process)
        await process.client.__aexit__(None, None, None)
        await self._reap()

    def _run_of(self, process: Process, key: Key, **options: Any) -> BulkRun:
        bulk = with_steps(process.client.bulk, on_step)
        upload = bulk.import_profiles if key == "p" else bulk.import_events
        options = {"journal": self.journal, "on_failure": "report", **options}
        options = {"chunk_bytes": CHUNK_BYTES[key], **options}
        return upload(self.paths[key], **options)

    async def _close(self) -> None:
        for process in self.processes:
            process.die()
        for process in self.processes:
            for upload in process.uploads:
                await ended(upload)
            await process.client.__aexit__(None, None, None)
        if self.proxy is not None:
            await self.proxy.close()
        if self.sandbox._url is not None:
            await self.sandbox.__aexit__(None, None, None)

    # What there is.

    def _posts(self) -> tuple[Counter[tuple[Key, int]], Counter[tuple[Key, int]]]:
        """How often each chunk was sent, and how often it was applied, by its first row."""
        sent: Counter[tuple[Key, int]] = Counter()
        applied: Counter[tuple[Key, int]] = Counter()
        for one in self.sandbox.requests:
            if one.method != "POST" or not one.body or not (row := FIRST_ROW.search(one.body)):
                continue
            key: Any = row[1].decode()
            sent[key, int(row[2])] += 1
            applied[key, int(row[2])] += one.applied
        return sent, applied

    def _chunks(self) -> dict[tuple[Key, int], dict[str, Any]]:
        """What the journal says of the chunks, by their first rows."""
        keys = {str(path): key for key, path in self.paths.items()}
        if not self.journal.exists():
            return {}
        with contextlib.suppress(InvalidInput):
            shown = read_journal(self.journal)
            return {(keys[one["source"]], one["first"] - 1): one for one in shown.chunks}
        assert not self.sandbox.requests, "something was sent before there was a journal"
        return {}

    def _story(self, key: Key, first: int, rows: int) -> str:
        """What was sent of a chunk, and which jobs have as many rows."""
        sent = [
            (round(one.arrived, 2), one.status, one.applied)
            for one in self.sandbox.requests
            if one.body and (row := FIRST_ROW.search(one.body)) and one.method == "POST"
            if (row[1].decode(), int(row[2])) == (key, first)
        ]
        jobs = [
            (one.id, one.kind, one.status, one.rows, round(one.started, 2))
            for one in self.sandbox.jobs.values()
        ]
        chunks = [
            (place, one["rows"], one["status"], one["job"]) for place, one in self._chunks().items()
        ]
        return f"{rows} rows, sent {sent}, jobs {jobs}, chunks {chunks}"

    def _there(self) -> Counter[str]:
        there = Counter(event["user_id"] for event in self.sandbox.events)
        there.update(self.sandbox.profiles.keys())
        return there

    def _chunk_at(self, chunks: dict[tuple[Key, int], Any], key: Key, row: int) -> int:
        return max(first for one, first in chunks if one == key and first <= row)
