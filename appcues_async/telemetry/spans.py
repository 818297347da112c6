"""A span for each operation."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from multidict import CIMultiDict
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from appcues_async.bulk.run import BulkRun
from appcues_async.errors import AppcuesError
from appcues_async.outbox.kind_sender import KindSender
from appcues_async.sync.run import SyncRun
from appcues_async.telemetry.endpoints import Endpoints, current_call, describe_endpoint
from appcues_async.telemetry.patches import Patches
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.request import Request, Server
from appcues_async.wire.sender import Sender
from appcues_async.wire.transport import HttpTransport

__all__ = ["trace_into", "with_traceparent"]

T = TypeVar("T")
Describe: TypeAlias = Callable[[Any], tuple[str, Mapping[str, str | int]]]
"""Names the span of a method's object, and gives its attributes."""

_KNOWN: Final = 500
"""Endpoints that are kept; a program has a few dozen."""


def trace_into(patches: Patches, tracer: Tracer, endpoints: Endpoints) -> None:
    """Begins to make spans.

    Args:
        patches: Wrap the methods that spans are made of.
        tracer: Makes them.
        endpoints: Keep what they are called.
    """
    patches.wrap(Sender, "send", functools.partial(traced_call, tracer, endpoints))
    described: dict[tuple[type, str], Describe] = {
        (BulkRun, "_run"): lambda run: (
            f"bulk {run.report.kind}",
            {"appcues.rows.kind": run.report.kind},
        ),
        (SyncRun, "run"): lambda _: ("sync", {}),
        (KindSender, "_follow"): lambda sender: (
            f"outbox batch {sender.kind}",
            {"appcues.rows.kind": sender.kind},
        ),
        (JobHandle, "wait"): lambda handle: (
            f"wait {handle.kind}".rstrip(),
            {"appcues.job.kind": handle.kind},
        ),
    }
    for (owner, name), describe in described.items():
        patches.wrap(owner, name, functools.partial(_traced, tracer, describe))


def traced_call(
    tracer: Tracer, endpoints: Endpoints, send: Callable[..., Awaitable[T]]
) -> Callable[..., Awaitable[T]]:
    """Makes a span of each call, which may take several attempts."""

    async def traced(self: Sender, request: Request, *args: Any, **kwargs: Any) -> T:
        asked = request.endpoint
        key = (_origin_of(self, asked.server), asked.method, asked.route)
        endpoint = endpoints.get(key)
        if endpoint is None:
            endpoint = describe_endpoint(*key)
            if len(endpoints) < _KNOWN:
                endpoints[key] = endpoint
        span = tracer.start_span(
            endpoint.name, kind=SpanKind.CLIENT, attributes=endpoint.attributes
        )
        if not span.get_span_context().is_valid:
            # Without an SDK there is nothing to record, and nothing that could be a parent.
            call = current_call.set((None, endpoint))
            try:
                return await send(self, request, *args, **kwargs)
            finally:
                current_call.reset(call)
        token = context.attach(trace.set_span_in_context(span))
        call = current_call.set((span, endpoint))
        try:
            return await send(self, request, *args, **kwargs)
        except BaseException as error:
            _fail(span, error)
            raise
        finally:
            current_call.reset(call)
            context.detach(token)
            span.end()

    return traced


def _traced(
    tracer: Tracer, describe: Describe, method: Callable[..., Awaitable[T]]
) -> Callable[..., Awaitable[T]]:
    """Makes a span of each run of a method."""

    async def traced(self: Any, *args: Any, **kwargs: Any) -> T:
        name, attributes = describe(self)
        with tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                return await method(self, *args, **kwargs)
            except BaseException as error:
                _fail(span, error)
                raise

    return traced


def _origin_of(sender: Sender, server: Server) -> str:
    address = getattr(sender.transport, "address", None)
    if address is None or server is Server.EXTERNAL:
        return ""
    origin: str = address.activity_origin if server is Server.ACTIVITY else address.origin
    return origin


def _fail(span: Span, error: BaseException) -> None:
    # Not what the error says: that may hold ids, of users and others.
    kind = type(error).__name__
    if isinstance(error, asyncio.CancelledError):
        # Nothing went wrong: nobody waits for it any more.
        span.add_event("cancelled")
        return
    status = error.status if isinstance(error, AppcuesError) else None
    span.set_attribute("error.type", kind if status is None else str(status))
    span.set_status(Status(StatusCode.ERROR, kind))


def with_traceparent(headers: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the running span to the headers of an attempt, save of one that goes elsewhere."""

    def injected(self: HttpTransport, request: Request, *args: Any) -> Any:
        made = headers(self, request, *args)
        if request.endpoint.server is Server.EXTERNAL:
            return made
        # Those that every request shares are not to be changed.
        own: CIMultiDict[str] = CIMultiDict(made)
        propagate.inject(own)
        return own

    return injected
