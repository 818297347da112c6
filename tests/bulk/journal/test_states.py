"""Client, journal and server in any order of what can happen to them: each row is applied once.

Hypothesis draws uploads, faults, deaths of processes, reruns, cancellations and the passing of time;
what was promised is looked at after each of them. The server is real and speaks HTTP. Time is real as
well, and leaps to what is next due wherever nothing moves, so that nobody waits for the settle time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

import pytest
from attrs import define, field
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from appcues_async import (
    AppcuesClient,
    InvalidInput,
    OutcomeUnknown,
    Pace,
    PollPolicy,
    Report,
    Timeouts,
)
from appcues_async.bulk.journal.file import read_journal
from appcues_async.bulk.journal.locks import Locks
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.bulk.journal.store import Journal
from appcues_async.bulk.resource import with_steps
from appcues_async.bulk.run import BulkRun
from appcues_async.recovery.ownership import of_this_process
from appcues_async.sandbox import (
    Answer,
    Close,
    Fault,
    Hold,
    Instruction,
    JobPlan,
    Reset,
    Sandbox,
    Stall,
    Truncate,
)
from appcues_async.settings import OnUnknown
from appcues_async.wire.throttle import LocalThrottle
from tests.conftest import SOON

COUNT: Final = 600
SETTLE: Final = 15.0
IDLE: Final = 0.4
"""Real seconds after which an answer that does not come is given up."""
TICK: Final = 0.003
STEP_BOUND: Final = 25.0
"""Real seconds that any step may take."""
WAIT_BOUND: Final = 4_000.0
"""Seconds of the clock after which a wait is taken for one that does not end."""
STEPS: tuple[Step, ...] = get_args(Step)
WAYS: tuple[OnUnknown, ...] = ("reconcile", "raise", "resend")
SETTLED: Final = {"accepted", "completed", "failed"}
Key = Literal["a", "b", "p"]
"""The sources: two of events, one of profiles."""
KEYS: tuple[Key, ...] = get_args(Key)
CHUNK_BYTES: Final[dict[Key, int]] = {"a": 14_000, "b": 14_000, "p": 3_000}

POLLING = PollPolicy(first=0, low=0.5, high=5, grace=1)
EVENT = '{{"user_id":"{}{:04}","name":"P","timestamp":"2026-07-14T12:00:00Z"}}\n'
FIRST_ROW = re.compile(rb"\b([abp])(\d{4})\b")


class Killed(BaseException):
    """Stands for the end of a process."""


@define(eq=False)
class _Alarm:
    clock: LeapClock
    when: float
    callback: Callable[[], None]
    timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(max(0.0, self.when - self.clock.time()), self._ring)

    def cancel(self) -> None:
        self.clock.alarms.discard(self)
        if self.timer is not None:
            self.timer.cancel()

    def _ring(self) -> None:
        self.clock.alarms.discard(self)
        self.callback()


@define(eq=False)
class LeapClock:
    """The real time, and what it was moved forward by."""

    ahead: float = 0.0
    alarms: set[_Alarm] = field(factory=set)

    @property
    def id(self) -> str:
        return "of the test"

    def time(self) -> float:
        return time.monotonic() + self.ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def call_later(self, delay: float, callback: Callable[[], None]) -> _Alarm:
        alarm = _Alarm(self, self.time() + max(0.0, delay), callback)
        self.alarms.add(alarm)
        alarm.set()
        return alarm

    def next_due(self) -> float:
        """Seconds until the next alarm."""
        return min((one.when for one in self.alarms), default=math.inf) - self.time()

    def leap(self, seconds: float) -> None:
        self.ahead += seconds
        for alarm in tuple(self.alarms):
            alarm.set()


class CountedHold(Hold):
    """Says how many requests stand still on the server."""

    standing: int = 0

    async def stand(self) -> None:
        CountedHold.standing += 1
        try:
            await super().stand()
        finally:
            CountedHold.standing -= 1


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


def _on_step(step: Step, number: int) -> None:
    upload = _upload.get()
    if upload is not None and upload.kill == (step, number):
        upload.kill = None
        upload.process.die()
        raise Killed


class Broken(BaseException):
    """Something does not hold.

    Where time is real, Hypothesis could not be sure to see it again; so it is not let to try.
    """


@contextlib.contextmanager
def _told(world: World, what: str) -> Iterator[None]:
    """Tells what was done until something broke."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        world.broken = True
        steps = "\n".join(world.steps)
        raise Broken(f"{type(error).__name__} in {what}: {error}\nafter:\n{steps}") from error


