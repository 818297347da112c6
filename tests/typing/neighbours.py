"""Customer.io and the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, assert_type

from appcues_async import (
    AppcuesClient,
)
from appcues_async.customerio import CustomerIOClient, SegmentReport
from appcues_async.sandbox import (
    Answer,
    Instruction,
    LoggedRequest,
    Reset,
    Sandbox,
    SandboxConnection,
    Sent,
    Stall,
)
from appcues_async.sandbox import Job as SandboxJob
from appcues_async.sandbox import Segment as SandboxSegment


async def customerio(ids: AsyncIterator[str]) -> None:
    async with CustomerIOClient("site", "key", region="eu") as cio:
        assert_type(cio, CustomerIOClient)
        assert_type(await cio.segments.add_customers(7, ids, id_type="email"), SegmentReport)
        assert_type(await cio.segments.remove_customers(7, "ids.csv"), SegmentReport)


async def sandbox() -> None:
    with Sandbox(rate_limit=60, job_seconds=0.5) as threaded:
        assert_type(threaded, Sandbox)
    async with Sandbox(job_seconds=len) as opened:
        assert_type(AppcuesClient(**opened.credentials), AppcuesClient)
        CustomerIOClient(**opened.customerio_credentials)
        assert_type(opened.url, str)
        assert_type(opened.jobs, dict[str, SandboxJob])
        assert_type(opened.requests, list[LoggedRequest])
        assert_type(opened.segments, dict[str, SandboxSegment])
        assert_type(opened.faults.add(Reset(), method="POST", times=None), Instruction)
        opened.faults.add(Answer.html(502), path="/jobs", skip=1, probability=0.5)
        opened.faults.add(Stall("headers", seconds=1))
        opened.advance(60)
        assert_type(opened.sent, Sent)
        assert_type(opened.token, str)
        opened.seed(profiles={"7": {"plan": "pro"}}, segments={"vip": ["7"]})


def another_process() -> None:
    remote = Sandbox.connect("http://127.0.0.1:8080", "token")
    assert_type(remote, SandboxConnection)
    assert_type(AppcuesClient(**remote.credentials), AppcuesClient)
    assert_type(remote.jobs, dict[str, SandboxJob])
    assert_type(remote.sent.events, list[dict[str, Any]])
    assert_type(remote.faults.add(Reset()).hits, int)
    remote.rate_limit = None
