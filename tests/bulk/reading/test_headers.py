"""Headers of CSV files that are as large as a file: no time is taken that grows with their square."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.reading.blocks import ByteLayout
from appcues_async.bulk.reading.infer import batches_of_csv
from appcues_async.bulk.reading.inputs import MemoryFeed
from appcues_async.rows.csv_header import read_header
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.kinds import PROFILES
from appcues_async.sandbox import Sandbox

LONG = b"user_id," + b"n" * 1_200_000 + b",plan\n1,a,pro\n2,b,free\n"


def judge(columns: int) -> None:
    rows = b"1" + b"," * (columns - 1) + b",7\n"
    header = read_header(head(columns) + rows, PROFILES, "users.csv", whole=True)
    verdict = CsvJudge(PROFILES, "full", header.columns).judge(rows, at_end=True)
    assert (len(header.columns), verdict.rows, verdict.bad) == (columns + 1, 1, [])


def infer(columns: int) -> None:
    data = head(columns) + b"1" + b"," * (columns - 1) + b",7\n"
    header = read_header(data, PROFILES, "users.csv", whole=True)
    layout = ByteLayout(header.begin, 1, True, header.columns)
    feed = MemoryFeed(memoryview(data), "users.csv", threading.Event())
    (batch,) = batches_of_csv(feed, layout, PROFILES, infer=True)
    assert batch.ready(PROFILES) is not None
    assert batch.rows == [{"user_id": "1", f"c{columns - 1}": 7}]


def head(columns: int) -> bytes:
    return b"user_id," + b",".join(b"c%d" % index for index in range(columns)) + b"\n"


@pytest.mark.parametrize("read", [judge, infer])
def test_a_hundred_thousand_columns_take_no_more_time_each(read: Callable[[int], None]) -> None:
    # The first call imports what it needs.
    read(10)
    before = time.thread_time()
    read(10_000)
    between = time.thread_time()
    read(100_000)
    # Ten times as long, or a hundred times where it grows with the square.
    assert time.thread_time() - between < 40 * (between - before)


async def test_a_header_of_more_than_a_megabyte_is_refused_and_none_of_it_sent(
    client: AppcuesClient, sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidInput, match="a header of more than 1,048,576"):
        await client.bulk.import_profiles(LONG)
    assert not sandbox.requests
