"""Which workers a run takes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster, Security

from appcues_async import AppcuesClient
from appcues_async.cluster import DaskWorkers, attempt, fleet
from appcues_async.cluster.attempt import SharedAddress
from appcues_async.cluster.process import Process
from appcues_async.cluster.workers import _check_safe
from appcues_async.errors import ConnectionFailed, InvalidInput
from appcues_async.sandbox import Sandbox
from appcues_async.text import Secret
from appcues_async.wire.transport import Address
from tests.cluster.test_sources import write_events


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return write_events(tmp_path / "events.ndjson", 0, 10)


async def test_a_worker_of_another_account_is_named_before_anything_is_sent(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    events: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APPCUES_ACCOUNT_ID", "4711")
    with pytest.raises(InvalidInput, match=r"worker inproc://.*has account 4711, not") as caught:
        await client.bulk.import_events(events, workers=workers)
    assert "2 of 2 workers" in str(caught.value)
    assert not sandbox.requests


@pytest.mark.long
async def test_a_worker_without_credentials_is_named(
    client: AppcuesClient, workers: DaskWorkers, events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APPCUES_API_SECRET")
    monkeypatch.setenv("HOME", str(events.parent))
    with pytest.raises(InvalidInput, match="the environment gives no api_secret"):
        await client.bulk.import_events(events, workers=workers)


@pytest.mark.long
async def test_a_worker_of_another_release_is_named(
    client: AppcuesClient, workers: DaskWorkers, events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fleet.Greeting("0.0.1", Process("", 1, ""), None)
    monkeypatch.setattr(fleet, "greet", lambda account: other)
    with pytest.raises(InvalidInput, match=r"has appcues-async 0\.0\.1, not"):
        await client.bulk.import_events(events, workers=workers)


def test_a_worker_that_lacks_the_package_is_told_what_to_install() -> None:
    why = fleet._differs(ModuleNotFoundError("No module named 'appcues_async'"))
    assert why is not None
    assert "install appcues-async[dask]==" in why


@pytest.mark.long
async def test_shared_credentials_need_no_environment(
    client: AppcuesClient,
    sandbox: Sandbox,
    dask_client: Client,
    events: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(attempt, "_shared", {})
    monkeypatch.setenv("HOME", str(events.parent))
    workers = DaskWorkers(dask_client, share_credentials=True)
    report = await client.bulk.import_events(events, workers=workers)
    assert report.completed == 10
    assert sandbox.credentials["api_secret"] not in caplog.text + repr(workers)


@pytest.mark.long
async def test_shared_credentials_go_over_tls(
    client: AppcuesClient, events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_shared", {})
    monkeypatch.setenv("HOME", str(events.parent))
    security = Security.temporary()
    async with (
        LocalCluster(
            n_workers=1,
            processes=False,
            protocol="tls://",
            security=security,
            dashboard_address=":0",
            asynchronous=True,
        ) as cluster,
        Client(cluster, security=security, asynchronous=True) as dask_client,
    ):
        workers = DaskWorkers(dask_client, share_credentials=True)
        assert "tls://" in repr(workers)
        addresses = list(await dask_client.scheduler.ncores())
        assert [one.partition(":")[0] for one in addresses] == ["tls"]
        report = await client.bulk.import_events(events, workers=workers)
    assert report.completed == 10


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("tls://10.0.0.1:8786", True),
        ("tcp://127.0.0.1:8786", True),
        ("tcp://[::1]:8786", True),
        ("inproc://10.0.0.1/1/1", True),
        ("tcp://10.0.0.1:8786", False),
        ("ws://scheduler:8786", False),
    ],
)
def test_credentials_are_shared_only_where_nobody_listens(address: str, safe: bool) -> None:
    if safe:
        _check_safe(address)
    else:
        with pytest.raises(InvalidInput, match="share_credentials is True"):
            _check_safe(address)


def test_a_shared_key_shows_itself_to_nobody_on_its_way() -> None:
    shared = SharedAddress(Address("https://o", "https://a", "1", Secret("Basic c2VjcmV0")))
    assert "c2VjcmV0" not in repr(shared) + str(vars(shared))
    again = pickle.loads(pickle.dumps(shared)).address
    assert again == shared.address
    assert repr(again.authorization) == "'***'"


@pytest.mark.long
async def test_a_cluster_without_workers_is_an_error(
    client: AppcuesClient,
    workers: DaskWorkers,
    cluster: Any,
    events: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet, "_PATIENCE", 0)
    cluster.scale(0)
    await cluster
    with pytest.raises(ConnectionFailed, match="has no workers; scale it up"):
        await client.bulk.import_events(events, workers=workers)


def test_what_is_no_dask_client_is_refused() -> None:
    with pytest.raises(InvalidInput, match="dask_client is a str"):
        DaskWorkers("tcp://127.0.0.1:8786")  # type: ignore[arg-type]
