"""A sandbox in another process is looked into and steered under the names of the object."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from appcues_async import AppcuesClient
from appcues_async.sandbox import Answer, Fault, Raw, Reset, Sandbox, SandboxConnection, Stall


@pytest.fixture
def served() -> Iterator[Sandbox]:
    with Sandbox(rate_limit=None, job_seconds=30) as sandbox:
        yield sandbox


@pytest.fixture
def remote(served: Sandbox) -> SandboxConnection:
    return Sandbox.connect(served.url, served.token)


def upload(remote: SandboxConnection) -> None:
    async def send() -> None:
        async with AppcuesClient(**remote.credentials) as client:
            await client.imports.profiles([{"user_id": "007", "plan": "pro"}])
            await client.users.track_event("007", "seen", attributes={"n": 1})

    asyncio.run(send())


def test_all_of_its_names_are_the_objects() -> None:
    public = {name for name in dir(SandboxConnection) if not name.startswith("_")} - {"call"}
    assert public <= set(dir(Sandbox))
    for name in ("seed", "advance", "reset", "fail_next_job", "time"):
        theirs = inspect.signature(getattr(SandboxConnection, name))
        assert theirs == inspect.signature(getattr(Sandbox, name))


def test_it_shows_what_the_object_shows(served: Sandbox, remote: SandboxConnection) -> None:
    upload(remote)
    remote.advance(30)
    assert remote.credentials == served.credentials
    assert remote.customerio_credentials == served.customerio_credentials
    assert remote.legacy_api_key == served.legacy_api_key
    assert remote.profiles == served.profiles == {"007": {"plan": "pro"}}
    assert remote.events == served.events
    assert remote.sent == served.sent
    (job,) = remote.jobs.values()
    assert (job.status, job.ingested, job.kind) == ("COMPLETED", 1, "import_profiles")
    assert [one.path for one in remote.requests] == [one.path for one in served.requests]
    assert remote.url == served.url


def test_its_clock_moves(served: Sandbox, remote: SandboxConnection) -> None:
    before = remote.time()
    remote.advance(60)
    assert remote.time() - before >= 60
    with pytest.raises(ValueError, match="forward only"):
        remote.advance(-1)


def test_its_rate_limit_is_set(served: Sandbox, remote: SandboxConnection) -> None:
    remote.rate_limit = 7
    assert served.rate_limit == remote.rate_limit == 7


def test_a_fault_is_added_and_counted(served: Sandbox, remote: SandboxConnection) -> None:
    added = remote.faults.add(Answer(429, headers={"Retry-After": "0"}), path="/profiles$")
    remote.faults.add(Reset(), method="delete", times=None)
    assert added.hits == 0
    upload(remote)
    assert added.hits == 1
    assert [one.status for one in remote.requests][:2] == [429, 202]
    remote.faults.clear()
    assert served.faults.instructions == []


def test_faults_arrive_as_they_were_made(served: Sandbox, remote: SandboxConnection) -> None:
    faults: list[Fault] = [
        Answer(503, body="x", applied=True),
        Raw(b"HTTP/9"),
        Stall("body", seconds=2.0),
    ]
    for fault in faults:
        remote.faults.add(fault, probability=0.5, skip=2)
    arrived = served.faults.instructions
    assert [str(one.fault).partition(", hold=")[0] for one in arrived] == [
        str(fault).partition(", hold=")[0] for fault in faults
    ]
    assert all((one.probability, one.skip) == (0.5, 2) for one in arrived)


def test_what_is_no_fault_is_refused(remote: SandboxConnection) -> None:
    with pytest.raises(TypeError, match=r"use Answer\(500\)"):
        remote.faults.add(500)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="missing \\)"):
        remote.faults.add(Reset(), path="(")


def test_data_is_put_in_and_taken_out(served: Sandbox, remote: SandboxConnection) -> None:
    remote.seed(profiles={"a": {"x": 1}}, segments={"vip": ["a", "b"]})
    assert served.profiles == {"a": {"x": 1}}
    assert remote.segments["vip"].user_ids == {"a", "b"}
    remote.reset()
    assert served.profiles == {}
    assert served.segments == {}


def test_the_next_job_fails(served: Sandbox, remote: SandboxConnection) -> None:
    remote.fail_next_job("Broken")
    upload(remote)
    remote.advance(30)
    (job,) = remote.jobs.values()
    assert job.status == "FAILED"


def test_a_wrong_token_is_said_at_once(served: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="has another token"):
        Sandbox.connect(served.url, "wrong")


def test_a_server_that_is_gone_is_said(served: Sandbox, remote: SandboxConnection) -> None:
    served.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="No sandbox answers"):
        remote.reset()


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "http://example.com:80", "http://127.0.0.1", "127.0.0.1:80"]
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be like http"):
        Sandbox.connect(url, "token")
