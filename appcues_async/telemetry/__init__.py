"""OpenTelemetry: a span for each operation, metrics of requests, jobs and rows (the extra `otel`).

`AppcuesInstrumentor().instrument()` puts wrappers around the methods that spans are made of, and beside
the log of notices that metrics are counted by; `uninstrument()` takes them away. A program that does
neither runs none of this.

Spans and metrics name endpoints by their route (`url.template`), never by the ids in it, and hold no
header, no body, no text of an error and no credentials. So `url.full` of the HTTP conventions is left
out. Links to files of exports are requests to elsewhere: they have a span, no address, and never a
`traceparent`.
"""

from appcues_async.telemetry.instrumentor import AppcuesInstrumentor

__all__ = ["AppcuesInstrumentor"]
