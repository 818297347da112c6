"""Rows in memory keep their numbers, whatever is between them."""

from __future__ import annotations

from appcues_async import AppcuesClient


async def test_chunks_and_rejected_rows_have_their_own_numbers_beside_bad_rows(
    client: AppcuesClient,
) -> None:
    long = {"user_id": "long", "plan": "x" * 2_000}
    rows = [{"user_id": "a"}, long, {"user_id": "b"}, {"user_id": 5.5}, long, {"user_id": "c"}]
    report = await client.bulk.import_profiles(rows, chunk_bytes=1_000)
    assert sorted(one.number for one in report.rejects) == [2, 4, 5]
    assert [(one.first, one.last, one.rows) for one in report.outcomes] == [(1, 6, 3)]
