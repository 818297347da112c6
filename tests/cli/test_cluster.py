"""`--dask`: a command whose reading and sending are done by workers."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from appcues_async.cli.bulk_progress import StageBars, StageLines
from appcues_async.notices import WorkerChanged
from appcues_async.sandbox import Sandbox
from tests.cli.conftest import Command

needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")


@pytest.fixture
def scheduler() -> Iterator[str]:
    """The address of a cluster in threads of this process."""
    from distributed import LocalCluster  # noqa: PLC0415

    with LocalCluster(
        n_workers=1, threads_per_worker=4, processes=False, dashboard_address=":0", protocol="tcp"
    ) as running:
        yield str(running.scheduler_address)


def rows(path: Path, count: int = 20) -> Path:
    text = "".join(
        json.dumps({"user_id": f"u{row}", "plan": "team"}) + "\n" for row in range(count)
    )
    path.write_text(text)
    return path


@pytest.mark.long
@needs_dask
def test_workers_of_a_cluster_send_the_files(
    command: Command, account: Sandbox, scheduler: str, tmp_path: Path
) -> None:
    path = rows(tmp_path / "users.ndjson")
    options = ("--dask", scheduler, "--share-credentials", "-o", "json")
    ran = command("import", "profiles", str(path), *options)
    assert ran.code == 0, ran.err
    assert len(account.profiles) == 20
    assert f"worker {scheduler[:16]}" in ran.err


@needs_dask
def test_a_scheduler_that_is_not_there_is_an_error(command: Command, tmp_path: Path) -> None:
    path = rows(tmp_path / "users.ndjson")
    ran = command("import", "profiles", str(path), "--dask", "the cluster")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")


def test_without_dask_it_is_said_what_to_install(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    path = rows(tmp_path / "users.ndjson")
    ran = command("import", "profiles", str(path), "--dask", "tcp://127.0.0.1:8786")
    assert ran.code == 2
    assert "pip install 'appcues-async[dask]'" in ran.error["message"]


def test_a_key_is_shared_with_a_cluster_only(command: Command, tmp_path: Path) -> None:
    ran = command("import", "profiles", str(rows(tmp_path / "users.ndjson")), "--share-credentials")
    assert (ran.code, ran.error["type"]) == (2, "InvalidInput")


def test_a_line_tells_what_each_worker_does(capsys: pytest.CaptureFixture[str]) -> None:
    with StageLines() as lines:
        lines(_worker("tcp://a:1", sending=2))
        lines(_worker("tcp://a:1", chunks=3, bytes_sent=4_000_000))
        lines(_worker("tcp://b:1", gone=True))
        lines._tell()
    said = capsys.readouterr().err
    assert "worker tcp://b:1 is gone" in said
    assert "worker tcp://a:1: sends 0 of 4 at once, 3 chunks, 4.0 MB accepted" in said


def test_a_row_shows_what_each_worker_does() -> None:
    bars = StageBars(Console(file=io.StringIO(), width=120))
    for sending in (1, 2):
        bars(_worker("tcp://a:1", sending=sending))
    (task,) = [one for one in bars.progress.tasks if one.description == "tcp://a:1"]
    assert task.fields["note"].startswith("sends 2 of 4 at once")


def _worker(address: str, **values: Any) -> WorkerChanged:
    return WorkerChanged(
        worker=address, threads=4, **{"sending": 0, "chunks": 0, "bytes_sent": 0, **values}
    )
