"""An attempt on a worker: made once, and over at a known time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from distributed import Client, Status

from appcues_async import AppcuesClient, Timeouts
from appcues_async.cluster import DaskWorkers, sending
from appcues_async.cluster import attempt as attempt_module
from appcues_async.cluster.attempt import Account, Answer, Attempt, send_chunk, stop_sending
from appcues_async.cluster.tickets import Ticket, issue_ticket
from appcues_async.errors import OutcomeUnknown
from appcues_async.notices import Notice, WorkerChanged
from appcues_async.sandbox import Sandbox
from appcues_async.sandbox.faults import Stall
from appcues_async.wire.request import CSV, Endpoint, FilePieces, Lane, stamp_of
from tests.cluster.conftest import set_environment
from tests.cluster.test_sources import write_events

UPLOAD = Endpoint("POST", "import/profiles", lane=Lane.UPLOAD)


@pytest.fixture
def body(tmp_path: Path) -> FilePieces:
    path = tmp_path / "users.csv"
    path.write_text("user_id,plan\nu1,team\n")
    return FilePieces(path, [(0, path.stat().st_size)], CSV, stamp_of(path))


@pytest.fixture
def attempt(sandbox: Sandbox, body: FilePieces, monkeypatch: pytest.MonkeyPatch) -> Attempt:
    set_environment(monkeypatch, sandbox)
    return Attempt(
        number="",
        topic="none",
        account=Account(sandbox.credentials["base_url"], sandbox.credentials["account_id"]),
        request=UPLOAD.request(),
        part=body,
        form=None,
        timeouts=Timeouts(),
        valid=10,
        deadline=5,
        proxy=False,
    )


async def run(client: Client, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function on a worker."""
    (worker,) = list(await client.scheduler.ncores())[:1]  # type: ignore[union-attr]
    answers: dict[str, Any] = await client.run(
        function, *arguments, workers=[worker], on_error="return"
    )
    return answers[worker]


async def test_a_ticket_admits_one_attempt(
    dask_client: Client, attempt: Attempt, sandbox: Sandbox
) -> None:
    ticket = await run(dask_client, issue_ticket)
    attempt = evolve(attempt, number=ticket.number)
    said = await asyncio.gather(*(run(dask_client, send_chunk, attempt) for _ in range(3)))
    (sent,) = [one for one in said if isinstance(one, Answer)]
    assert sent.sent
    assert sent.reply is not None
    assert sent.reply.status == 202
    assert len(sandbox.requests) == 1
    # That nothing was sent is said of none of the others: it would be sent again.
    assert [type(one) for one in said if one is not sent] == [LookupError, LookupError]


@pytest.mark.long
async def test_with_the_answer_comes_the_ticket_of_the_next(
    dask_client: Client, attempt: Attempt, sandbox: Sandbox
) -> None:
    ticket = await run(dask_client, issue_ticket)
    for _ in range(2):
        answer = await run(dask_client, send_chunk, evolve(attempt, number=ticket.number))
        ticket = answer.ticket
    assert len(sandbox.requests) == 2


@pytest.mark.long
async def test_a_message_that_comes_late_sends_nothing(
    dask_client: Client, attempt: Attempt, sandbox: Sandbox
) -> None:
    ticket = await run(dask_client, issue_ticket)
    await asyncio.sleep(0.1)
    answer = await run(dask_client, send_chunk, evolve(attempt, number=ticket.number, valid=0.05))
    assert (answer.sent, answer.error) == (False, None)
    assert not sandbox.requests


@pytest.mark.long
async def test_a_ticket_of_another_process_says_nothing_of_what_was_sent(
    dask_client: Client, attempt: Attempt, sandbox: Sandbox
) -> None:
    said = await run(dask_client, send_chunk, evolve(attempt, number="another"))
    assert isinstance(said, LookupError)
    assert not sandbox.requests


@pytest.mark.long
async def test_an_attempt_that_is_stopped_before_it_comes_sends_nothing(
    dask_client: Client, attempt: Attempt, sandbox: Sandbox
) -> None:
    ticket = await run(dask_client, issue_ticket)
    await run(dask_client, stop_sending, ticket.number)
    said = await run(dask_client, send_chunk, evolve(attempt, number=ticket.number))
    assert isinstance(said, LookupError)
    assert not sandbox.requests


@pytest.mark.long
async def test_an_attempt_ends_by_its_deadline(
    dask_client: Client, attempt: Attempt, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Stall(seconds=1), method="POST")
    ticket = await run(dask_client, issue_ticket)
    answer = await run(dask_client, send_chunk, evolve(attempt, number=ticket.number, deadline=0.2))
    assert answer.sent
    assert isinstance(answer.error, OutcomeUnknown)


@pytest.mark.long
async def test_a_cancelled_run_stops_whoever_sends_for_it(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    body: FilePieces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: asyncio.Queue[Answer] = asyncio.Queue()
    make = attempt_module._make

    async def make_and_tell(*arguments: Any) -> Answer:
        try:
            return await make(*arguments)
        except asyncio.CancelledError:
            answers.put_nowait(Answer(sent=True))
            raise

    monkeypatch.setattr(attempt_module, "_make", make_and_tell)
    sandbox.faults.add(Stall("request", seconds=5), method="POST")
    run = client.bulk.import_events(_events(body.path.parent), workers=workers)
    running = asyncio.create_task(run.result())
    await posted(sandbox)
    running.cancel()
    assert (await asyncio.wait_for(answers.get(), 4)).sent


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
    told: list[Notice] = []
    began = time.monotonic()
    run = patient.bulk.import_events(
        _events(body.path.parent), workers=workers, on_failure="report", on_notice=told.append
    )
    running = asyncio.create_task(run.result())
    await posted(sandbox)
    sender = next(one.worker for one in told if isinstance(one, WorkerChanged) and one.sending)
    for worker in list(cluster.workers.values()):
        if worker.address == sender:
            await worker.close()
    (outcome,) = (await running).outcomes
    assert outcome.status == "unknown"
    assert time.monotonic() - began > 0.9
    assert "was lost while it was sending" in str(outcome.error)


@pytest.mark.long
async def test_a_worker_that_issues_no_ticket_is_replaced_by_another(
    client: AppcuesClient,
    sandbox: Sandbox,
    workers: DaskWorkers,
    cluster: Any,
    body: FilePieces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = next(iter(cluster.workers.values()))
    monkeypatch.setattr(sending, "issue_ticket", issue_none_at)
    monkeypatch.setattr(Going, "worker", first)
    report = await client.bulk.import_events(
        [_events(body.path.parent, f"{one}.ndjson") for one in range(4)], workers=workers
    )
    assert first.status is Status.closed
    assert report.ok
    assert len([one for one in sandbox.requests if one.method == "POST"]) == report.chunks


class Going:
    """The worker that is about to go."""

    worker: Any = None


async def issue_none_at(dask_worker: Any) -> Ticket:
    """Goes in place of issuing a ticket, if it is that worker; all are of this process."""
    if dask_worker is Going.worker:
        await dask_worker.close()
        raise OSError("it is gone")
    return issue_ticket()


async def posted(sandbox: Sandbox) -> None:
    """Waits until an upload has come in."""
    async with asyncio.timeout(10):
        while not any(one.method == "POST" for one in sandbox.requests):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def _events(folder: Path, name: str = "events.ndjson") -> Path:
    return write_events(folder / name, 0, 10)
