"""A worker's side of an attempt: it asks whether it may send, and sends once.

Dask may run a task twice, whatever it was told: on a worker that it took for dead, and on another. So
an execution asks the driver first, which says yes to one execution of each attempt. Yes counts for
seconds of this process's own clock; a driver that is dead says nothing, and then nothing is sent.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict

from attrs import astuple, evolve, field, frozen
from distributed import get_worker

from appcues_async.cluster.process import this_process
from appcues_async.cluster.tasks import Encoded, SharedFile
from appcues_async.errors import AppcuesError, InvalidInput, OutcomeUnknown
from appcues_async.notices import BodySent, Notice
from appcues_async.settings import Credentials, Proxy, Timeouts, as_secret
from appcues_async.wire.connections import Connections
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Blocks, Body, FilePieces, Multipart, Request
from appcues_async.wire.transport import Address, HttpTransport

__all__ = [
    "Account",
    "Answer",
    "Asked",
    "Attempt",
    "ObjectPart",
    "Part",
    "Sent",
    "SharedAddress",
    "address_of",
    "answer_claims",
    "send_chunk",
    "take_address",
]

_TOLD_EVERY: Final = 0.5
"""Seconds between two words on how far an upload is."""


@frozen
class Account:
    """Whose account is sent to.

    Attributes:
        origin: The server.
        id: The account.
    """

    origin: str
    id: str


@frozen
class Part:
    """What of encoded rows is sent.

    Attributes:
        pieces: The offset and size of each stretch.
        content_type: Their media type.
        digest: What the encoded rows are as a whole.
        source: What they are from.
    """

    pieces: Any = field(repr=False)
    content_type: str
    digest: str
    source: str


@frozen
class ObjectPart:
    """What of an object of a store is sent.

    Attributes:
        file: The object.
        pieces: The offset and size of each stretch.
        content_type: Their media type.
        head: What is sent first.
    """

    file: SharedFile
    pieces: Any = field(repr=False)
    content_type: str
    head: bytes = field(repr=False)


@frozen(kw_only=True)
class Attempt:
    """One attempt to send one chunk.

    Attributes:
        number: Identifies it.
        topic: Where to ask for leave.
        account: Whose account it is for.
        request: What to send, without its body.
        part: What to send: stretches of a file, of an object, or of encoded rows.
        form: The form that the body is a part of, if it is; its own part is left out.
        timeouts: Seconds that its parts may take.
        valid: Seconds from the question in which leave counts.
        deadline: Seconds that it may take from then on.
        proxy: Whether to go through the proxy that the worker's environment names.
    """

    number: str
    topic: str
    account: Account
    request: Request
    part: FilePieces | ObjectPart | Part
    form: tuple[str, str] | None
    timeouts: Timeouts
    valid: float
    deadline: float
    proxy: bool


class Asked(TypedDict):
    """An execution asks for leave to make an attempt; plain values, which the scheduler passes on.

    Attributes:
        number: The attempt.
        execution: Which of its executions.
        worker: The address of the worker.
        process: Its process, as `Process` has it.
    """

    number: str
    execution: str
    worker: str
    process: tuple[str, int, str]


class Sent(TypedDict):
    """How far an attempt is.

    Attributes:
        number: The attempt.
        sent: Bytes handed to the network.
    """

    number: str
    sent: int


@frozen(kw_only=True)
class Answer:
    """What came of an execution.

    Attributes:
        execution: Which.
        sent: Whether anything may have been sent.
        reply: The server's answer.
        error: What went wrong instead; without one, and without a reply, it had no leave.
    """

    execution: str
    sent: bool
    reply: Reply | None = None
    error: AppcuesError | None = None


class SharedAddress:
    """A server and the key to it, on the way to a worker; it shows neither."""

    def __init__(self, address: Address) -> None:
        """Takes it."""
        self.address: Address = address

    def __reduce__(self) -> tuple[Any, ...]:
        # Secrets refuse to be pickled; here it is meant.
        one = self.address
        return _restore, (one.origin, one.activity_origin, one.account_id, str(one.authorization))


def _restore(origin: str, activity_origin: str, account_id: str, text: str) -> SharedAddress:
    return SharedAddress(Address(origin, activity_origin, account_id, as_secret(text)))


_shared: Final[dict[Account, Address]] = {}
"""What drivers have shared with this process."""
_waiting: Final[dict[str, asyncio.Future[bool]]] = {}
"""Executions that have asked."""
_sending: Final[dict[str, asyncio.Task[Reply]]] = {}
"""Executions that send."""


def take_address(shared: SharedAddress) -> None:
    """Keeps a key that a driver shares, in this process's memory alone."""
    address = shared.address
    _shared[Account(address.origin, address.account_id)] = address


