"""Rows in memory keep their numbers, whatever is between them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.sandbox import Sandbox


async def test_chunks_and_rejected_rows_have_their_own_numbers_beside_bad_rows(
    client: AppcuesClient,
) -> None:
    long = {"user_id": "long", "plan": "x" * 2_000}
    rows = [{"user_id": "a"}, long, {"user_id": "b"}, {"user_id": 5.5}, long, {"user_id": "c"}]
    report = await client.bulk.import_profiles(rows, chunk_bytes=1_000, on_failure="report")
    assert sorted(one.number for one in report.rejects) == [2, 4, 5]
    assert [(one.first, one.last, one.rows) for one in report.outcomes] == [(1, 6, 3)]


def refilled() -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {}
    for number in range(1_000):
        row["user_id"] = str(number)
        yield row


@pytest.mark.parametrize("single", [True, False])
async def test_one_dict_that_is_filled_anew_is_many_rows(
    sandbox: Sandbox, client: AppcuesClient, single: bool
) -> None:
    if single:
        await (await client.imports.profiles(refilled()))
    else:
        assert (await client.bulk.import_profiles(refilled())).ok
    assert len(sandbox.profiles) == 1_000


@pytest.mark.parametrize("single", [True, False])
async def test_frames_that_come_one_by_one_are_their_rows(
    sandbox: Sandbox, client: AppcuesClient, single: bool
) -> None:
    frames = (pl.DataFrame({"user_id": [number, number + 1]}) for number in (1, 3))
    if single:
        await (await client.imports.profiles(frames))
    else:
        assert (await client.bulk.import_profiles(frames)).ok
    assert set(sandbox.profiles) == {"1", "2", "3", "4"}


@pytest.mark.parametrize("source", [io.BytesIO(b"user_id\n1\n"), {"user_id": "1"}, 7])
async def test_what_is_no_source_is_refused_at_once(client: AppcuesClient, source: Any) -> None:
    with pytest.raises(InvalidInput, match="source is"):
        client.bulk.import_profiles(source)
