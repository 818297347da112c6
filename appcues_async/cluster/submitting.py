"""Gives workers tasks, and gives one again where a worker died over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from attrs import define
from distributed import Client, Future

from appcues_async.cluster.fleet import Fleet
from appcues_async.errors import ConnectionFailed

__all__ = ["Tasks"]

_TRIES: Final = 10
"""How often a task is given to workers again that some died over; Dask itself may try none."""


class _ResultLost(Exception):  # noqa: N818 - for this package alone
    """Dask has no result: a worker died, or the scheduler has."""


async def _result_of(future: Future[Any]) -> Any:
    """The result of a task.

    Raises:
        _ResultLost: There is none.
    """
    try:
        return await future
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Dask says with the same error that a future is none any more.
        raise _ResultLost(str(error)) from None
    except Exception as error:
        raise _ResultLost(f"{type(error).__name__}: {error}") from error


@define(eq=False)
class Tasks:
    """Gives workers what they may do again."""

    client: Client
    fleet: Fleet

    async def run(self, submit: Callable[[], Future[Any]]) -> Any:
        """Runs a task, and once more where a worker died over it.

        Args:
            submit: Gives the task to the cluster.

        Raises:
            ConnectionFailed: The scheduler is gone, or worker after worker died over it.
            InvalidInput: What the task raises.
        """
        why = ""
        for _ in range(_TRIES):
            if self.fleet.failure is not None:
                raise ConnectionFailed(str(self.fleet.failure), final=True)
            try:
                return await _result_of(submit())
            except _ResultLost as error:
                cause = error.__cause__
                if cause is not None and not _is_lost(cause):
                    raise cause from None
                why = str(error)
            await asyncio.sleep(0.1)
        raise ConnectionFailed(
            f"{self.fleet.name} lost a task {_TRIES} times: {why}; look at the memory of its workers",
            final=True,
        )


def _is_lost(error: BaseException) -> bool:
    """Whether a task failed because of the cluster, rather than by itself."""
    return type(error).__module__.startswith("distributed") or isinstance(error, OSError)
