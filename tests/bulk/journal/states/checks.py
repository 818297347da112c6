"""What must hold after each step, and in the end."""

from __future__ import annotations

from collections import Counter
from typing import Any

from appcues_async import OutcomeUnknown
from appcues_async.sandbox import Answer
from tests.bulk.journal.states.driving import Driver
from tests.bulk.journal.states.processes import COUNT, SETTLED, Key, Upload

__all__ = ["Checks"]


class Checks(Driver):
    """What was promised."""

    def nothing_is_doubled_or_lost(self) -> None:
        if self.sandbox._url is None:
            return
        sent, applied = self._posts()
        chunks = self._chunks()
        for (key, first), times in sent.items():
            assert (key, first) in chunks, (
                f"chunk at {key}{first} was sent and is not in the journal"
            )
            status = chunks[key, first]["status"]
            assert status != "planned", f"chunk at {key}{first} was sent {times} times as {status}"
        for (key, first), times in applied.items():
            if key != "p" and first not in self.allowed[key]:
                assert times <= 1, f"chunk at {key}{first} was applied {times} times"
        owners: dict[str, tuple[Key, int]] = {}
        for place, chunk in chunks.items():
            self._check_chunk(place, chunk, applied, owners)
        there = self._there()
        for key in ("a", "b"):
            twice = [
                row
                for row in range(COUNT)
                if there[f"{key}{row:04}"] > 1
                and self._chunk_at(chunks, key, row) not in self.allowed[key]
            ]
            assert not twice, f"recorded more than once: {key} {twice[0]} to {twice[-1]}"
        for upload in self.current.values():
            self._note_done(upload)
        for key, spans in self.done.items():
            for first, last in spans:
                missing = [one for one in range(first, last + 1) if not there[f"{key}{one:04}"]]
                assert not missing, f"reported as done and not there: {key} {missing[:3]}"

    def the_limit_is_kept(self) -> None:
        if self.throttle is None:
            return
        requests = self.sandbox.requests
        by_fault = sum(
            one.hits
            for one in self.instructions
            if isinstance(one.fault, Answer) and one.fault.status == 429
        )
        refused = sum(one.status == 429 for one in requests) - by_fault
        assert refused <= 4 + 0.1 * len(requests), f"{refused} of {len(requests)} were too many"

    def _finish_all(self) -> None:
        """With nothing in the way any more, everything comes to its end."""
        self._do("the last requests", self._quiet())
        self.sandbox.faults.clear()
        self.sandbox._jobs._plans.clear()
        if self.proxy is not None:
            self.proxy.clear()
        for upload in self.current.values():
            upload.kill = None
        for key in tuple(self.current):
            if key in self.current:
                self._go_on(key, None)
        for key in sorted(self.begun):
            unsettled = {
                chunk["status"] for (one, _), chunk in self._chunks().items() if one == key
            } & {"intent", "unknown"}
            if unsettled and key != "p":
                self._begin(key, "raise")
                self._go_on(key, None)
                self.nothing_is_doubled_or_lost()
        for key in sorted(self.begun):
            upload = self._begin(key, "reconcile")
            self._go_on(key, None)
            self.nothing_is_doubled_or_lost()
            self._check_last(upload)
        self.nothing_is_doubled_or_lost()
        self.the_limit_is_kept()
        self._check_all_there()

    def _check_last(self, upload: Upload) -> None:
        key, report = upload.key, upload.run.report
        assert report.rows == COUNT
        for one in report.outcomes:
            first = one.first - 1
            if one.status == "unknown":
                assert isinstance(one.error, OutcomeUnknown)
                # What was sent twice cannot be told apart, nor a job that failed and counts nothing;
                # nor chunks of as many rows, as the last of a source may come to be. Where times
                # differ, the clock that stamps jobs has to tell, and may not.
                resent = first in self.allowed[key]
                failed = any(job.status == "FAILED" for job in one.error.candidates)
                alike = sum(chunk["rows"] == one.rows for chunk in self._chunks().values()) > 1
                timeless = self.times_differ and "no job of ours shows what" in str(one.error)
                story = self._story(key, first, one.rows)
                told = resent or failed or alike or timeless
                assert told, f"chunk at {key}{first}: {one.error}: {story}"
            else:
                assert one.status in {"completed", "failed"}, f"{key}{first}: {one.error}"
                failed_job = one.job is not None and one.job.status == "FAILED"
                assert one.status == "completed" or failed_job

    def _check_all_there(self) -> None:
        there, chunks = self._there(), self._chunks()
        for (key, first), chunk in chunks.items():
            if chunk["status"] == "unknown" or (chunk["status"] == "failed" and key == "p"):
                continue
            times = {there[f"{key}{row:04}"] for row in range(first, first + chunk["rows"])}
            wanted = {0} if chunk["status"] == "failed" else {1}
            if first in self.allowed[key]:
                # It may have been sent twice, and what failed may be the one or the other.
                assert len(times) == 1
                assert chunk["status"] == "failed" or times != {0}
            else:
                assert times == wanted, (
                    f"chunk at {key}{first}, {chunk['status']}, is there {times}"
                )

    def _check_chunk(
        self,
        place: tuple[Key, int],
        chunk: dict[str, Any],
        applied: Counter[tuple[Key, int]],
        owners: dict[str, tuple[Key, int]],
    ) -> None:
        status, job_id = chunk["status"], chunk["job"]
        named = f"chunk at {place[0]}{place[1]}, {status},"
        if status not in SETTLED:
            assert job_id is None, f"{named} has a job"
            return
        assert owners.setdefault(job_id, place) == place, f"{named} has the job of {owners[job_id]}"
        job = self.sandbox.jobs[job_id]
        assert (job.rows, job.kind) == (
            chunk["rows"],
            "import_profiles" if place[0] == "p" else "import_events",
        ), f"{named} has the job of others"
        assert applied[place], f"{named} was not applied"
        if status != "accepted":
            assert job.status == status.upper(), f"{named} has a job that is {job.status}"
            assert chunk["completed"] == job.ingested
