"""Is anything lost, doubled or leaked in long mixed work on a server that keeps failing?

A sandbox in another process takes RATE (60) requests a second and lets 5% of them fail: resets, 5xx
and cut answers before and after the request was applied, 429s, answers that do not come. The clock that
stamps its jobs is set ahead and back now and then, by seconds, minutes or an hour. One client
does all kinds of work on it at once: single updates and events, uploads, segments, waits for jobs, bulk
runs. Each row has a number of its own, and what its call said of it is kept. At the end that is held
against what the sandbox holds, row by row:

* what was reported done is there, events exactly once;
* what was refused is not there;
* what raised `OutcomeUnknown` is there once or not at all.

Memory and open sockets are sampled all the while; they are flat when the last quarter of the time shows
no more of them than the second, save for some noise.

Run: python -m benchmarks.soak [SECONDS [raise|resend|reconcile [RATE]]]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from attrs import define

from appcues_async import (
    AppcuesClient,
    PollPolicy,
    RetryPolicy,
    Timeouts,
)
from appcues_async.notices import AttemptFailed, Notice
from appcues_async.sandbox import (
    Answer,
    Close,
    Fault,
    Reset,
    Sandbox,
    SandboxConnection,
    Stall,
    Truncate,
)
from appcues_async.settings import OnUnknown
from benchmarks.soak_work import DONE, REFUSED, UNKNOWN, Said, Work

ROOT = Path(__file__).parent.parent
RATE = 60
SHARE = 0.05
STEPS = (5, 30)
FAULTS: list[Fault] = [
    Reset(after="headers"),
    Reset(),
    Reset(applied=True),
    Close(applied=True),
    Answer(500),
    Answer(503, applied=True),
    Answer.html(502),
    Answer(429),
    Answer(429, after="headers", headers={"Retry-After": "1"}),
    Stall("headers", seconds=2.0),
    Stall("body", seconds=2.0),
    Truncate(1),
]


# --- the server, in a process of its own ---------------------------------------------------------


def serve(rate: float) -> None:
    """Serves until it is ended; prints what a client needs."""

    async def forever() -> None:
        async with Sandbox(rate_limit=rate, job_seconds=1.0, list_lag=0.3, seed=7) as sandbox:
            print(json.dumps([sandbox.credentials, sandbox.token]), flush=True)
            chance = random.Random(7)
            while True:
                await asyncio.sleep(chance.uniform(*STEPS))
                sandbox.job_clock = chance.choice([-3600, -90, -2, 0, 0, 2, 90, 3600])

    asyncio.run(forever())


@contextmanager
def served(rate: float) -> Iterator[SandboxConnection]:
    """A sandbox in another process."""
    command = [sys.executable, "-m", "benchmarks.soak", "--serve", str(rate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            credentials, token = json.loads(process.stdout.readline())
            yield Sandbox.connect(credentials["base_url"], token)
        finally:
            process.send_signal(signal.SIGKILL)


# --- what came of it -----------------------------------------------------------------------------


@define
class Sample:
    """What the process held at one moment: bytes of memory, and open sockets."""

    memory: int
    sockets: int

    @classmethod
    def take(cls) -> Sample:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        sockets = 0
        for one in Path("/proc/self/fd").iterdir():
            try:
                sockets += str(one.readlink()).startswith("socket:")
            except FileNotFoundError:
                continue
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), sockets)


@define
class RowCounter:
    """Numbers of one kind: what was said of them, and what is wrong."""

    done: int = 0
    refused: int = 0
    unknown: int = 0
    unknown_there: int = 0
    lost: int = 0
    doubled: int = 0
    there_though_refused: int = 0
    never_settled: int = 0

    @classmethod
    def of(cls, said: Said, held: Counter[int]) -> RowCounter:
        """Holds what was said against how often each number is there."""
        tally = cls()
        for number, mark in enumerate(said.marks):
            there = held[number]
            tally.doubled += there > 1
            if mark == DONE:
                tally.done += 1
                tally.lost += there == 0
            elif mark == REFUSED:
                tally.refused += 1
                tally.there_though_refused += there > 0
            elif mark == UNKNOWN:
                tally.unknown += 1
                tally.unknown_there += there > 0
            else:
                tally.never_settled += 1
        return tally

    @property
    def wrong(self) -> int:
        return self.lost + self.doubled + self.there_though_refused + self.never_settled


@define
class Outcome:
    """What a run has come to."""

    seconds: float
    tallies: dict[str, RowCounter]
    calls: Counter[str]
    errors: Counter[str]
    failed_attempts: int
    requests: int
    refused_for_pace: int
    samples: list[Sample]
    sockets_after: int

    @property
    def wrong(self) -> int:
        """Numbers that were lost, doubled, or are there though they were refused."""
        return sum(tally.wrong for tally in self.tallies.values())

    def quarters(self) -> tuple[Sample, Sample]:
        """The median sample of the second quarter of the time, and of the last."""
        quarter = max(1, len(self.samples) // 4)

        def median(samples: list[Sample]) -> Sample:
            memory = statistics.median(one.memory for one in samples)
            return Sample(int(memory), int(statistics.median(one.sockets for one in samples)))

        return median(self.samples[quarter : 2 * quarter]), median(self.samples[-quarter:])

    @property
    def flat(self) -> bool:
        """Whether the last quarter shows no more than the second, save for noise."""
        before, after = self.quarters()
        return after.memory < before.memory * 1.1 + 8e6 and after.sockets < before.sockets + 16


def counted(state: dict[str, Any]) -> dict[str, Counter[int]]:
    """How often the sandbox holds each number, by kind."""
    members = (
        int(one.partition("/")[2]) for one in _all(one["user_ids"] for one in _values(state))
    )
    return {
        "events": Counter(int(event["name"][1:]) for event in state["events"]),
        "profiles": Counter(
            int(profile["number"])
            for name, profile in state["profiles"].items()
            if name == f"p{profile.get('number')}"
        ),
        "segments": Counter(int(segment["name"][1:]) for segment in _values(state)),
        "members": Counter(members),
    }


def _values(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [*state["segments"].values()]


def _all(lists: Iterator[list[str]]) -> Iterator[str]:
    for one in lists:
        yield from one


async def _work(
    sandbox: SandboxConnection, seconds: float, on_unknown: OnUnknown
) -> tuple[Work, list[Sample], int]:
    failed = 0

    def hear(notice: Notice) -> None:
        nonlocal failed
        failed += isinstance(notice, AttemptFailed)

    samples: list[Sample] = []

    async def sample() -> None:
        while True:
            samples.append(Sample.take())
            await asyncio.sleep(min(1.0, seconds / 20))

    async with AppcuesClient(
        **sandbox.credentials,
        retry=RetryPolicy(attempts=6),
        timeouts=Timeouts(connect=5, idle=1, budget=60, wait=120),
        polling=PollPolicy(first=0.5, low=0.5, high=2),
        on_unknown=on_unknown,
        on_notice=hear,
    ) as client:
        work = Work(client, time.monotonic() + seconds)
        sampling = asyncio.create_task(sample())
        try:
            await work.all()
        finally:
            sampling.cancel()
    return work, samples, failed


def run(seconds: float = 600, on_unknown: OnUnknown = "raise", rate: float = RATE) -> Outcome:
    """Works for so long, and holds what was said against what is there."""
    with served(rate) as sandbox:
        # The oldest instruction that claims a request counts, so the later ones have a little less.
        for fault in FAULTS:
            sandbox.faults.add(fault, path="^/v2/", times=None, probability=SHARE / len(FAULTS))
        began = time.monotonic()
        work, samples, failed = asyncio.run(_work(sandbox, seconds, on_unknown))
        took = time.monotonic() - began
        sockets = Sample.take().sockets
        sandbox.faults.clear()
        # The jobs whose answers were lost end as well.
        sandbox.advance(3600)
        state = sandbox.call("GET", "state")
        requests = sandbox.requests
    held = counted(state)
    return Outcome(
        seconds=took,
        tallies={name: RowCounter.of(getattr(work, name), found) for name, found in held.items()},
        calls=work.calls,
        errors=work.errors,
        failed_attempts=failed,
        requests=len(requests),
        refused_for_pace=sum(one.status == 429 for one in requests),
        samples=samples,
        sockets_after=sockets,
    )


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600
    on_unknown = cast("OnUnknown", sys.argv[2] if len(sys.argv) > 2 else "raise")
    limit = float(sys.argv[3]) if len(sys.argv) > 3 else RATE
    outcome = run(seconds, on_unknown, limit)
    rate = outcome.requests / outcome.seconds
    print(
        f"{outcome.seconds:.0f} s, on_unknown={on_unknown!r}: {outcome.requests:,} requests "
        f"({rate:.1f} a second of {limit:g}), {outcome.refused_for_pace:,} of them answered with 429, "
        f"{outcome.failed_attempts:,} attempts failed"
    )
    print("calls:", ", ".join(f"{many:,} {name}" for name, many in sorted(outcome.calls.items())))
    print("ended in:", ", ".join(f"{many:,} {name}" for name, many in outcome.errors.items()))
    for name, tally in outcome.tallies.items():
        print(
            f"{name}: {tally.done:,} done, {tally.lost} of them lost; {tally.doubled} doubled; "
            f"{tally.refused:,} refused, {tally.there_though_refused} of them there; "
            f"{tally.unknown:,} unknown, {tally.unknown_there:,} of them there; "
            f"{tally.never_settled} never settled"
        )
    before, after = outcome.quarters()
    print(
        f"memory {before.memory / 1e6:.1f} MB in the second quarter, {after.memory / 1e6:.1f} MB in the "
        f"last; sockets {before.sockets} and {after.sockets}, {outcome.sockets_after} when it was left: "
        f"{'flat' if outcome.flat else 'NOT FLAT'}"
    )
    if outcome.wrong or not outcome.flat:
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(float(sys.argv[2]))
    else:
        main()
