"""A client is used while it is open, on the loop and in the process that opened it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from appcues_async import AppcuesClient, JobHandle
from appcues_async.customerio import CustomerIOClient
from appcues_async.sandbox import Sandbox

CALLS: dict[str, Callable[[AppcuesClient], Awaitable[Any]]] = {
    "segments": lambda client: client.segments.list(),
    "imports": lambda client: client.imports.profiles([{"user_id": "1"}]),
    "bulk": lambda client: client.bulk.import_profiles([{"user_id": "1"}]).cancel(),
    "bulk ids": lambda client: client.bulk.add_user_ids("s", ["1"]).cancel(),
    "jobs": lambda client: client.jobs.list(),
    "users": lambda client: client.users.get_profile("1"),
    "flows": lambda client: client.flows.list(),
    "tags": lambda client: client.tags.list(),
    "request": lambda client: client.request("GET", "tags"),
}


def closed() -> AppcuesClient:
    return AppcuesClient("1", "key", "secret")


async def test_open_and_aclose_do_what_async_with_does(sandbox: Sandbox) -> None:
    client = AppcuesClient(**sandbox.credentials)
    assert await client.open() is client
    assert await client.tags.list() is not None
    await client.aclose()
    await client.aclose()
    with pytest.raises(RuntimeError, match="not open"):
        await client.tags.list()


async def test_a_client_is_opened_again_after_it_was_closed(sandbox: Sandbox) -> None:
    client = AppcuesClient(**sandbox.credentials)
    for _ in range(2):
        async with client:
            await client.tags.list()


async def test_a_client_is_not_opened_twice_at_a_time() -> None:
    async with closed() as client:
        with pytest.raises(RuntimeError, match="open already"):
            await client.open()


@pytest.mark.parametrize("name", CALLS)
async def test_before_it_is_opened_every_resource_says_so(name: str) -> None:
    with pytest.raises(RuntimeError, match="not open: use it in `async with`"):
        await CALLS[name](closed())


@pytest.mark.parametrize("name", CALLS)
async def test_after_it_was_closed_every_resource_says_so(name: str) -> None:
    async with closed() as client:
        pass
    with pytest.raises(RuntimeError, match="not open: use it in `async with`"):
        await CALLS[name](client)


@pytest.mark.parametrize("name", ["import_profiles", "import_events"])
async def test_a_run_that_is_awaited_after_its_client_was_closed_says_so(
    sandbox: Sandbox, name: str
) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        run = getattr(client.bulk, name)([{"user_id": "1"}], on_failure="report")
    with pytest.raises(RuntimeError, match="not open: use it in `async with`"):
        await run
    assert run.report.outcomes == []


async def test_a_name_that_is_no_resource_is_no_attribute() -> None:
    assert not hasattr(closed(), "pagination")
    assert not hasattr(CustomerIOClient("site", "key"), "users")


async def test_customer_io_says_it_too() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await CustomerIOClient("site", "key").segments.add_customers(7, ["1"])


@pytest.mark.parametrize("client", [closed(), CustomerIOClient("site", "key")], ids=repr)
async def test_the_repr_says_whether_it_is_open(client: AppcuesClient) -> None:
    assert repr(client).endswith(", not open>")
    async with client:
        assert repr(client).endswith(", open>")
    assert repr(client).endswith(", not open>")


async def test_a_client_with_other_options_is_closed_with_the_first() -> None:
    async with closed() as client:
        other = client.with_options(on_unknown="raise")
        assert repr(other).endswith(", open>")
        with pytest.raises(RuntimeError, match="closed with the one"):
            await other.aclose()
        await client.aclose()
        assert repr(other).endswith(", not open>")


def in_a_thread(work: Callable[[], Any]) -> BaseException | None:
    """What a program raises in a loop of another thread."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001 - it is what is looked at
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    return raised[0] if raised else None


@pytest.mark.parametrize("name", CALLS)
async def test_another_loop_is_an_error_that_says_so(name: str) -> None:
    async with closed() as client:
        call = CALLS[name]

        async def work() -> None:
            await call(client)

        assert "another event loop" in str(in_a_thread(work))


async def test_a_client_is_not_closed_from_another_loop(sandbox: Sandbox) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        assert "another event loop" in str(in_a_thread(client.aclose))
        await client.tags.list()


async def test_a_job_is_not_waited_for_on_another_loop(sandbox: Sandbox) -> None:
    async with AppcuesClient(**sandbox.credentials) as client:
        handle: JobHandle = await client.imports.profiles([{"user_id": "1"}])
        assert "another event loop" in str(in_a_thread(handle.wait))
        await handle


FORKS = """
import asyncio, gc, os
from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox

async def child(client):
    for call in (client.tags.list, client.aclose):
        try:
            await call()
        except RuntimeError as error:
            print(error, flush=True)

async def main():
    async with Sandbox() as sandbox:
        client = await AppcuesClient(**sandbox.credentials).open()
        await asyncio.gather(*(client.tags.list() for _ in range(5)))
        if not (pid := os.fork()):
            asyncio.run(child(client))
            del client
            gc.collect()
            os._exit(0)
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        async with asyncio.timeout(10):
            await asyncio.gather(*(client.tags.list() for _ in range(5)))
            await client.aclose()
        print("parent unharmed", status)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(sys.modules["os"], "fork"), reason="nothing forks here")
def test_a_forked_child_is_refused_and_its_parent_unharmed() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=50, check=False
    )
    refusal = "the client was opened in another process, which this is a fork of; open one here"
    assert ran.stdout.splitlines() == [refusal, refusal, "parent unharmed 0"], ran.stderr
