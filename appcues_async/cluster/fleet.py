"""The workers of a cluster as a run sees them: which are fit, and what each has in flight."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from attrs import define, field, frozen
from distributed import Client

from appcues_async.clock import Clock
from appcues_async.cluster.attempt import Account, SharedAddress, address_of, take_address
from appcues_async.cluster.process import Process, is_dead, this_process
from appcues_async.cluster.tickets import Ticket
from appcues_async.errors import ConnectionFailed, InvalidInput
from appcues_async.notices import Listener, WorkerChanged, notify

__all__ = ["Fleet", "Greeting", "Member", "NotAnswered", "greet", "version"]

log: Final = logging.getLogger("appcues_async")

LOOK: Final = 1.0
"""Seconds between two looks at which workers there are."""
_PATIENCE: Final = 30.0
"""Seconds to wait for a first worker, or for another where all have gone."""
_QUICK: Final = 10.0
"""Seconds that a question to workers may take."""
_SILENT: Final = f"did not answer within {_QUICK:.0f} s"
_TOGETHER: Final = 32
"""Workers that are asked at once: time that they wait for each other is not to count as silence."""
_NAMED: Final = 5
"""Workers that one message names."""


class NotAnswered(Exception):  # noqa: N818 - for this package alone
    """A worker said nothing."""


@frozen
class Greeting:
    """The answer of a worker that is asked about itself.

    Attributes:
        version: The release of this package that it has.
        process: Its process.
        problem: Why it cannot send for the account; None where it can.
    """

    version: str
    process: Process
    problem: str | None


def version() -> str:
    """The release of this package."""
    return importlib.metadata.version("appcues-async")


def greet(account: Account, shared: SharedAddress | None = None) -> Greeting:
    """Says whether this worker is fit for an account; runs there.

    Args:
        account: Whose account it is to send to.
        shared: The key that it is to use, if not its own.
    """
    if shared is not None:
        take_address(shared)
    problem = None
    try:
        address_of(account)
    except InvalidInput as error:
        problem = str(error)
    return Greeting(version(), this_process(), problem)


@define(eq=False)
class Member:
    """A worker that is fit.

    Attributes:
        address: Its address.
        threads: How many tasks it takes at once.
        process: Its process.
        sending: Attempts that it has in flight.
        chunks: Chunks that were accepted from it.
        size: Bytes of these.
        tickets: Tickets that it has issued, and when they came, in seconds of the driver's clock.
        gone: Done once the scheduler does not have it any more.
    """

    address: str
    threads: int
    process: Process
    sending: int = 0
    chunks: int = 0
    size: int = 0
    tickets: list[tuple[Ticket, float]] = field(factory=list, repr=False)
    gone: asyncio.Future[None] = field(
        factory=lambda: asyncio.get_running_loop().create_future(), repr=False
    )

    @property
    def load(self) -> float:
        """The share of its threads that are taken."""
        return self.sending / self.threads


class Fleet:
    """The workers of a cluster, for one run."""

    def __init__(
        self,
        client: Client,
        account: Account,
        clock: Clock,
        *,
        shared: SharedAddress | None,
        listeners: Sequence[Listener],
    ) -> None:
        """Knows none yet.

        Args:
            client: Reaches the cluster.
            account: Whose account they are to send to.
            clock: What to measure by.
            shared: The key that they are to use, if not their own.
            listeners: Receive notices of what each does.
        """
        self._client = client
        self._account = account
        self._clock = clock
        self._shared = shared
        self._listeners = listeners
        self._changed = asyncio.Condition()
        self._unfit: set[str] = set()
        self._watching: asyncio.Task[None] | None = None
        self.members: dict[str, Member] = {}
        self.failure: ConnectionFailed | None = None

    @property
    def name(self) -> str:
        """The cluster, for people."""
        scheduler: Any = self._client.scheduler
        return f"the Dask cluster at {getattr(scheduler, 'address', 'an unknown address')}"

    async def begin(self) -> None:
        """Greets all workers, and watches over them from then on.

        Raises:
            InvalidInput: One of them is not fit.
            ConnectionFailed: There are none.
        """
        until = self._clock.time() + _PATIENCE
        while not (found := await self._threads()):
            if self._clock.time() > until:
                raise ConnectionFailed(f"{self.name} has no workers; scale it up", final=True)
            await asyncio.sleep(LOOK / 2)
        problems = await self._greet(found)
        # A busy worker may take its time to import this package.
        until = self._clock.time() + _PATIENCE
        while (silent := [one for one, why in problems if why == _SILENT]) and (
            self._clock.time() < until
        ):
            problems = [one for one in problems if one[1] != _SILENT]
            problems += await self._greet({one: found[one] for one in silent})
        if problems:
            named = "; ".join(f"worker {worker} {why}" for worker, why in problems[:_NAMED])
            more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
            raise InvalidInput(
                f"{len(problems)} of {len(found)} workers of {self.name} cannot send for account "
                f"{self._account.id}, and nothing was sent: {named}{more}"
            )
        self._watching = asyncio.create_task(self._watch(), name="appcues cluster watch")

    async def close(self) -> None:
        """Stops watching."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    @property
    def threads(self) -> int:
        """Tasks that all of them take at once."""
        return sum(member.threads for member in self.members.values())

    @asynccontextmanager
    async def place(self, prefer: Collection[str] = ()) -> AsyncIterator[Member]:
        """Takes a thread of the worker that has the least in flight.

        Args:
            prefer: Workers that have what is to be sent; taken if they have a thread free.

        Raises:
            ConnectionFailed: There are no workers any more.
        """
        member = await self._free_member(prefer)
        member.sending += 1
        self.tell(member)
        try:
            yield member
        finally:
            member.sending -= 1
            self.tell(member)
            async with self._changed:
                self._changed.notify_all()

    async def is_dead(self, process: Process) -> bool:
        """Whether a process is known to be dead; this machine sees it, or another worker of its own."""
        seen = is_dead(process)
        neighbours = [
            member.address
            for member in self.members.values()
            if member.process.place == process.place and member.process != process
        ]
        if seen is None and neighbours and process.place:
            answers = await self._ask(is_dead, process, workers=neighbours[:1])
            seen = answers.get(neighbours[0]) is True
        return bool(seen)

    async def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function on a worker, beside its tasks; returns what it returns or raises.

        Args:
            worker: Its address.
            function: The function.
            arguments: Are given to it.

        Raises:
            NotAnswered: The worker says nothing. It may have been called all the same.
        """
        try:
            said = await self._client.run(function, *arguments, workers=[worker], on_error="return")
            return said[worker]
        except (OSError, TimeoutError, RuntimeError, KeyError) as error:
            raise NotAnswered(f"{type(error).__name__}: {error}") from error

    def tell(self, member: Member, *, gone: bool = False) -> None:
        """Tells what a worker does now."""
        notice = WorkerChanged(
            worker=member.address,
            threads=member.threads,
            sending=member.sending,
            chunks=member.chunks,
            bytes_sent=member.size,
            gone=gone,
        )
        for listener in self._listeners:
            notify(listener, notice)

    async def _free_member(self, prefer: Collection[str]) -> Member:
        def free() -> Member | None:
            some = [one for one in self.members.values() if one.sending < one.threads]
            near = [one for one in some if one.address in prefer]
            return min(near or some, key=lambda one: one.load, default=None)

        alone_since: float | None = None
        while True:
            if self.failure is not None:
                raise _again(self.failure)
            if (member := free()) is not None:
                return member
            now = self._clock.time()
            alone_since = None if self.members else alone_since or now
            if alone_since is not None and now - alone_since > _PATIENCE:
                raise ConnectionFailed(f"{self.name} has no workers any more", final=True)
            async with self._changed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._changed.wait()

    async def _watch(self) -> None:
        failed_since: float | None = None
        while True:
            await asyncio.sleep(LOOK)
            try:
                found = await self._threads()
                failed_since = None
            except (OSError, TimeoutError, RuntimeError) as error:
                failed_since = failed_since or self._clock.time()
                lost = self._client.status not in {"running", "newly-created"}
                if lost or self._clock.time() - failed_since > _QUICK:
                    await self._lose(error)
                    return
                continue
            if self._client.status != "running":
                # What it knew of this run is gone with it, wherever it has come back.
                await self._lose(ConnectionError("the connection was lost"))
                return
            for address in self.members.keys() - found.keys():
                self._drop(address)
            new = {one: threads for one, threads in found.items() if one not in self.members}
            for worker, why in await self._greet(
                {one: threads for one, threads in new.items() if one not in self._unfit}
            ):
                # One that is busy, or has just begun, is asked again at the next look.
                if why != _SILENT:
                    log.warning("worker %s is not used: it %s", worker, why)
                    self._unfit.add(worker)
            async with self._changed:
                self._changed.notify_all()

    async def _lose(self, error: Exception) -> None:
        self.failure = ConnectionFailed(
            f"{self.name} is gone ({type(error).__name__}); run it again with the same journal, on this "
            "cluster or another",
            final=True,
        )
        for address in tuple(self.members):
            self._drop(address)
        async with self._changed:
            self._changed.notify_all()

    def _drop(self, address: str) -> None:
        member = self.members.pop(address)
        if not member.gone.done():
            member.gone.set_result(None)
        self.tell(member, gone=True)

    async def _threads(self) -> dict[str, int]:
        scheduler: Any = self._client.scheduler
        async with asyncio.timeout(_QUICK):
            return dict(await scheduler.ncores())

    async def _greet(self, found: dict[str, int]) -> list[tuple[str, str]]:
        """Takes workers on; returns those that are not fit, and why."""
        if not found:
            return []
        greetings = await self._ask(greet, self._account, workers=list(found))
        if self._shared is not None:
            # Another release might not keep a key as this one does.
            same = [one for one, said in greetings.items() if _differs(said) is None]
            known = await self._ask(greet, self._account, self._shared, workers=same)
            greetings.update({one: known.get(one) for one in same})
        problems = []
        for address, threads in found.items():
            said = greetings.get(address)
            why = _differs(said) or (said.problem if isinstance(said, Greeting) else None)
            if why is not None:
                problems.append((address, why))
            elif isinstance(said, Greeting):
                self.members[address] = Member(address, threads, said.process)
                self.tell(self.members[address])
        return problems

    async def _ask(
        self, function: Callable[..., Any], *arguments: Any, workers: Sequence[str]
    ) -> dict[str, Any]:
        """Asks workers; each by itself, since one that has just died holds up no other."""
        few = asyncio.Semaphore(_TOGETHER)
        answers: dict[str, Any] = {}

        async def ask(worker: str) -> None:
            with suppress(NotAnswered, TimeoutError):
                async with few, asyncio.timeout(_QUICK):
                    answers[worker] = await self.call(worker, function, *arguments)

        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(ask(worker))
        return answers


def _differs(said: object) -> str | None:
    """Why a worker is not fit, whatever its credentials are."""
    match said:
        case Greeting(version=theirs):
            mine = version()
            return None if theirs == mine else f"has appcues-async {theirs}, not {mine}"
        case ImportError() | AttributeError():
            return f"lacks this package ({said}); install appcues-async[dask]=={version()} there"
        case None | OSError() | TimeoutError():
            return _SILENT
        case _:
            return f"cannot be asked ({type(said).__name__}: {said})"


def _again(error: ConnectionFailed) -> ConnectionFailed:
    """The same failure for another who asks, with no traceback of the first."""
    return ConnectionFailed(str(error), final=True)
