"""Telemetry is switched on and off, and costs nothing where it is off."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, logs
from appcues_async.bulk.run import BulkRun
from appcues_async.outbox.kind_sender import KindSender
from appcues_async.outbox.sender import OutboxSender
from appcues_async.sandbox import Answer, Sandbox
from appcues_async.sync.run import SyncRun
from appcues_async.telemetry import AppcuesInstrumentor
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.sender import Sender
from appcues_async.wire.throttle import LocalThrottle
from appcues_async.wire.transport import HttpTransport
from tests.telemetry.conftest import Seen

WRAPPED: list[tuple[Any, str]] = [
    (BulkRun, "_run"),
    (HttpTransport, "_headers"),
    (JobHandle, "wait"),
    (KindSender, "_follow"),
    (LocalThrottle, "__init__"),
    (Sender, "send"),
    (OutboxSender, "_is_due"),
    (SyncRun, "run"),
    (logs, "log_notice"),
]


def test_what_is_wrapped_is_put_back() -> None:
    before = [getattr(owner, name) for owner, name in WRAPPED]
    Seen().instrument(propagate_context=True)
    during = [getattr(owner, name) for owner, name in WRAPPED]
    AppcuesInstrumentor().uninstrument()
    after = [getattr(owner, name) for owner, name in WRAPPED]
    assert [one is other for one, other in zip(before, during, strict=True)] == [False] * 9
    assert [one is other for one, other in zip(before, after, strict=True)] == [True] * 9


def test_switching_it_on_twice_wraps_once(seen: Seen) -> None:
    wrapped = Sender.send
    AppcuesInstrumentor().instrument()
    assert Sender.send is wrapped


async def test_without_an_sdk_calls_go_on_as_before(sandbox: Sandbox) -> None:
    AppcuesInstrumentor().instrument()
    try:
        async with AppcuesClient(**sandbox.credentials) as client:
            assert await client.flows.list()
    finally:
        AppcuesInstrumentor().uninstrument()


async def test_no_traceparent_is_sent_unless_that_is_switched_on(
    client: AppcuesClient, sandbox: Sandbox
) -> None:
    await client.flows.list()
    assert "traceparent" not in sandbox.requests[-1].headers


async def test_each_attempt_carries_the_span_of_its_call(sandbox: Sandbox) -> None:
    seen = Seen()
    seen.instrument(propagate_context=True)
    try:
        sandbox.faults.add(Answer(503))
        async with AppcuesClient(**sandbox.credentials) as client:
            await client.flows.list()
            await client.tags.list()
    finally:
        AppcuesInstrumentor().uninstrument()
    sent = [str(one.headers["traceparent"]).split("-")[2] for one in sandbox.requests]
    spans = [f"{span.context.span_id:016x}" for span in seen.spans if span.context is not None]
    assert sent == [spans[0], spans[0], spans[1]]


def test_opentelemetry_instrument_finds_it() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    entry = project["entry-points"]["opentelemetry_instrumentor"]["appcues_async"]
    module, _, name = entry.partition(":")
    instrumentor = getattr(import_module(module), name)()
    assert isinstance(instrumentor, AppcuesInstrumentor)
    assert instrumentor.instrumentation_dependencies() == ("appcues-async",)


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
