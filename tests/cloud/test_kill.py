"""kill -9 while objects are sent: each event is recorded once, whatever the step."""

from __future__ import annotations

from pathlib import Path

import pytest

from appcues_async.bulk.journal.run_journal import Step
from appcues_async.sandbox import Sandbox
from tests.bulk.journal.kills import (
    COUNT,
    STEPS,
    assert_done,
    assert_each_once,
    begin,
    finish,
    lose_answers,
)
from tests.cloud.bucket import open_bucket

LINE = '{{"user_id":"u{:04}","name":"Paid","timestamp":"2026-07-14T12:00:00Z"}}\n'
OBJECTS = 3


@pytest.mark.long
@pytest.mark.parametrize(("step", "faults"), [("planned", False), ("intent", True), ("sent", True)])
def test_each_event_is_recorded_once_at_whichever_step_the_process_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, faults: bool
) -> None:
    with open_bucket() as bucket, Sandbox(rate_limit=None, job_seconds=0.1) as sandbox:
        for number in range(OBJECTS):
            share = range(number * COUNT // OBJECTS, (number + 1) * COUNT // OBJECTS)
            rows = "".join(LINE.format(one) for one in share)
            bucket.put(f"day/part-{number}.ndjson", rows.encode())
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.options["endpoint_url"])
        journal = tmp_path / "journal.db"
        if faults:
            lose_answers(sandbox, STEPS.index(step))
            bucket.faults += ["slow down", "reset", "cut"]
        events: Path = "s3://exports/day/*.ndjson"  # type: ignore[assignment]
        worker = begin(sandbox, events, journal, step, 2)
        _, said = worker.communicate(timeout=50)
        assert worker.returncode == -9, said
        finish(sandbox, events, journal)
        assert_each_once(sandbox)
        assert_done(journal)