def step(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule whose steps are remembered."""

    def remembered(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def one(self: World, **values: Any) -> None:
            self.steps.append(f"{function.__name__} {values}")
            with _told(self, function.__name__):
                function(self, **values)

        made: Any = rule(**strategies)
        return made(one)

    return remembered


def always(function: Callable[[World], None]) -> Any:
    """An invariant."""

    @functools.wraps(function)
    def checked(self: World) -> None:
        with _told(self, function.__name__):
            function(self)

    made: Any = invariant()
    return made(checked)


class World(RuleBasedStateMachine):
    """Processes that share a journal, and the server they talk to."""

    def __init__(self) -> None:
        super().__init__()
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
        CountedHold.standing = 0

    @initialize(
        limit=st.sampled_from([None, 15, 60]),
        seconds=st.sampled_from([0.0, 0.7, 6.0]),
        lag=st.sampled_from([0.0, 1.0]),
        name=st.sampled_from([None, "Events 1/2"]),
    )
    def open(self, limit: float | None, seconds: float, lag: float, name: str | None) -> None:
        self.steps.append(f"open {limit} {seconds} {lag} {name}")
        names: Any = {"import_events": name} if name else None
        self.sandbox = Sandbox(rate_limit=limit, job_seconds=seconds, list_lag=lag, job_names=names)
        self._do("opening", self.sandbox.__aenter__())
        if limit is not None:
            self.throttle = LocalThrottle(Pace(rate=20), clock=self.clock)

    # What can happen.

    @step(
        key=st.sampled_from(KEYS),
        way=st.sampled_from(WAYS),
        kill=st.none() | st.tuples(st.sampled_from(STEPS), st.integers(0, 2)),
        fresh=st.booleans(),
        concurrency=st.integers(1, 3),
        wait=st.booleans(),
        ticks=st.sampled_from([0, 3, 10, 30, None]),
    )
    def upload(
        self,
        key: Key,
        way: OnUnknown,
        kill: tuple[Step, int] | None,
        fresh: bool,
        concurrency: int,
        wait: bool,
        ticks: int | None,
    ) -> None:
        """Begins a run, or takes one up; ends it, or leaves it on its way."""
        if key in self.current:
            self._do("a second run", self._refused_while_another_runs(key))
            return
        self._begin(key, way, kill=kill, fresh=fresh, concurrency=concurrency, wait=wait)
        self._go_on(key, ticks)

    @step(key=st.sampled_from(KEYS), ticks=st.sampled_from([1, 5, 20, None]))
    def go_on(self, key: Key, ticks: int | None) -> None:
        if key in self.current:
            self._go_on(key, ticks)

    @step(key=st.sampled_from(KEYS))
    def crash(self, key: Key) -> None:
        """Ends the process that has this source, and all that it does."""
        if key in self.current:
            self._do(f"the death of {key}", self._crash(self.current[key].process))

    @step(key=st.sampled_from(KEYS), awaited=st.booleans())
    def cancel(self, key: Key, awaited: bool) -> None:
        if key in self.current:
            upload = self.current[key]
            upload.cancelled = True
            self._do(f"cancelling {key}", self._cancel(upload, awaited))

    @step(seconds=st.sampled_from([1.0, SETTLE + 1, 100.0]))
    def pass_time(self, seconds: float) -> None:
        self._do("passing time", self._pass(seconds))

    @step(
        fault=st.sampled_from(
            [
                *("reset", "reset applied", "reset early", "closed applied", "truncated"),
                *("500", "500 applied", "503", "503 applied", "502 html", "429"),
                *("slow request", "slow answer", "stalled request", "stalled answer"),
            ]
        ),
        skip=st.integers(0, 2),
        times=st.integers(1, 2),
    )
    def lose_answers(self, fault: str, skip: int, times: int) -> None:
        """Lets uploads go wrong."""
        self._add(_fault_of(fault), method="POST", path="/import/", skip=skip, times=times)

    @step(times=st.sampled_from([1, 4, 12]), fault=st.sampled_from(["503", "reset", "502 html"]))
    def outage(self, times: int, fault: str) -> None:
        """Lets the list of jobs, and all looks at one, fail for a while."""
        self._add(_fault_of(fault), method="GET", path="/jobs", skip=0, times=times)

    @step()
    def fail_a_job(self) -> None:
        self.sandbox.plan_next_job(JobPlan(status="FAILED", detail="a row is odd", rows_applied=0))

    # What must hold.

    @always
    def nothing_is_doubled_or_lost(self) -> None:
        if self.sandbox._url is None:
            return
        sent, applied = self._posts()
        chunks = self._chunks()
        for (key, first), times in sent.items():
            assert (key, first) in chunks, (
                f"chunk at {key}{first} was sent and is not in the journal"
            )
            status = chunks[key, first]["status"]
            assert status != "planned", f"chunk at {key}{first} was sent {times} times as {status}"
        for (key, first), times in applied.items():
            if key != "p" and first not in self.allowed[key]:
                assert times <= 1, f"chunk at {key}{first} was applied {times} times"
        owners: dict[str, tuple[Key, int]] = {}
        for place, chunk in chunks.items():
            self._check_chunk(place, chunk, applied, owners)
        there = self._there()
        for key in ("a", "b"):
            twice = [
                row
                for row in range(COUNT)
                if there[f"{key}{row:04}"] > 1
                and self._chunk_at(chunks, key, row) not in self.allowed[key]
            ]
            assert not twice, f"recorded more than once: {key} {twice[0]} to {twice[-1]}"
        for upload in self.current.values():
            self._note_done(upload)
        for key, spans in self.done.items():
            for first, last in spans:
                missing = [one for one in range(first, last + 1) if not there[f"{key}{one:04}"]]
                assert not missing, f"reported as done and not there: {key} {missing[:3]}"

    @always
    def the_limit_is_kept(self) -> None:
        if self.throttle is None:
            return
        requests = self.sandbox.requests
        by_fault = sum(
            one.hits
            for one in self.instructions
            if isinstance(one.fault, Answer) and one.fault.status == 429
        )
        refused = sum(one.status == 429 for one in requests) - by_fault
        assert refused <= 4 + 0.1 * len(requests), f"{refused} of {len(requests)} were too many"

    def teardown(self) -> None:
        try:
            if self.sandbox._url is not None and not self.broken:
                with _told(self, "teardown"):
                    self._finish_all()
        finally:
            for instruction in self.instructions:
                if isinstance(instruction.fault, Stall):
                    instruction.fault.hold.release()
            try:
                self._do("closing", self._close())
            finally:
                self.runner.close()
                self.folder.cleanup()

    def _finish_all(self) -> None:
        """With nothing in the way any more, everything comes to its end."""
        self._do("the last requests", self._quiet())
        self.sandbox.faults.clear()
        self.sandbox._jobs._plans.clear()
        for upload in self.current.values():
            upload.kill = None
        for key in tuple(self.current):
            if key in self.current:
                self._go_on(key, None)
        for key in sorted(self.begun):
            unsettled = {
                chunk["status"] for (one, _), chunk in self._chunks().items() if one == key
            } & {"intent", "unknown"}
            if unsettled and key != "p":
                self._begin(key, "raise")
                self._go_on(key, None)
                self.nothing_is_doubled_or_lost()
        for key in sorted(self.begun):
            upload = self._begin(key, "reconcile")
            self._go_on(key, None)
            self.nothing_is_doubled_or_lost()
            self._check_last(upload)
        self.nothing_is_doubled_or_lost()
        self.the_limit_is_kept()
        self._check_all_there()

    def _check_last(self, upload: Upload) -> None:
        key, report = upload.key, upload.run.report
        assert report.rows == COUNT
        for one in report.outcomes:
            first = one.first - 1
            if one.status == "unknown":
                assert isinstance(one.error, OutcomeUnknown)
                # What was sent twice cannot be told apart, nor a job that failed and counts nothing;
                # nor chunks of as many rows, as the last of a source may come to be.
                resent = first in self.allowed[key]
                failed = any(job.status == "FAILED" for job in one.error.candidates)
                alike = sum(chunk["rows"] == one.rows for chunk in self._chunks().values()) > 1
                story = self._story(key, first, one.rows)
                assert resent or failed or alike, f"chunk at {key}{first}: {one.error}: {story}"
            else:
                assert one.status in {"completed", "failed"}, f"{key}{first}: {one.error}"
                failed_job = one.job is not None and one.job.status == "FAILED"
                assert one.status == "completed" or failed_job

    def _check_all_there(self) -> None:
        there, chunks = self._there(), self._chunks()
        for (key, first), chunk in chunks.items():
            if chunk["status"] == "unknown" or (chunk["status"] == "failed" and key == "p"):
                continue
            times = {there[f"{key}{row:04}"] for row in range(first, first + chunk["rows"])}
            wanted = {0} if chunk["status"] == "failed" else {1}
            if first in self.allowed[key]:
                # It may have been sent twice, and what failed may be the one or the other.
                assert len(times) == 1
                assert chunk["status"] == "failed" or times != {0}
            else:
                assert times == wanted, (
                    f"chunk at {key}{first}, {chunk['status']}, is there {times}"
                )

    # How it is done.

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
        client = AppcuesClient(
            **self.sandbox.credentials,
            retry=SOON,
            polling=POLLING,
            timeouts=Timeouts(settle=SETTLE, idle=IDLE, budget=1000),
            throttle=self.throttle,
            clock=self.clock,
        )
        process = Process(await client.__aenter__())
        self.processes.append(process)
        return process

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
                await _written(process)
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
            await _taken_up(upload)
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
                await _ended(upload)
            if upload.task.done():
                del self.current[key]
                self._note_end(upload)
        for process in tuple(self.processes):
            if process.dead:
                self.processes.remove(process)
                for upload in process.uploads:
                    await _ended(upload)
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
        await _taken_up(first)
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
        bulk = with_steps(process.client.bulk, _on_step)
        upload = bulk.import_profiles if key == "p" else bulk.import_events
        options = {"journal": self.journal, "on_failure": "report", **options}
        options = {"chunk_bytes": CHUNK_BYTES[key], **options}
        return upload(self.paths[key], **options)

    async def _close(self) -> None:
        for process in self.processes:
            process.die()
        for process in self.processes:
            for upload in process.uploads:
                await _ended(upload)
            await process.client.__aexit__(None, None, None)
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

    def _check_chunk(
        self,
        place: tuple[Key, int],
        chunk: dict[str, Any],
        applied: Counter[tuple[Key, int]],
        owners: dict[str, tuple[Key, int]],
    ) -> None:
        status, job_id = chunk["status"], chunk["job"]
        named = f"chunk at {place[0]}{place[1]}, {status},"
        if status not in SETTLED:
            assert job_id is None, f"{named} has a job"
            return
        assert owners.setdefault(job_id, place) == place, f"{named} has the job of {owners[job_id]}"
        job = self.sandbox.jobs[job_id]
        assert (job.rows, job.kind) == (
            chunk["rows"],
            "import_profiles" if place[0] == "p" else "import_events",
        ), f"{named} has the job of others"
        assert applied[place], f"{named} was not applied"
        if status != "accepted":
            assert job.status == status.upper(), f"{named} has a job that is {job.status}"
            assert chunk["completed"] == job.ingested


async def _taken_up(upload: Upload) -> None:
    """Waits until a run has its journal open."""
    while upload.run._journal is None and not upload.task.done():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(TICK)


async def _ended(upload: Upload) -> None:
    await asyncio.wait([upload.task])
    if upload.run._task is not None:
        await asyncio.wait([upload.run._task])


async def _written(process: Process) -> None:
    """Waits until what a process wants to write down is written."""
    for upload in process.uploads:
        if (journal := upload.run._journal) is not None:
            with contextlib.suppress(RuntimeError):
                await asyncio.wrap_future(journal._thread.submit(int))


def _fault_of(name: str) -> Fault:
    faults: dict[str, Callable[[], Fault]] = {
        "reset": Reset,
        "reset applied": lambda: Reset(applied=True),
        "reset early": lambda: Reset(after="headers"),
        "closed applied": lambda: Close(applied=True),
        "truncated": Truncate,
        "500": lambda: Answer(500),
        "500 applied": lambda: Answer(500, applied=True),
        "503": lambda: Answer(503),
        "503 applied": lambda: Answer(503, applied=True),
        "502 html": lambda: Answer.html(502),
        "429": lambda: Answer(429),
        "slow request": lambda: Stall("request", seconds=0.05, hold=CountedHold()),
        "slow answer": lambda: Stall("headers", seconds=0.05, hold=CountedHold()),
        "stalled request": lambda: Stall("request", seconds=IDLE + 0.1, hold=CountedHold()),
        "stalled answer": lambda: Stall("headers", seconds=IDLE + 0.1, hold=CountedHold()),
    }
    return faults[name]()


@pytest.fixture(autouse=True)
def whole_memory() -> Iterator[None]:
    """What is kept in mind of a process must not outlast the test."""
    yield
    of_this_process.clear()


HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large]


def explore(examples: int, steps: int) -> None:
    try:
        run_state_machine_as_test(
            World,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=HEALTH,
                phases=[Phase.generate],
            ),
        )
    except Broken as broken:
        pytest.fail(str(broken))


def test_each_row_is_applied_once_whatever_happens() -> None:
    explore(settings().max_examples // 5, 12)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_each_row_is_applied_once_whatever_happens_for_long() -> None:
    explore(200, 25)
