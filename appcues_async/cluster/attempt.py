"""A worker's side of an attempt: it sends a chunk, once, if the attempt's ticket is still good.

Attempts come as messages, out of Dask's band of tasks: a task costs the scheduler several times as much,
and Dask may run it again elsewhere, whatever it was told.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, TypedDict, cast

from attrs import evolve, field, frozen
from distributed import Worker

from appcues_async.cluster.tasks import Encoded, SharedFile
from appcues_async.cluster.tickets import Ticket, admit, cancel_ticket, issue_ticket
from appcues_async.errors import AppcuesError, ConnectionFailed, InvalidInput, OutcomeUnknown
from appcues_async.notices import BodySent, Notice
from appcues_async.settings import Credentials, Proxy, Timeouts, as_secret
from appcues_async.wire.connections import Connections
from appcues_async.wire.reply import Reply
from appcues_async.wire.request import Blocks, Body, FilePieces, Multipart, Request
from appcues_async.wire.transport import Address, HttpTransport

__all__ = [
    "Account",
    "Answer",
    "Attempt",
    "ObjectPart",
    "Part",
    "Sent",
    "SharedAddress",
    "address_of",
    "send_chunk",
    "stop_sending",
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
    """The part of encoded rows that is sent.

    Attributes:
        key: Their name in the memory of the cluster.
        pieces: The offset and size of each stretch.
        content_type: Their media type.
        digest: What the encoded rows are as a whole.
        source: What they are from.
    """

    key: str
    pieces: Any = field(repr=False)
    content_type: str
    digest: str
    source: str


@frozen
class ObjectPart:
    """The part of an object of a store that is sent.

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
        number: Its ticket.
        topic: Where to tell how far it is.
        account: Whose account it is for.
        request: What to send, without its body.
        part: What to send: stretches of a file, of an object, or of encoded rows.
        form: The form that the body is a part of, if it is; its own part is left out.
        timeouts: Seconds that its parts may take.
        valid: Seconds for which its ticket counts.
        deadline: Seconds that it may take once it has begun.
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
    """The end of an attempt.

    Attributes:
        ticket: The ticket for another; None where there is none.
        sent: Whether anything may have been sent.
        reply: The server's answer.
        error: What went wrong instead.
        lacks_rows: Whether the encoded rows are not here.
    """

    ticket: Ticket | None = None
    sent: bool = False
    reply: Reply | None = None
    error: AppcuesError | None = None
    lacks_rows: bool = False


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
"""Addresses, with credentials, that drivers have shared with this process."""
_making: Final[dict[str, asyncio.Task[Answer]]] = {}
"""Attempts that have begun, by their tickets."""


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


async def send_chunk(attempt: Attempt, dask_worker: Worker) -> Answer:
    """Makes an attempt, if its ticket still counts.

    Args:
        attempt: The attempt.
        dask_worker: The worker that this is.

    Raises:
        LookupError: Its ticket is not out; the same attempt may be under way.
    """
    if not admit(attempt.number, attempt.valid):
        return Answer(ticket=issue_ticket())
    making = asyncio.create_task(_make(attempt, dask_worker))
    _making[attempt.number] = making
    try:
        return evolve(await making, ticket=issue_ticket())
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            making.cancel()
            raise
        lost = OutcomeUnknown(f"{attempt.request}: the run was cancelled while this was being sent")
        return Answer(sent=True, error=lost)
    finally:
        del _making[attempt.number]


def stop_sending(number: str) -> None:
    """Stops an attempt, whether it has begun or not."""
    cancel_ticket(number)
    if number in _making:
        _making[number].cancel()


async def _make(attempt: Attempt, worker: Worker) -> Answer:
    sent = False
    try:
        async with asyncio.timeout(attempt.deadline):
            address = address_of(attempt.account)
            body = await _body_of(attempt, worker)
            if body is None:
                return Answer(lacks_rows=True)
            sent = True
            request = evolve(attempt.request, body=body)
            return Answer(sent=True, reply=await _send(attempt, request, address, worker))
    except InvalidInput as error:
        error.args = (f"worker {worker.address}: {error}",)
        return Answer(sent=sent, error=error)
    except AppcuesError as error:
        return Answer(sent=sent, error=error)
    except TimeoutError:
        why = (
            f"{attempt.request}: not answered within {attempt.deadline:.0f} s, a worker's deadline"
        )
        return Answer(sent=sent, error=OutcomeUnknown(why) if sent else ConnectionFailed(why))


async def _send(attempt: Attempt, request: Request, address: Address, worker: Worker) -> Reply:
    told = time.monotonic()

    def on_notice(notice: Notice) -> None:
        nonlocal told
        if isinstance(notice, BodySent) and time.monotonic() - told >= _TOLD_EVERY:
            told = time.monotonic()
            worker.log_event(attempt.topic, Sent(number=attempt.number, sent=notice.sent))

    proxy = Proxy.of("env", address.origin) if attempt.proxy else None
    connections = Connections(attempt.timeouts, None, proxy)
    connections.open()
    transport = HttpTransport(connections, address, attempt.timeouts, on_notice)
    try:
        return await transport.attempt(request)
    finally:
        await connections.close(0)


async def _body_of(attempt: Attempt, worker: Worker) -> Body | None:
    """The body; None where its rows are not here."""
    part: Blocks | FilePieces
    match attempt.part:
        case FilePieces():
            part = attempt.part
        case ObjectPart(file=file, pieces=pieces, head=head):
            blocks = await asyncio.to_thread(file.read, pieces)
            part = Blocks([head, *blocks] if head else blocks, attempt.part.content_type)
        case Part(key=key):
            encoded: Encoded | None = cast("Encoded | None", worker.data.get(key))
            if encoded is None:
                return None
            if encoded.digest != attempt.part.digest:
                raise InvalidInput(
                    f"{attempt.part.source} has other rows when it is computed once more; persist() "
                    "it, or make it give the same each time"
                )
            part = Blocks(encoded.cut(attempt.part.pieces), attempt.part.content_type)
    return part if attempt.form is None else Multipart(part, *attempt.form)
