"""Uploads, one and in bulk, and the segments they go to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

from appcues_async import (
    AppcuesClient,
    BulkRun,
    JobHandle,
    Outcome,
    Reject,
    Report,
    Segment,
)


async def uploads(
    client: AppcuesClient,
    rows: Iterable[Mapping[str, Any]],
    later: AsyncIterator[dict[str, Any]],
) -> None:
    assert_type(await client.imports.profiles("users.csv"), JobHandle)
    assert_type(await client.imports.profiles(Path("users.csv"), format="csv"), JobHandle)
    assert_type(await client.imports.profiles(b"user_id\n7\n", format=None), JobHandle)
    assert_type(await client.imports.events(rows, format="ndjson"), JobHandle)
    assert_type(await client.imports.events(later), JobHandle)
    assert_type(await client.segments.add_user_ids("s", ["7", "8"]), JobHandle)
    assert_type(await client.segments.remove_user_ids("s", Path("ids.csv")), JobHandle)


async def segments(client: AppcuesClient) -> None:
    assert_type(await client.segments.list(), list[Segment])
    assert_type(await client.segments.get("s"), Segment)
    assert_type(await client.segments.create("Friends"), Segment)
    segment = await client.segments.create("Friends", description="All of them")
    assert_type(await client.segments.update(segment.id, name="Foes"), Segment)
    assert_type(await client.segments.update(segment.id, description=""), Segment)
    deleting: Coroutine[Any, Any, None] = client.segments.delete(segment.id)
    await deleting
    assert_type(segment.id, str)
    assert_type(segment.name, str)
    assert_type(segment.description, str | None)
    assert_type(segment.created_at, datetime | None)
    assert_type(segment.updated_at, datetime | None)
    assert_type(segment.created_by, str | None)
    assert_type(segment.updated_by, str | None)
    assert_type(segment.url, str)
    assert_type(segment.extra, Mapping[str, Any])


async def bulk(client: AppcuesClient, later: AsyncIterator[dict[str, Any]]) -> None:
    run = client.bulk.import_profiles(["users.csv", Path("more.ndjson")], concurrency=8)
    assert_type(run, BulkRun)
    assert_type(await run, Report)
    assert_type(client.bulk.import_events(later, journal="run.sqlite", wait=False), BulkRun)
    assert_type(client.bulk.add_user_ids("s", ["7", "8"], rejects=Path("rejects.ndjson")), BulkRun)
    assert_type(client.bulk.remove_user_ids("s", "ids.csv", ordered=True, types="infer"), BulkRun)
    async for outcome in client.bulk.import_events(b"user_id,name,timestamp\n"):
        assert_type(outcome, Outcome)


def a_report(report: Report) -> None:
    assert_type(report.ok, bool)
    assert_type(report.rejected, int)
    assert_type(report.rejects, list[Reject])
    assert_type(report.summary(), str)
    report.raise_for_failures()
