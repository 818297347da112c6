"""Opening, closing, threads, and starting over."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import aiohttp
import pytest

from appcues_async.sandbox import Answer, Sandbox, Stall
from tests.sandbox.caller import Caller, until


def call(sandbox: Sandbox, method: str, path: str, body: bytes | None = None) -> Any:
    """Calls from a program that knows nothing of asyncio."""
    token = base64.b64encode(b"sandbox-key:sandbox-secret").decode()
    request = urllib.request.Request(
        f"{sandbox.url}/v2/accounts/sandbox-account/{path}",
        data=body,
        method=method,
        headers={"Authorization": f"Basic {token}", "Content-Type": "application/ndjson"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


def test_a_program_without_a_loop_can_use_it() -> None:
    with Sandbox() as sandbox:
        call(sandbox, "POST", "import/profiles", b'{"user_id": "a", "x": 1}')
        assert sandbox.profiles == {"a": {"x": 1}}
        assert sandbox.requests[0].status == 202


def test_time_moves_from_another_thread() -> None:
    with Sandbox(job_seconds=60) as sandbox:
        accepted = call(sandbox, "POST", "import/profiles", b'{"user_id": "a"}')
        assert sandbox.profiles == {}
        sandbox.advance(60)
        assert sandbox.profiles == {"a": {}}
        assert call(sandbox, "GET", f"jobs/{accepted['job_id']}")["status"] == "COMPLETED"


def test_faults_come_from_another_thread() -> None:
    with Sandbox() as sandbox:
        sandbox.faults.add(Answer(503))
        with pytest.raises(urllib.error.HTTPError) as raised:
            call(sandbox, "GET", "flows")
        assert raised.value.code == 503
        raised.value.close()


def test_starting_and_stopping_takes_milliseconds() -> None:
    before = time.perf_counter()
    for _ in range(5):
        with Sandbox() as sandbox:
            call(sandbox, "GET", "flows")
    assert time.perf_counter() - before < 1
    assert not [thread for thread in threading.enumerate() if thread.name == "sandbox"]


async def test_stopping_waits_for_no_kept_connection(session: aiohttp.ClientSession) -> None:
    async with Sandbox() as sandbox:
        await Caller(sandbox, session).get("flows")
        before = time.perf_counter()
    assert time.perf_counter() - before < 0.5


@pytest.mark.parametrize("at", ["request", "headers", "body"])
async def test_stopping_waits_for_no_stalled_answer(
    session: aiohttp.ClientSession, at: Any
) -> None:
    stall = Stall(at)
    async with Sandbox() as sandbox:
        sandbox.faults.add(stall, times=None)
        waiting = asyncio.create_task(Caller(sandbox, session)("POST", "flows/flow1/publish"))
        await stall.hold.reached()
        before = time.perf_counter()
    assert time.perf_counter() - before < 0.5
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_stopping_waits_for_no_upload(session: aiohttp.ClientSession) -> None:
    stop = asyncio.Event()

    async def endless() -> Any:
        while not stop.is_set():
            yield b'{"user_id": "a"}\n' * 100
            await asyncio.sleep(0)

    async with Sandbox() as sandbox:
        api = Caller(sandbox, session)
        waiting = asyncio.create_task(
            api("POST", "import/profiles", endless(), kind="application/ndjson")
        )
        await until(lambda: sandbox.requests)
        before = time.perf_counter()
    assert time.perf_counter() - before < 0.5
    stop.set()
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_it_can_be_opened_again_and_keeps_its_data(session: aiohttp.ClientSession) -> None:
    sandbox = Sandbox()
    for number in range(2):
        async with sandbox:
            api = Caller(sandbox, session)
            await api.send_json("PATCH", f"users/u{number}/profile", {"x": 1})
    assert set(sandbox.profiles) == {"u0", "u1"}


async def test_it_cannot_be_opened_twice_at_once() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(RuntimeError, match="open already"):
            await sandbox.__aenter__()
        with pytest.raises(RuntimeError, match="open already"):
            sandbox.__enter__()


def test_its_address_is_known_only_while_it_is_open() -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="not open"):
        _ = sandbox.url


def test_a_port_that_is_taken_is_reported() -> None:
    with Sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        second = Sandbox(port=port)
        with pytest.raises(OSError, match="in use"):
            second.__enter__()


@pytest.mark.parametrize("host", ["0.0.0.0", "", "example.com"])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(host=host)


async def test_a_client_gets_all_it_needs(session: aiohttp.ClientSession) -> None:
    async with Sandbox(account_id="1", api_key="k", api_secret="s") as sandbox:
        assert sandbox.credentials == {
            "account_id": "1",
            "api_key": "k",
            "api_secret": "s",
            "base_url": sandbox.url,
        }
        assert sandbox.environment == {
            "APPCUES_ACCOUNT_ID": "1",
            "APPCUES_API_KEY": "k",
            "APPCUES_API_SECRET": "s",
            "APPCUES_BASE_URL": sandbox.url,
        }
        assert (await Caller(sandbox, session).get("flows")).status == 200


async def test_a_reset_starts_over(session: aiohttp.ClientSession) -> None:
    async with Sandbox(rate_limit=6) as sandbox:
        api = Caller(sandbox, session)
        profiles, events = sandbox.profiles, sandbox.events
        await api.send_json("PATCH", "users/u1/profile", {"x": 1})
        await api.send_json("POST", "segments", {"name": "x"})
        await api.ndjson("import/profiles", "{}")
        await api("POST", "flows/flow2/publish")
        await api("POST", "pins/pin2/publish")
        await api.send_json("PATCH", "groups/g1/profile", {"x": 1})
        sandbox.faults.add(Answer(500), times=None)
        sandbox.fail_next_job()
        sandbox.reset()
        assert (profiles, events, sandbox.segments, sandbox.jobs) == ({}, [], {}, {})
        assert sandbox.requests == []
        assert sandbox.flows["flow2"].published is False
        assert sandbox.experiences["pins"]["pin2"].published is False
        assert sandbox.groups == {}
        job = await api.job(await api.ndjson("import/profiles", '{"user_id": "a"}'))
        assert job["status"] == "COMPLETED"


async def test_a_request_that_is_still_open_at_a_reset_is_forgotten(api: Caller) -> None:
    stall = Stall()
    api.sandbox.faults.add(stall)
    waiting = asyncio.create_task(api.get("flows"))
    await stall.hold.reached()
    api.sandbox.reset()
    assert (await waiting).status == 200
    assert api.sandbox.requests == []


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="forward"):
        Sandbox().advance(-1)


_EXHAUST = """
import os, resource, socket, time, urllib.request
from appcues_async.sandbox import Sandbox

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with Sandbox() as sandbox:
    port = int(sandbox.url.rsplit(":", 1)[1])
    opener.open(sandbox.url).read()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, most))
    callers = [socket.socket() for _ in range(5)]
    full = []
    try:
        while True:
            full.append(os.dup(0))
    except OSError as error:
        assert error.errno == 24, error
    for caller in callers:
        caller.connect(("127.0.0.1", port))
    time.sleep(0.2)
    for one in full:
        os.close(one)
    print(opener.open(sandbox.url, timeout=10).status)
"""


def test_it_accepts_again_after_descriptors_ran_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _EXHAUST], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["200"], done.stderr
