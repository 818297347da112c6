"""Turns telemetry on and off."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined,unused-ignore]
    BaseInstrumentor,  # its file tells checkers to look away
)

from appcues_async.telemetry.endpoints import Endpoints
from appcues_async.telemetry.meters import Meters
from appcues_async.telemetry.patches import Patches
from appcues_async.telemetry.spans import trace_into, with_traceparent
from appcues_async.wire.transport import HttpTransport

__all__ = ["AppcuesInstrumentor"]

NAME: Final = "appcues_async"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.36.0"


class AppcuesInstrumentor(BaseInstrumentor):  # type: ignore[misc,unused-ignore]
    """Turns the telemetry of this package on and off, for the whole process.

    `instrument()` takes `tracer_provider` and `meter_provider`, the global ones when left out, and
    `propagate_context`: whether requests to the API carry the `traceparent` of their span. They do not
    when it is left out.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Names what is instrumented: this package itself."""
        return ("appcues-async",)

    def _instrument(self, **options: Any) -> None:
        tracer = trace.get_tracer(
            NAME, version("appcues-async"), options.get("tracer_provider"), schema_url=_SCHEMA
        )
        meter = metrics.get_meter(
            NAME, version("appcues-async"), options.get("meter_provider"), schema_url=_SCHEMA
        )
        self._patches = Patches()
        endpoints: Endpoints = {}
        trace_into(self._patches, tracer, endpoints)
        Meters(meter, endpoints).into(self._patches)
        if options.get("propagate_context", False):
            self._patches.wrap(HttpTransport, "_headers", with_traceparent)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.undo()
