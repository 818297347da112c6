"""A cluster inside of this process: real scheduler, real workers, one loop."""

# ruff: noqa: PLC0415 - Dask is an extra; where it is missing there are no such tests

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from appcues_async.sandbox import Sandbox

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

    from appcues_async.cluster import DaskWorkers

collect_ignore_glob = [] if find_spec("distributed") else ["*.py"]


@pytest.fixture
async def cluster() -> AsyncIterator[LocalCluster]:
    """Two workers of four threads."""
    from distributed import LocalCluster

    running: Any = LocalCluster(
        n_workers=2,
        threads_per_worker=4,
        processes=False,
        dashboard_address=":0",
        asynchronous=True,
    )
    with warnings.catch_warnings():
        # A disk that is slow at the moment is nobody's fault.
        warnings.simplefilter("ignore", UserWarning)
        await running
    try:
        yield running
    finally:
        await running.close()


@pytest.fixture
async def dask_client(cluster: LocalCluster) -> AsyncIterator[Client]:
    """A client of it."""
    from distributed import Client

    async with Client(cluster, asynchronous=True) as opened:
        yield opened


@pytest.fixture
def workers(dask_client: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> DaskWorkers:
    """Its workers, with the sandbox's credentials in their environment."""
    from appcues_async.cluster import DaskWorkers

    set_environment(monkeypatch, sandbox)
    return DaskWorkers(dask_client)


def set_environment(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """Puts the credentials where workers of this process find them."""
    for name, value in sandbox.credentials.items():
        monkeypatch.setenv(f"APPCUES_{name.upper()}", str(value))
