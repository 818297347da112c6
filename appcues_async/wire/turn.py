"""The words between sender and throttle: patience, turn, and feedback when it has ended."""

from __future__ import annotations

import enum
import math
from typing import Final, Protocol

from attrs import frozen

from appcues_async.errors import AppcuesError
from appcues_async.wire.request import Lane

__all__ = [
    "ANSWERED",
    "PATIENT",
    "SILENT",
    "Feedback",
    "Patience",
    "Signal",
    "Throttle",
    "Turn",
    "TurnNotGiven",
]


class Signal(enum.Enum):
    """Shows how the server took an attempt."""

    ANSWERED = "answered"
    """It works, whatever it said."""
    THROTTLED = "429"
    """It asks for fewer requests."""
    OVERLOADED = "503"
    """It asks for fewer requests, if others are answered; if none are, it is down."""
    DOWN = "outage"
    """It could not be reached, or failed with another 5xx."""
    SILENT = "silent"
    """Nothing: the attempt was cancelled or broke on the way."""


@frozen
class Feedback:
    """The end of an attempt, as the throttle needs to know it.

    Attributes:
        signal: What it showed.
        retry_after: Seconds the server asked to wait and that are to be waited, if any.
        error: The failure, for those whose requests are not sent because of it.
    """

    signal: Signal
    retry_after: float | None = None
    error: AppcuesError | None = None


ANSWERED: Final = Feedback(Signal.ANSWERED)
SILENT: Final = Feedback(Signal.SILENT)


@frozen
class Patience:
    """The longest waits of a request for its turn.

    Attributes:
        since: When the call began, in seconds of the clock.
        silence: Seconds from then, or from the server's last answer, without another answer.
        turn: Seconds in all.
    """

    since: float = -math.inf
    silence: float = math.inf
    turn: float = math.inf


PATIENT: Final = Patience()


class TurnNotGiven(Exception):  # noqa: N818 - for sender.py alone
    """The patience of a request is over.

    Attributes:
        seconds: What was waited for: its turn, or any answer of the server.
        closed_by: The failure that keeps the gate closed, where that is the reason.
    """

    def __init__(self, seconds: float, closed_by: AppcuesError | None = None) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.closed_by = closed_by


@frozen(eq=False)
class Turn:
    """A permission to send one request; it ends with `feedback`.

    Attributes:
        lane: Where it came from.
        size: Bytes of the request's body.
        silence: Seconds that it was waited for since the server last answered anything.
    """

    lane: Lane
    size: int
    silence: float = 0.0


class Throttle(Protocol):
    """Who may send when; implement it to share a pace in other ways."""

    async def acquire(self, lane: Lane, size: int = 0, patience: Patience = PATIENT) -> Turn:
        """Waits for a turn to send a body of `size` bytes.

        Raises:
            TurnNotGiven: The patience is over.
        """
        ...

    def feedback(self, turn: Turn, feedback: Feedback) -> None:
        """Ends a turn; called exactly once for each."""
        ...

    def hold(self, seconds: float) -> None:
        """Lets no request begin for so long; a hold only ever extends."""
        ...