def address_of(account: Account) -> Address:
    """The server and the key to it, as shared, or as this process's environment or profile has them.

    Raises:
        InvalidInput: There are none, or they are another account's.
    """
    if account in _shared:
        return _shared[account]
    mine = Credentials.from_env()
    for name, ours, theirs in (
        ("account", mine.account_id, account.id),
        ("server", mine.origin, account.origin),
    ):
        if ours != theirs:
            raise InvalidInput(f"its environment or profile has {name} {ours}, not {theirs}")
    return Address.of(mine)


async def answer_claims(answers: Mapping[str, bool]) -> None:
    """Tells executions of this process whether they may send, or are to stop.

    Args:
        answers: Whether each may; those of other processes are left alone.
    """
    for execution, may in answers.items():
        if execution in _waiting and not _waiting[execution].done():
            _waiting[execution].set_result(may)
        elif not may and execution in _sending:
            _sending[execution].cancel()


async def send_chunk(attempt: Attempt, encoded: Encoded | None = None) -> Answer:
    """Makes an attempt, if it may; never raises.

    Args:
        attempt: The attempt.
        encoded: The rows that are held here, if it is of those.
    """
    execution = secrets.token_hex(8)
    worker = get_worker()
    try:
        address = address_of(attempt.account)
        request = evolve(attempt.request, body=await _body_of(attempt, encoded))
        asked = time.monotonic()
        question = Asked(
            number=attempt.number,
            execution=execution,
            worker=worker.address,
            process=astuple(this_process()),
        )
        if not await _has_leave(question, attempt, worker.log_event):
            return Answer(execution=execution, sent=False)
        if time.monotonic() - asked > attempt.valid:
            return Answer(execution=execution, sent=False)
    except InvalidInput as error:
        error.args = (f"worker {worker.address}: {error}",)
        return Answer(execution=execution, sent=False, error=error)
    sending = asyncio.create_task(_send(attempt, request, address, worker.log_event))
    _sending[execution] = sending
    try:
        return Answer(execution=execution, sent=True, reply=await sending)
    except AppcuesError as error:
        return Answer(execution=execution, sent=True, error=error)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            sending.cancel()
            raise
        lost = OutcomeUnknown(f"{request}: the run was cancelled while this was being sent")
        return Answer(execution=execution, sent=True, error=lost)
    finally:
        del _sending[execution]


async def _has_leave(question: Asked, attempt: Attempt, tell: Callable[[str, Any], None]) -> bool:
    leave: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    _waiting[question["execution"]] = leave
    try:
        tell(attempt.topic, question)
        async with asyncio.timeout(attempt.valid):
            return await leave
    except TimeoutError:
        return False
    finally:
        del _waiting[question["execution"]]


async def _send(
    attempt: Attempt, request: Request, address: Address, tell: Callable[[str, Any], None]
) -> Reply:
    told = time.monotonic()

    def on_notice(notice: Notice) -> None:
        nonlocal told
        if isinstance(notice, BodySent) and time.monotonic() - told >= _TOLD_EVERY:
            told = time.monotonic()
            tell(attempt.topic, Sent(number=attempt.number, sent=notice.sent))

    proxy = Proxy.of("env", address.origin) if attempt.proxy else None
    connections = Connections(attempt.timeouts, None, proxy)
    connections.open()
    transport = HttpTransport(connections, address, attempt.timeouts, on_notice)
    try:
        async with asyncio.timeout(attempt.deadline):
            return await transport.attempt(request)
    except TimeoutError:
        raise OutcomeUnknown(
            f"{request}: not answered within {attempt.deadline:.0f} s, the deadline of a worker"
        ) from None
    finally:
        await connections.close(0)


async def _body_of(attempt: Attempt, encoded: Encoded | None) -> Body:
    part: Blocks | FilePieces
    match attempt.part:
        case FilePieces():
            part = attempt.part
        case ObjectPart(file=file, pieces=pieces, head=head):
            blocks = await asyncio.to_thread(file.read, pieces)
            part = Blocks([head, *blocks] if head else blocks, attempt.part.content_type)
        case Part():
            assert encoded is not None  # noqa: S101 - it was asked for
            if encoded.digest != attempt.part.digest:
                raise InvalidInput(
                    f"{attempt.part.source} has other rows when it is computed once more; persist() "
                    "it, or make it give the same each time"
                )
            part = Blocks(encoded.cut(attempt.part.pieces), attempt.part.content_type)
    return part if attempt.form is None else Multipart(part, *attempt.form)
