"""Counters and histograms of requests, jobs and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import Span

from appcues_async import logs
from appcues_async.notices import (
    AttemptFailed,
    ChunkEnded,
    JobChanged,
    Notice,
    PauseBegan,
    ReplyReceived,
    RunEnded,
    log,
    notify,
)
from appcues_async.outbox.sender import OutboxSender
from appcues_async.outbox.store import Waiting
from appcues_async.telemetry.endpoints import Endpoint, Endpoints, current_call
from appcues_async.telemetry.patches import Patches
from appcues_async.wire.throttle import LocalThrottle

__all__ = ["Meters"]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MINUTES: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)


class Meters:
    """The instruments of this package."""

    def __init__(self, meter: Meter, endpoints: Endpoints) -> None:
        """Makes the instruments.

        Args:
            meter: Where from.
            endpoints: Count their attempts.
        """
        self._endpoints = endpoints
        self._throttles: WeakSet[LocalThrottle] = WeakSet()
        self._outboxes: WeakKeyDictionary[OutboxSender, int] = WeakKeyDictionary()
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of one attempt, from its turn to the whole answer.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._pauses = meter.create_histogram(
            "appcues.client.pause.duration",
            "s",
            "How long requests of an account are held back, by the reason.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._jobs = meter.create_histogram(
            "appcues.job.duration",
            "s",
            "Duration of offline jobs, by their own times.",
            explicit_bucket_boundaries_advisory=_MINUTES,
        )
        self._rows = meter.create_counter(
            "appcues.rows", "{row}", "Rows of bulk runs, by what became of them."
        )
        meter.create_observable_counter(
            "appcues.client.attempts",
            [self._observe_attempts],
            "{attempt}",
            "Attempts, by their status or error; those of status 429 were throttled.",
        )
        meter.create_observable_up_down_counter(
            "appcues.client.waiting",
            [self._observe_waiting],
            "{call}",
            "Calls that wait for their turn at a throttle.",
        )
        meter.create_observable_up_down_counter(
            "appcues.outbox.depth",
            [self._observe_outboxes],
            "{row}",
            "Rows of outboxes of this process that wait to be sent.",
        )

    def into(self, patches: Patches) -> None:
        """Begins to count."""
        patches.wrap(logs, "log_notice", self._beside_log)
        patches.wrap(LocalThrottle, "__init__", self._remember_throttle)
        patches.wrap(OutboxSender, "_is_due", self._remember_depth)

    def _beside_log(self, former: Callable[[Notice], None]) -> Callable[[Notice], None]:
        def heard(notice: Notice) -> None:
            former(notice)
            if type(notice) is not ReplyReceived:
                notify(self._take, notice)
            elif (call := current_call.get()) is not None:
                # By far the most frequent one goes the shortest way.
                try:
                    self._replied(notice, *call)
                except Exception:  # noqa: BLE001 - it is told, and the work goes on
                    log.exception("a request could not be measured")

        return heard

    def _remember_throttle(self, init: Callable[..., None]) -> Callable[..., None]:
        def remembered(throttle: LocalThrottle, *args: Any, **kwargs: Any) -> None:
            init(throttle, *args, **kwargs)
            self._throttles.add(throttle)

        return remembered

    def _remember_depth(self, is_due: Callable[..., bool]) -> Callable[..., bool]:
        def remembered(sender: OutboxSender, waiting: Waiting) -> bool:
            # Asked every time that it looks at what waits.
            self._outboxes[sender] = waiting.rows
            return is_due(sender, waiting)

        return remembered

    def _take(self, notice: Notice) -> None:
        match notice:
            case AttemptFailed():
                self._failed(notice)
            case PauseBegan():
                self._pauses.record(notice.seconds, {"appcues.pause.reason": notice.reason})
            case JobChanged():
                self._changed(notice)
            case ChunkEnded():
                self._rows.add(notice.rows, {"appcues.rows.outcome": notice.status})
            case RunEnded() if notice.rejected:
                self._rows.add(notice.rejected, {"appcues.rows.outcome": "rejected"})
            case _:
                pass

    def _replied(self, notice: ReplyReceived, span: Span | None, endpoint: Endpoint) -> None:
        status = notice.status
        outcome = endpoint.ended(status, str(status) if status >= 400 else None)
        self._duration.record(notice.seconds, outcome.attributes)
        if span is not None:
            span.set_attribute("http.response.status_code", status)
            if notice.number > 1:
                span.set_attribute("http.request.resend_count", notice.number - 1)

    def _failed(self, notice: AttemptFailed) -> None:
        call = current_call.get()
        if call is None:
            return
        span, endpoint = call
        told: dict[str, str | int | float] = {
            "error.type": notice.error,
            "appcues.attempt.number": notice.number,
        }
        if notice.delay is not None:
            told["appcues.attempt.delay"] = notice.delay
        if notice.status is not None:
            told["http.response.status_code"] = notice.status
        else:
            # One that was answered is counted with its answer.
            endpoint.ended(None, notice.error)
        if span is not None:
            span.add_event("attempt failed", told)

    def _changed(self, notice: JobChanged) -> None:
        job = notice.job
        ended = job.events[-1].timestamp if job.events else None
        if not job.ended or ended is None or job.started_at is None:
            return
        seconds = max(0.0, (ended - job.started_at).total_seconds())
        self._jobs.record(seconds, {"appcues.job.name": job.name, "appcues.job.status": job.status})

    def _observe_attempts(self, _: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(outcome.attempts, outcome.attributes)
            for endpoint in [*self._endpoints.values()]
            for outcome in [*endpoint.outcomes.values()]
        ]

    def _observe_waiting(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(sum(one.gauges.waiting for one in [*self._throttles]))]

    def _observe_outboxes(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(sum([*self._outboxes.values()]))]
