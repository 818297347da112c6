"""`DaskWorkers`: the workers of a Dask cluster, for `workers=` of `client.bulk`."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import define
from distributed import Client

from appcues_async.bulk.reading.sources import parts_of
from appcues_async.bulk.workers import Assignment
from appcues_async.clock import SystemClock
from appcues_async.cluster.attempt import Account, SharedAddress
from appcues_async.cluster.fleet import Fleet
from appcues_async.cluster.progress import Progress
from appcues_async.cluster.reading import ClusterReader, Partition
from appcues_async.cluster.sending import ClusterTransport
from appcues_async.errors import ConnectionFailed, InvalidInput
from appcues_async.rows.inputs import check_source
from appcues_async.rows.kinds import Kind
from appcues_async.rows.urls import StoredObject
from appcues_async.text import type_in_words
from appcues_async.wire.transport import HttpTransport

__all__ = ["DaskWorkers"]

_CONNECT: Final = 10.0
"""Seconds in which the scheduler has to answer."""


class DaskWorkers:
    """The workers of a Dask cluster: they read, check, cut, encode and send; this process decides.

    Pace, retries, journal, polling and reports stay where the run is. A worker that dies while it sends
    is a lost answer, which is looked into as any other. Sources that workers cannot reach (rows of this
    process, pipes, compressed files) are read and sent from here.
    """

    def __init__(self, dask_client: Client, share_credentials: bool = False) -> None:
        """Takes a client of a running cluster; it is neither changed nor closed.

        Args:
            dask_client: A `distributed.Client`, asynchronous or not.
            share_credentials: Whether to send the account's key to the workers, whose own environment
                or profile must else have it. Only where nobody can listen: the scheduler's address has
                to be `tls://`, or one of this machine.

        Raises:
            InvalidInput: It is no such client, or its connection is not safe for a key.
        """
        if not isinstance(dask_client, Client):
            raise InvalidInput(
                f"dask_client is {type_in_words(dask_client)}; give a distributed.Client of a running "
                "cluster, such as Client('tcp://scheduler:8786')"
            )
        self._client = dask_client
        self._share = share_credentials
        if share_credentials:
            _check_safe(_address_of(dask_client))

    def __repr__(self) -> str:
        return f"<DaskWorkers at {_address_of(self._client)}>"

    def parts_of(
        self, source: Any, kind: Kind, storage_options: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """A source as a list of sources; a Dask collection by its partitions.

        Args:
            source: A Dask DataFrame or Bag, a list of delayed partitions, or what `client.bulk` takes.
            kind: What its rows are.
            storage_options: What fsspec opens the stores of URLs with.

        Raises:
            InvalidInput: It is no source.
        """
        parts, what = _partitions_of(source)
        if parts is None:
            check_source(source)
            return parts_of(source, kind, storage_options)
        if not parts:
            raise InvalidInput(f"source is a {what} without partitions; there is nothing to send")
        return [
            Partition(f"partition {number:,} of the {what}", part)
            for number, part in enumerate(parts)
        ]

    async def begin(self, assignment: Assignment) -> DaskCrew:
        """Takes the workers for a run, once each has shown that it can send for the account.

        Args:
            assignment: What they do.

        Raises:
            InvalidInput: A worker has other credentials, another release of this package, or lacks it.
            ConnectionFailed: The cluster cannot be reached, or has no workers.
        """
        local = assignment.transport
        if not isinstance(local, HttpTransport):
            raise InvalidInput("workers cannot send for a client that sends elsewhere already")
        for source in assignment.sources:
            if source is not None and isinstance(source.source, StoredObject):
                self._check_store(source.source)
        address = local.address
        account = Account(address.origin, address.account_id)
        clock = SystemClock()
        async with AsyncExitStack() as stack:
            # Its close() says that it may return nothing to wait for; an asynchronous one does not.
            client: Any = await self._own_client()
            stack.push_async_callback(client.close)
            fleet = Fleet(
                client,
                account,
                clock,
                shared=SharedAddress(address) if self._share else None,
                listeners=assignment.listeners,
            )
            stack.push_async_callback(fleet.close)
            await fleet.begin()
            progress = Progress(client)
            stack.callback(progress.close)
            reader = ClusterReader(assignment, client, fleet)
            stack.push_async_callback(reader.stop)
            transport = ClusterTransport(
                local=local,
                fleet=fleet,
                progress=progress,
                account=account,
                timeouts=local.timeouts,
                proxy=local.has_proxy,
                clock=clock,
                listeners=tuple(assignment.listeners),
            )
            stack.push_async_callback(transport.close)
            return DaskCrew(reader, transport, stack.pop_all())

    def _check_store(self, remote: StoredObject) -> None:
        """Keeps a key to a store in this process, unless nobody can listen."""
        if getattr(remote.store, "storage_options", None):
            _check_safe(
                _address_of(self._client), "storage_options are given, which may hold a key"
            )

    async def _own_client(self) -> Client:
        # Of this loop and this run: the caller's may live on another loop, and keeps its own futures.
        address = _address_of(self._client)
        try:
            async with asyncio.timeout(_CONNECT):
                client: Client = await Client(
                    address,
                    asynchronous=True,
                    security=self._client.security,
                    set_as_default=False,
                    name="appcues-async",
                )
                return client
        except (OSError, TimeoutError, RuntimeError) as error:
            raise ConnectionFailed(
                f"nothing was sent: the Dask scheduler {address} cannot be reached "
                f"({type(error).__name__})",
                final=True,
            ) from None


@define(eq=False)
class DaskCrew:
    """The workers of one run.

    Attributes:
        reader: Reads its sources.
        transport: Makes the attempts to send its chunks.
    """

    reader: ClusterReader
    transport: ClusterTransport
    _held: AsyncExitStack

    async def close(self) -> None:
        """Lets go of all that the run has in the cluster."""
        await self._held.aclose()


def _address_of(client: Client) -> str:
    scheduler = client.scheduler
    if scheduler is None:
        raise InvalidInput("dask_client is not connected; `await` it, or open it, first")
    return str(scheduler.address)


def _check_safe(address: str, what: str = "share_credentials is True") -> None:
    parts = urlsplit(address)
    if parts.scheme in {"tls", "inproc"}:
        return
    try:
        host = parts.hostname or ""
        safe = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        safe = False
    if not safe:
        raise InvalidInput(
            f"{what}, and the scheduler is at {address}, where others may overhear it; use tls:// "
            "(Security of distributed), or give the workers credentials of their own"
        )


def _partitions_of(source: Any) -> tuple[list[Any] | None, str]:
    """The partitions of a Dask collection, and what it is called; None for what is none."""
    if _is_lazy(source):
        # Asked of the class: what is delayed has every attribute.
        kind = type(source)
        if hasattr(kind, "chunks"):
            raise InvalidInput(
                "source is a Dask Array, whose columns have no names; give a DataFrame"
            )
        parts = list(source.to_delayed()) if hasattr(kind, "to_delayed") else [source]
        return parts, f"Dask {kind.__name__}"
    if isinstance(source, list | tuple) and source and all(map(_is_lazy, source)):
        parts = [part for one in source for part in (_partitions_of(one)[0] or ())]
        return parts, f"list of {len(source):,}"
    return None, ""


def _is_lazy(source: Any) -> bool:
    return callable(getattr(type(source), "__dask_graph__", None))
