"""`--dask`: the workers of a running Dask cluster, for as long as a command needs them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from appcues_async.cli.bulk_options import BulkOptions
from appcues_async.errors import ConnectionFailed, InvalidInput

__all__ = ["joined_workers"]


@asynccontextmanager
async def joined_workers(bulk: BulkOptions, *, dry_run: bool) -> AsyncIterator[dict[str, Any]]:
    """Joins the cluster that is asked for; yields what `client.bulk` takes of it.

    Args:
        bulk: What is asked for.
        dry_run: Whether nothing is sent; then this process reads.

    Raises:
        InvalidInput: Dask is not installed, or there is no cluster to share the key with.
        ConnectionFailed: The scheduler cannot be reached.
    """
    if bulk.dask is None:
        if bulk.share_credentials:
            raise InvalidInput("--share-credentials goes with --dask ADDRESS; leave it out")
        yield {}
        return
    if dry_run:
        yield {}
        return
    try:
        from distributed import Client  # noqa: PLC0415 - an extra

        from appcues_async.cluster import DaskWorkers  # noqa: PLC0415
    except ImportError:
        raise InvalidInput(
            "--dask needs Dask: pip install 'appcues-async[dask]', here and on every worker"
        ) from None
    if not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", bulk.dask):
        raise InvalidInput(
            f"--dask is {bulk.dask!r}, which is no address of a scheduler; give it as tcp://host:8786"
        )
    try:
        client = await Client(bulk.dask, asynchronous=True, timeout=10, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConnectionFailed(
            f"nothing was sent: the Dask scheduler {bulk.dask} cannot be reached "
            f"({type(error).__name__})",
            final=True,
        ) from None
    async with client:
        yield {"workers": DaskWorkers(client, share_credentials=bulk.share_credentials)}
