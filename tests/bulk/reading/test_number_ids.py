"""Ids that are numbers in NDJSON are sent as text, as those of rows and frames are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appcues_async import AppcuesClient, BulkFailed, InvalidInput
from appcues_async.sandbox import Sandbox

PROFILES = b'{"user_id":1,"score":0.10}\n{"user_id": 2}\n{"user_id":"007"}\n{"userId":-3}\n'
EVENT = (
    b'{"user_id":7,"name":"Paid","timestamp":"2026-07-14T12:00:00Z","attributes":{"user_id":8}}\n'
)


def files(data: bytes, folder: Path) -> list[Any]:
    path = folder / "rows.ndjson"
    path.write_bytes(data)
    return [data, path]


@pytest.mark.parametrize("index", [0, 1])
async def test_numbers_become_text_in_bulk_and_in_single_uploads(
    sandbox: Sandbox, client: AppcuesClient, tmp_path: Path, index: int
) -> None:
    source = files(PROFILES, tmp_path)[index]
    await client.bulk.import_profiles(source)
    assert set(sandbox.profiles) == {"1", "2", "007", "-3"}
    sandbox.profiles.clear()
    await (await client.imports.profiles(source))
    assert set(sandbox.profiles) == {"1", "2", "007", "-3"}
    bodies = [one.body or b"" for one in sandbox.requests if one.method == "POST"]
    assert all(b'"user_id":"1","score":0.10' in body for body in bodies)


async def test_those_of_events_do_and_attributes_stay_numbers(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    await client.bulk.import_events(EVENT)
    await (await client.imports.events(EVENT))
    assert [one["user_id"] for one in sandbox.events] == ["7", "7"]
    assert [one["attributes"] for one in sandbox.events] == [{"user_id": 8}] * 2


async def test_those_of_lists_do(sandbox: Sandbox, client: AppcuesClient) -> None:
    segment = await client.segments.create("Customers")
    await client.bulk.add_user_ids(segment.id, b'1\n"2"\n', format="ndjson")
    await (await client.segments.add_user_ids(segment.id, b"3\n", format="ndjson"))
    assert set(sandbox.segments[segment.id].user_ids) == {"1", "2", "3"}


@pytest.mark.parametrize("value", [b"1.0", b"1e3", b"true", b"null", b"[1]", b'{"a":1}'])
async def test_what_is_no_id_is_refused_beside_numbers(client: AppcuesClient, value: bytes) -> None:
    data = b'{"user_id":1}\n{"user_id":' + value + b"}\n"
    with pytest.raises(BulkFailed) as caught:
        await client.bulk.import_profiles(data)
    (reject,) = caught.value.report.rejects
    assert (reject.number, reject.line) == (2, 2)
    with pytest.raises(InvalidInput, match=r"row 2 \(line 2\)"):
        await client.imports.profiles(data)


async def test_two_ids_in_a_row_and_broken_lines_are_found_as_ever(client: AppcuesClient) -> None:
    data = b'{"user_id":1}\n\n{"user_id":2,"user_id":3}\n{"user_id":4,}\n{"user_id":5}\n'
    report = await client.bulk.import_profiles(data, on_failure="report")
    assert (report.accepted, [one.line for one in report.rejects]) == (2, [3, 4])
    assert "user_id twice" in report.rejects[0].reason
