"""What the summary of a sync says."""

from __future__ import annotations

from appcues_async.bulk.rejects import Reject
from appcues_async.sync.difference import Counts
from appcues_async.sync.report import SyncReport


def test_what_is_unusual_is_said_in_a_line_each() -> None:
    rejects = [Reject(source="users.csv", number=1, line=2, reason="no id", row={})] * 30
    report = SyncReport(
        target="profiles",
        rows=40,
        rejected=30,
        rejects=rejects,
        counts=Counts(duplicates=2),
        missing=1,
        dry_run=True,
        refusal="the source shrank",
    )
    lines = report.summary().splitlines()
    assert "2 rows had an id that came again; the last one counts" in lines
    assert "gone from the source, and left as before: 1 id" in lines
    assert "would be refused: the source shrank" in lines
    assert lines[-1].startswith("and ")
    assert lines[-1].endswith(" more rejected rows")
