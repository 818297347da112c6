"""Client, journal and server in any order of what can happen to them: each row is applied once.

Hypothesis draws uploads, faults, deaths of processes, reruns, cancellations and the passing of time;
what was promised is looked at after each of them. The server is real and speaks HTTP. Time is real as
well, and leaps to what is next due wherever nothing moves, so that nobody waits for the settle time.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from appcues_async import Pace
from appcues_async.bulk.journal.run_journal import Step
from appcues_async.recovery.ownership import of_this_process
from appcues_async.sandbox import JobPlan, Sandbox, Stall
from appcues_async.settings import OnUnknown
from appcues_async.wire.throttle import LocalThrottle
from tests.bulk.journal.states.checks import Checks
from tests.bulk.journal.states.driving import SETTLE
from tests.bulk.journal.states.faults import fault_of
from tests.bulk.journal.states.processes import KEYS, Key
from tests.bulk.journal.states.proxy import Proxy

STEPS: tuple[Step, ...] = get_args(Step)
WAYS: tuple[OnUnknown, ...] = ("reconcile", "raise", "resend")


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


class World(Checks, RuleBasedStateMachine):
    """Draws what happens next."""

    def __init__(self) -> None:
        """Starts with an empty server and no process."""
        Checks.__init__(self)
        RuleBasedStateMachine.__init__(self)
        self.later = 1
        """Which way the clock of the jobs is set: back and forth at once nobody could tell."""

    @initialize(
        limit=st.sampled_from([None, 15, 60]),
        seconds=st.sampled_from([0.0, 0.7, 6.0]),
        lag=st.sampled_from([0.0, 1.0]),
        name=st.sampled_from([None, "Events 1/2"]),
        job_clock=st.sampled_from([0, 0, 2, -2, 70, -70, 86_400]),
        later=st.sampled_from([1, -1]),
        proxied=st.sampled_from([True, True, False]),
    )
    def open(
        self,
        limit: float | None,
        seconds: float,
        lag: float,
        name: str | None,
        job_clock: float,
        later: int,
        proxied: bool,
    ) -> None:
        self.steps.append(f"open {limit} {seconds} {lag} {name} {job_clock} {later} {proxied}")
        names: Any = {"import_events": name} if name else None
        self.sandbox = Sandbox(
            rate_limit=limit,
            job_seconds=seconds,
            list_lag=lag,
            job_names=names,
            job_clock=job_clock,
        )
        self.later = later
        self.times_differ = job_clock != 0
        self._do("opening", self.sandbox.__aenter__())
        if proxied:
            self.proxy = Proxy(self.sandbox, self.clock)
            self._do("opening the proxy", self.proxy.open())
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
        held=st.sampled_from([None, None, 1.0, 12.0]),
        lost=st.sampled_from([None, None, 1, 7, 60, 5_000]),
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
        held: float | None,
        lost: int | None,
    ) -> None:
        """Begins a run, or takes one up; ends it, or leaves it on its way.

        A proxy may pass its first chunk on only when its sender has given it up, and lose its next
        one in the same second as others start a job of some rows.
        """
        if key in self.current:
            self._do("a second run", self._refused_while_another_runs(key))
            return
        if self.proxy is not None and held is not None:
            self.proxy.hold(held)
            self.times_differ = True
        if self.proxy is not None and lost is not None:
            self.proxy.lose(functools.partial(self._start_elsewhere, lost))
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
        self._add(fault_of(fault), method="POST", path="/import/", skip=skip, times=times)

    @step(times=st.sampled_from([1, 4, 12]), fault=st.sampled_from(["503", "reset", "502 html"]))
    def outage(self, times: int, fault: str) -> None:
        """Lets the list of jobs, and all looks at one, fail for a while."""
        self._add(fault_of(fault), method="GET", path="/jobs", skip=0, times=times)

    @step(rows=st.sampled_from([1, 7, 60, 5_000]))
    def start_elsewhere(self, rows: int) -> None:
        self._start_elsewhere(rows)

    @step(
        whose=st.sampled_from(["ours", "server", "jobs"]),
        seconds=st.sampled_from([2, 70, 600, 90_000]),
    )
    def set_a_clock(self, whose: str, seconds: float) -> None:
        """Somebody sets a wall clock."""
        match whose:
            case "ours":
                self.clock.off -= self.later * seconds
            case "server":
                clock, usual = self.sandbox._clock, self.sandbox._clock.now
                later = timedelta(seconds=self.later * seconds)
                setattr(clock, "now", lambda: usual() + later)  # noqa: B010 - only here
                self.times_differ = True
            case _:
                self.sandbox.job_clock += self.later * seconds
                self.times_differ = True

    @step()
    def fail_a_job(self) -> None:
        self.sandbox.plan_next_job(JobPlan(status="FAILED", detail="a row is odd", rows_applied=0))

    @invariant()
    def promises_hold(self) -> None:
        with _told(self, "what must hold"):
            self.nothing_is_doubled_or_lost()
            self.the_limit_is_kept()

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
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("examples", [50, pytest.param(200, marks=pytest.mark.trials)])
def test_each_row_is_applied_once_whatever_happens_for_long(examples: int) -> None:
    explore(examples, 25)
