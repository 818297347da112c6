"""What does OpenTelemetry cost a small call?

Updates one profile after the other with `client.users.update_profile`, as `overhead.py` does: without
telemetry; with it on, over the API alone, as where a program has no SDK; with an SDK that samples
nothing; with spans that go to an exporter which drops them; and with spans and metrics. A span by hand
around each call shows what the SDK costs by itself. Counted are user-space instructions per request
under cachegrind, those of the exporter's thread included; CPU times are taken in turn in one process,
so that a busy machine slows all ways alike. Where it is not switched on, none of it runs: the methods
that it wraps are then the same objects as before (`tests/telemetry`).

Run: python -m benchmarks.telemetry [ROUNDS]   (needs valgrind for the instructions)
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.trace import Tracer

from benchmarks.overhead import (
    Update,
    cpu_times,
    instructions,
    serve,
    server_of,
    spread,
    with_client,
)

OFF, API, UNSAMPLED, BY_HAND, SPANS, ALL = WAYS = (
    "off",
    "API alone",
    "sampled out",
    "a span by hand",
    "spans",
    "spans and metrics",
)
FEW, MANY = 100, 500

ATTRIBUTES: Final[dict[str, str | int]] = {
    "http.request.method": "PATCH",
    "url.template": "/v2/accounts/{account_id}/users/{user_id}/profile",
    "server.address": "127.0.0.1",
    "server.port": 8080,
}
_by_hand: Final[list[Tracer]] = []
"""What makes the spans by hand; the last one counts."""


@contextmanager
def telemetry(way: str) -> Iterator[None]:
    """Switches telemetry on as a way has it."""
    if way == OFF:
        yield
        return
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON  # noqa: PLC0415

    from appcues_async.telemetry import AppcuesInstrumentor  # noqa: PLC0415

    class Dropped(SpanExporter):
        def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    options: dict[str, Any] = {}
    if way != API:
        sampler = ALWAYS_OFF if way == UNSAMPLED else ALWAYS_ON
        options["tracer_provider"] = provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(BatchSpanProcessor(Dropped()))
        _by_hand.append(provider.get_tracer("benchmark"))
    if way == BY_HAND:
        yield
        return
    if way == ALL:
        options["meter_provider"] = MeterProvider([InMemoryMetricReader()])
    AppcuesInstrumentor().instrument(**options)
    try:
        yield
    finally:
        AppcuesInstrumentor().uninstrument()


async def run(way: str, url: str, use: Callable[[Update], Awaitable[object]]) -> None:
    async def use_by_hand(update: Update) -> object:
        async def within_span(user_id: str) -> None:
            with _by_hand[-1].start_as_current_span("PATCH", attributes=ATTRIBUTES) as span:
                await update(user_id)
                span.set_attribute("http.response.status_code", 200)

        return await use(within_span)

    with telemetry(way):
        await with_client(url, use_by_hand if way == BY_HAND else use)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    program = ("-m", __spec__.name)
    with server_of(*program) as url:
        if shutil.which("valgrind"):
            base = 0.0
            for way in WAYS:
                number = instructions(way, url, FEW, MANY, *program)
                base = base or number
                print(
                    f"{way:18} {number:10,.0f} instructions a request  {number / base - 1:+.1%}",
                    flush=True,
                )
        taken = asyncio.run(cpu_times(WAYS, run, url, rounds))
        for way in WAYS[1:]:
            ratios = sorted(
                mine / bare for mine, bare in zip(taken[way], taken[WAYS[0]], strict=True)
            )
            print(
                f"{way:18} CPU time {statistics.median(ratios) - 1:+.1%} "
                f"({ratios[0] - 1:+.1%} to {ratios[-1] - 1:+.1%}, {rounds} rounds)"
            )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--one", way, url, requests]:
            asyncio.run(run(way, url, lambda update: spread(update, int(requests))))
        case _:
            main()
