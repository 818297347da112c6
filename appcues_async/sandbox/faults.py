"""Faults: what goes wrong, for which requests, and how often."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from attrs import define, field, frozen
from attrs.validators import ge, instance_of, le, optional

from appcues_async.sandbox.cross_loop import Hold

__all__ = [
    "Amend",
    "Answer",
    "Close",
    "Fault",
    "Faults",
    "Instruction",
    "Misstate",
    "Point",
    "Raw",
    "Reset",
    "Stall",
    "Truncate",
]

#: How much of a request is read first: nothing after the headers, all of its body, or so many
#: bytes of it.
Point = Literal["headers", "body"] | int


def _whole_if_applied(instance: Answer | Reset | Close, _attribute: object, after: Point) -> None:
    if instance.applied and after != "body":
        raise ValueError("Only a request that was read to its end can be applied")


@frozen
class Answer:
    """Another reply in place of the real one.

    Attributes:
        status: The HTTP status.
        body: The body; None for Problem Details, "" for an empty one.
        headers: Headers to send; they may replace Content-Type.
        applied: Whether the request takes effect before it gets this answer.
        after: How much of the request is read before.
        close: Whether the connection is closed at once, whatever is still coming in.
    """

    status: int = field(validator=[instance_of(int), ge(100), le(999)])
    body: str | bytes | None = field(default=None, kw_only=True)
    headers: Mapping[str, str] = field(factory=dict[str, str], kw_only=True)
    applied: bool = field(default=False, kw_only=True)
    after: Point = field(default="body", kw_only=True, validator=_whole_if_applied)
    close: bool = field(default=False, kw_only=True)

    @classmethod
    def html(cls, status: int, *, applied: bool = False) -> Self:
        """A web page, as a proxy or a load balancer would send it."""
        page = f"<html><head><title>{status}</title></head><body>Sorry.</body></html>"
        return cls(status, body=page, headers={"Content-Type": "text/html"}, applied=applied)

    @classmethod
    def redirect(cls, url: str, *, status: int = 307) -> Self:
        """A redirect to `url`."""
        return cls(status, body="", headers={"Location": url})


@frozen(kw_only=True)
class Reset:
    """No answer: the connection is reset (RST).

    Attributes:
        after: How much of the request is read before.
        applied: Whether the request takes effect before that.
    """

    after: Point = field(default="body", validator=_whole_if_applied)
    applied: bool = False


@frozen(kw_only=True)
class Close:
    """No answer: the connection is closed in an orderly way (FIN).

    A connection that is closed while bytes are still coming in is reset by the system.

    Attributes:
        after: How much of the request is read before.
        applied: Whether the request takes effect before that.
    """

    after: Point = field(default="body", validator=_whole_if_applied)
    applied: bool = False


@frozen
class Stall:
    """The real answer, late.

    Attributes:
        at: Where it waits: at the `request`, before anything of it is read or takes effect; at
            the `headers` of the answer, after it took effect; or half way through the `body` of
            the answer.
        seconds: How long, in real seconds; None for until the hold is released.
        hold: What releases it, before its seconds are over or without any.
    """

    at: Literal["request", "headers", "body"] = "headers"
    seconds: float | None = field(default=None, kw_only=True, validator=optional(ge(0)))
    hold: Hold = field(factory=Hold, kw_only=True, eq=False)


@frozen
class Truncate:
    """The real answer, cut off: all of its headers, the start of its body, then the end.

    Attributes:
        keep: How many bytes of the body are sent.
        reset: Whether the connection ends with RST instead of FIN.
        chunked: Whether the body comes in chunks, of which the last is missing, instead of under a
            Content-Length.
    """

    keep: int = field(default=10, validator=ge(0))
    reset: bool = field(default=False, kw_only=True)
    chunked: bool = field(default=False, kw_only=True)


@frozen
class Misstate:
    """The real answer, whole, under a Content-Length that is not its own.

    The connection stays open: nothing else ends a body that is shorter than it should be.

    Attributes:
        by: How many bytes too many it says; below 0, how many too few.
    """

    by: int


@frozen
class Raw:
    """Bytes that need not be HTTP, and then the end of the connection.

    Attributes:
        data: What is sent.
        applied: Whether the request takes effect before that.
    """

    data: bytes
    applied: bool = field(default=False, kw_only=True)


@frozen
class Amend:
    """The real answer with some fields changed, where it is a JSON object, and some headers.

    Attributes:
        fields: The new values by name; None takes the field out.
        headers: Headers to send beside the real ones; they may replace Content-Type.
    """

    fields: Mapping[str, Any] = field(factory=dict[str, Any])
    headers: Mapping[str, str] = field(factory=dict[str, str], kw_only=True)


Fault = Answer | Reset | Close | Stall | Truncate | Misstate | Raw | Amend


@define(eq=False, kw_only=True)
class Instruction:
    """A fault and the requests that it is for.

    Attributes:
        fault: What happens.
        method: Of which HTTP method; None for any.
        path: A regular expression that is searched in the path as it was sent; None for any.
        skip: How many matching requests are left alone first.
        times: How many it happens to after that; None for all.
        probability: The chance that it happens to one of them, from 0 to 1.
        hits: How many requests it has happened to.
        number: Its place among all that were added since the last clearing, from 1.
    """

    fault: Fault
    method: str | None = None
    path: re.Pattern[str] | None = None
    skip: int = field(default=0, validator=ge(0))
    times: int | None = 1
    probability: float = field(default=1.0, validator=[ge(0), le(1)])
    hits: int = 0
    number: int = 0

    def claims(self, method: str, path: str, chance: random.Random) -> bool:
        """Decides whether the fault happens to a request; called once per request."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.method is not None and self.method != method:
            return False
        if self.path is not None and not self.path.search(path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.probability < 1 and chance.random() >= self.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """The faults in force; of those that match a request, the oldest one happens.

    Args:
        seed: Where chance starts from, so that a run can be repeated.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._chance = random.Random(seed)
        self._instructions: list[Instruction] = []
        self._added = 0
        self._lock = threading.Lock()

    def add(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str | None = None,
        skip: int = 0,
        times: int | None = 1,
        probability: float = 1.0,
    ) -> Instruction:
        """Adds a fault.

        Args:
            fault: What happens.
            method: To requests of which HTTP method, in any case; None for any.
            path: To requests whose path, as it was sent, has a match for this regular expression;
                None for any.
            skip: How many matching requests to leave alone first.
            times: To how many requests after that; None for all.
            probability: The chance of each of them, from 0 to 1; it is drawn from a seeded
                generator.

        Returns:
            The instruction; its `hits` says how often it has happened.

        Raises:
            TypeError: `fault` is none.
            ValueError: `times` is below 1, `skip` is negative, or `probability` is not from 0 to 1.
            re.error: `path` is not a regular expression.
        """
        if not isinstance(fault, get_args(Fault)):
            hint = f"; use Answer({fault})" if isinstance(fault, int) else ""
            kinds = ", ".join(kind.__name__ for kind in get_args(Fault))
            raise TypeError(f"{fault!r} is not a fault{hint}: it must be one of {kinds}")
        if times is not None and times < 1:
            raise ValueError(f"`times` must be at least 1, or None for ever, not {times}")
        instruction = Instruction(
            fault=fault,
            method=None if method is None else method.upper(),
            path=None if path is None else re.compile(path),
            skip=skip,
            times=times,
            probability=probability,
        )
        with self._lock:
            self._added += 1
            instruction.number = self._added
            self._instructions.append(instruction)
        return instruction

    @property
    def instructions(self) -> list[Instruction]:
        """The instructions in force, oldest first, with their hits."""
        with self._lock:
            return list(self._instructions)

    def clear(self) -> None:
        """Ends all instructions, releases what they hold, and starts chance from its seed."""
        with self._lock:
            ended, self._instructions = self._instructions, []
            self._added = 0
            self._chance = random.Random(self._seed)
        for instruction in ended:
            if isinstance(instruction.fault, Stall):
                instruction.fault.hold.release()

    def take(self, method: str, path: str) -> Fault | None:
        """Returns the fault that happens to a request, if any."""
        with self._lock:
            for instruction in self._instructions:
                if instruction.claims(method, path, self._chance):
                    return instruction.fault
        return None
