"""A cluster as users run one: a scheduler and workers in processes of their own, which can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from attrs import define, field
from distributed import Client

WORKERS = 2


@define
class DaskProcesses:
    """A scheduler and two workers with their nannies.

    Attributes:
        folder: Where they keep what they keep.
        allowed_failures: How many workers a task may take with it.
    """

    folder: Path
    allowed_failures: int
    _running: list[subprocess.Popen[bytes]] = field(factory=list)
    _client: Client | None = None

    @property
    def address(self) -> str:
        """The scheduler's address."""
        assert self._client is not None
        return str(self._client.scheduler.address)  # type: ignore[union-attr]

    def start(self) -> None:
        """Starts all of it anew, and waits for it."""
        self.stop()
        found = self.folder / f"scheduler-{time.monotonic_ns()}.json"
        self._start(
            "scheduler", "--scheduler-file", str(found), "--host", "127.0.0.1", "--port", "0"
        )
        self._start(
            *("worker", "--scheduler-file", str(found), "--nworkers", str(WORKERS)),
            *("--nthreads", "4", "--host", "127.0.0.1", "--local-directory", str(self.folder)),
        )
        self._client = Client(scheduler_file=str(found), timeout=150, set_as_default=False)
        self.pids()

    def pids(self) -> dict[str, int]:
        """The processes of the workers by their addresses, once all are there."""
        assert self._client is not None
        self._client.wait_for_workers(WORKERS, timeout=150)
        return dict(self._client.run(os.getpid))

    def kill_scheduler(self) -> None:
        """Kills it."""
        self._running[0].kill()

    def stop(self) -> None:
        """Ends all of it."""
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout=1)
        running, self._running = self._running, []
        for process in running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, command: str, *arguments: str) -> None:
        module = f"distributed.cli.dask_{command}"
        settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(self.allowed_failures)}
        log = (self.folder / f"{command}.log").open("ab")
        with log:
            self._running.append(
                subprocess.Popen(
                    [sys.executable, "-m", module, *arguments, "--no-dashboard"],
                    env={**os.environ, **settings},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
