"""Telemetry that is read where it was made, by the SDK's exporters in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from attrs import define, field
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from appcues_async import AppcuesClient
from appcues_async.sandbox import Sandbox
from appcues_async.telemetry import AppcuesInstrumentor
from tests.conftest import AT_ONCE, SOON

ACCOUNT = "/v2/accounts/{account_id}"


@define
class Seen:
    """What was exported."""

    exporter: InMemorySpanExporter = field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(factory=InMemoryMetricReader)

    def instrument(self, **options: Any) -> None:
        """Switches telemetry on."""
        tracers, meters = TracerProvider(), MeterProvider([self.reader])
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        AppcuesInstrumentor().instrument(tracer_provider=tracers, meter_provider=meters, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in that order."""
        return [*self.exporter.get_finished_spans()]

    def span(self, name: str) -> ReadableSpan:
        """The one span of a name."""
        (span,) = [one for one in self.spans if one.name == name]
        return span

    def points(self, name: str) -> list[Any]:
        """The points of a metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        return [
            point
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def values(self, name: str, attribute: str) -> dict[Any, Any]:
        """A metric's values by one of its attributes; counts where it is a histogram."""
        found: dict[Any, Any] = {}
        for point in self.points(name):
            value = point.value if hasattr(point, "value") else point.count
            key = point.attributes.get(attribute)
            found[key] = found.get(key, 0) + value
        return found


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    """A span's attributes."""
    assert span.attributes is not None
    return span.attributes


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Telemetry that is on."""
    seen = Seen()
    seen.instrument()
    yield seen
    AppcuesInstrumentor().uninstrument()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(rate_limit=None) as sandbox:
        yield sandbox


@pytest.fixture
async def client(seen: Seen, sandbox: Sandbox) -> AsyncIterator[AppcuesClient]:
    async with AppcuesClient(**sandbox.credentials, polling=AT_ONCE, retry=SOON) as client:
        yield client
