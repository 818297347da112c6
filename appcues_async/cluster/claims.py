"""Which execution of an attempt may send: the first that asks, and no other."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from attrs import define, field
from distributed import Client

from appcues_async.clock import Clock
from appcues_async.cluster.attempt import Asked, Sent, answer_claims
from appcues_async.cluster.process import Process

__all__ = ["Claim", "Claims"]

_TOGETHER: Final = 0.002
"""Seconds for which answers are gathered: a message through the scheduler costs milliseconds."""


@define(eq=False)
class Claim:
    """The leave to make one attempt.

    Attributes:
        number: The attempt.
        execution: The execution that has it; None while none has asked.
        worker: The address of its worker.
        process: Its process.
        since: When it was given, in seconds of the driver's clock.
        withdrawn: Whether nobody can have it any more.
        on_sent: Called with the bytes sent so far.
    """

    number: str = field(factory=lambda: secrets.token_hex(8))
    execution: str | None = None
    worker: str = ""
    process: Process | None = None
    since: float = 0.0
    withdrawn: bool = False
    on_sent: Callable[[int], None] | None = None

    def withdraw(self) -> bool:
        """Makes sure that nobody gets it; says whether nobody has had it."""
        self.withdrawn = True
        return self.execution is None


class Claims:
    """The claims of one run; they are given here and nowhere else, and die with this process."""

    def __init__(self, client: Client, clock: Clock) -> None:
        """Begins to listen.

        Args:
            client: Reaches the workers.
            clock: What to measure by.
        """
        self._client = client
        self._clock = clock
        self._open: dict[str, Claim] = {}
        self._answers: dict[str, dict[str, bool]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self.topic: str = f"appcues-{secrets.token_hex(8)}"
        client.subscribe_topic(self.topic, self._hear)

    @contextmanager
    def opened(self, on_sent: Callable[[int], None] | None = None) -> Iterator[Claim]:
        """Opens a claim, until it is left; a cancellation stops whoever has it."""
        claim = Claim(on_sent=on_sent)
        self._open[claim.number] = claim
        try:
            yield claim
        except asyncio.CancelledError:
            if not claim.withdraw() and claim.execution is not None:
                self._answer(claim.worker, claim.execution, False)
            raise
        finally:
            claim.withdraw()
            del self._open[claim.number]

    async def close(self) -> None:
        """Stops listening."""
        with suppress(Exception):
            self._client.unsubscribe_topic(self.topic)
        if self._telling:
            # So that whoever sends for a run that was cancelled hears of it.
            await asyncio.wait(self._telling, timeout=1)

    def _hear(self, event: tuple[float, Any]) -> None:
        _, told = event
        claim = self._open.get(told["number"])
        if "sent" in told:
            self._tell_of(claim, told)
        else:
            self._answer(told["worker"], told["execution"], self._gives(claim, told))

    def _gives(self, claim: Claim | None, asked: Asked) -> bool:
        if claim is None or claim.withdrawn or claim.execution is not None:
            return False
        claim.execution, claim.worker = asked["execution"], asked["worker"]
        claim.process, claim.since = Process(*asked["process"]), self._clock.time()
        return True

    def _tell_of(self, claim: Claim | None, sent: Sent) -> None:
        if claim is not None and claim.on_sent is not None:
            claim.on_sent(sent["sent"])

    def _answer(self, worker: str, execution: str, may: bool) -> None:
        if not self._answers:
            telling = asyncio.get_running_loop().create_task(self._tell())
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
        self._answers.setdefault(worker, {})[execution] = may

    async def _tell(self) -> None:
        await asyncio.sleep(_TOGETHER)
        answers, self._answers = self._answers, {}
        every = {one: may for some in answers.values() for one, may in some.items()}
        # Whoever does not hear it sends nothing.
        with suppress(Exception):
            await self._client.run(answer_claims, every, workers=list(answers), on_error="ignore")
