"""Which execution of an attempt sends, and when it is over for certain that one does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from distributed import Client

from appcues_async import AppcuesClient, Timeouts
from appcues_async.clock import SystemClock
from appcues_async.cluster import DaskWorkers, sending
from appcues_async.cluster import claims as claims_module
from appcues_async.cluster.attempt import Account, Answer, Attempt, send_chunk
from appcues_async.cluster.claims import Claims
from appcues_async.cluster.process import Process, is_dead, this_process
from appcues_async.errors import OutcomeUnknown
from appcues_async.sandbox import Sandbox
from appcues_async.sandbox.faults import Stall
from appcues_async.wire.request import CSV, Endpoint, FilePieces, Lane, stamp_of
from tests.cluster.conftest import set_environment
from tests.cluster.test_sources import write_events
from tests.conftest import arrived

UPLOAD = Endpoint("POST", "import/profiles", lane=Lane.UPLOAD)


@pytest.fixture
async def claims(dask_client: Client) -> AsyncIterator[Claims]:
    given = Claims(dask_client, SystemClock())
    yield given
    await given.close()


@pytest.fixture
def body(tmp_path: Path) -> FilePieces:
    path = tmp_path / "users.csv"
    path.write_text("user_id,plan\nu1,team\n")
    return FilePieces(path, [(0, path.stat().st_size)], CSV, stamp_of(path))


@pytest.fixture
def attempt(
    claims: Claims, sandbox: Sandbox, body: FilePieces, monkeypatch: pytest.MonkeyPatch
) -> Attempt:
    set_environment(monkeypatch, sandbox)
    return Attempt(
        number="",
        topic=claims.topic,
        account=Account(sandbox.credentials["base_url"], sandbox.credentials["account_id"]),
        request=UPLOAD.request(),
        part=body,
        form=None,
        timeouts=Timeouts(),
        valid=0.3,
        deadline=5,
        proxy=False,
    )


async def run(client: Client, attempt: Attempt, number: str) -> Answer:
    answer: Answer = await client.submit(send_chunk, evolve(attempt, number=number), pure=False)
    return answer


async def test_one_execution_of_an_attempt_sends_and_no_other(
    dask_client: Client, claims: Claims, attempt: Attempt, sandbox: Sandbox
) -> None:
    with claims.opened() as claim:
        answers = await asyncio.gather(*(run(dask_client, attempt, claim.number) for _ in range(3)))
        (sent,) = [one for one in answers if one.sent]
    assert sent.execution == claim.execution
    assert sent.reply is not None
    assert sent.reply.status == 202
    assert len(sandbox.requests) == 1


@pytest.mark.long
async def test_a_claim_that_was_withdrawn_sends_nothing(
    dask_client: Client, claims: Claims, attempt: Attempt, sandbox: Sandbox
) -> None:
    with claims.opened() as claim:
        assert claim.withdraw()
        assert not (await run(dask_client, attempt, claim.number)).sent
    assert not (await run(dask_client, attempt, claim.number)).sent
    assert not sandbox.requests


@pytest.mark.long
async def test_without_a_driver_that_answers_nothing_is_sent(
    dask_client: Client, claims: Claims, attempt: Attempt, sandbox: Sandbox
) -> None:
    dask_client.unsubscribe_topic(claims.topic)
    with claims.opened() as claim:
        answer = await run(dask_client, attempt, claim.number)
    assert (answer.sent, answer.error) == (False, None)
    assert not sandbox.requests


@pytest.mark.long
async def test_leave_that_comes_late_counts_no_more(
    dask_client: Client,
    claims: Claims,
    attempt: Attempt,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims_module, "_TOGETHER", 0.6)
    with claims.opened() as claim:
        answer = await run(dask_client, attempt, claim.number)
    assert claim.execution == answer.execution
    assert not answer.sent
    assert not sandbox.requests


@pytest.mark.long
async def test_an_attempt_ends_by_its_deadline(
    dask_client: Client, claims: Claims, attempt: Attempt, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Stall(seconds=1), method="POST")
    with claims.opened() as claim:
        answer = await run(dask_client, evolve(attempt, deadline=0.2), claim.number)
    assert answer.sent
    assert isinstance(answer.error, OutcomeUnknown)


@pytest.mark.long
async def test_a_cancelled_run_stops_whoever_sends_for_it(
    dask_client: Client, claims: Claims, attempt: Attempt, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Stall("request", seconds=2), method="POST")
    asked: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    async def leave() -> None:
        with claims.opened() as claim:
            running = asyncio.create_task(run(dask_client, attempt, claim.number))
            running.add_done_callback(lambda done: asked.set_result(done.result()))
            await asyncio.Event().wait()

    leaving = asyncio.create_task(leave())
    await arrived(sandbox)
    leaving.cancel()
    answer = await asyncio.wait_for(asked, 1)
    assert "cancelled" in str(answer.error)


@pytest.mark.long
async def test_a_worker_that_is_lost_is_waited_for_until_it_can_send_no_more(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    cluster: Any,
    body: FilePieces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "VALID", 0.3)
    sandbox.faults.add(Stall(seconds=3), method="POST")
    patient = client.with_options(timeouts=Timeouts(connect=0.2, idle=0.4), on_unknown="raise")
    began = time.monotonic()
    run = patient.bulk.import_events(
        _events(body.path.parent), workers=workers, on_failure="report"
    )
    running = asyncio.create_task(run.result())
    await arrived(sandbox)
    for worker in list(cluster.workers.values()):
        if worker.state.executing_count:
            await worker.close()
    (outcome,) = (await running).outcomes
    assert outcome.status == "unknown"
    assert time.monotonic() - began > 0.9
    assert "was lost while it was sending" in str(outcome.error)


@pytest.mark.long
async def test_a_worker_that_goes_before_it_has_leave_is_replaced_by_another(
    client: AppcuesClient, sandbox: Sandbox, workers: DaskWorkers, cluster: Any, body: FilePieces
) -> None:
    first = next(iter(cluster.workers.values()))
    held: set[str] = set()
    log_event = first.log_event

    async def close() -> None:
        await first.close()

    def say_nothing(topic: Any, message: Any) -> None:
        if "execution" in message:
            held.add(message["execution"])
            asyncio.get_running_loop().create_task(close())
        else:
            log_event(topic, message)

    first.log_event = say_nothing
    report = await client.bulk.import_events(
        [_events(body.path.parent, f"{one}.ndjson") for one in range(4)], workers=workers
    )
    assert held
    assert report.ok
    assert len([one for one in sandbox.requests if one.method == "POST"]) == report.chunks


def test_a_process_is_dead_once_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        here = this_process()
        seen = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        process = Process(here.place, child.pid, seen[19])
        assert is_dead(process) is False
        child.kill()
        child.wait()
    assert is_dead(process) is True


def test_a_process_of_another_machine_is_not_taken_for_dead() -> None:
    assert is_dead(Process("elsewhere", 1, "1")) is None
    assert is_dead(Process("", 1, "1")) is None


def test_another_process_with_the_same_number_is_another() -> None:
    here = this_process()
    assert is_dead(here) is False
    assert is_dead(evolve(here, started="1")) is True


def _events(folder: Path, name: str = "events.ndjson") -> Path:
    return write_events(folder / name, 0, 10)
