"""Bulk imports of profiles and events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from appcues_async.sandbox.call import Call, Upload
from appcues_async.sandbox.jobs import Work
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.jobs import start_job
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.rows import EVENTS, PROFILES, Table, read_rows

__all__ = ["ROUTES"]


async def _import_profiles(call: Call) -> Reply:
    work = await _read(call, PROFILES, call.state.update_profiles)
    return start_job(call, "import_profiles", work)


async def _import_events(call: Call) -> Reply:
    work = await _read(call, EVENTS, call.state.record_events)
    return start_job(call, "import_events", work)


async def _read(call: Call, table: Table, apply: Callable[[Sequence[Any]], None]) -> Work:
    def read(upload: Upload) -> Work:
        keep = call.state.keep_rows
        rows = read_rows(upload.text, csv_text=upload.is_csv, table=table, keep=keep)
        return Work(rows.total, rows.failed, upload.size, rows.kept, apply)

    return await call.upload(read)


ROUTES: Final = (
    Route("POST", "import/profiles", _import_profiles),
    Route("POST", "import/events", _import_events),
)
