"""Cells of a CSV as the values that they look like."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.reading.blocks import ByteLayout
from appcues_async.bulk.reading.encoder import Encoder
from appcues_async.bulk.reading.infer import batches_of_csv, inferred
from appcues_async.bulk.reading.inputs import MemoryFeed
from appcues_async.bulk.rejects import RowCounter
from appcues_async.rows.kinds import EVENTS, PROFILES, Kind


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("123456789012345", 123456789012345),
        ("9.90", 9.9),
        ("0.123456789012345", 0.123456789012345),
        ("1033501218.1368477899", "1033501218.1368477899"),
        ("123456789012345678", "123456789012345678"),
    ],
)
def test_what_a_reader_of_floats_would_round_stays_text(cell: str, value: Any) -> None:
    assert inferred(cell) == value
    assert type(inferred(cell)) is type(value)


async def test_a_row_that_cannot_be_read_has_its_reason_and_all_that_there_is_of_it(
    client: AppcuesClient,
) -> None:
    data = b'user_id,plan\n1,pro,blue\n2,\xff\n3,"pro\n4,pro\n'
    # As in a file whose beginning does not show it.
    data = data.replace(b"\n1,", b"\n" + b"0,pro\n" * 200_000 + b"1,")
    report = await client.bulk.import_profiles(data, types="infer")
    assert report.accepted == 200_000
    cells, encoding, quote = report.rejects
    assert cells.reason.startswith("the row has 3 cells, and the header 2")
    assert cells.row == ["1", "pro", "blue"]
    assert "no CSV in UTF-8" in encoding.reason
    assert "never closed" in quote.reason
    assert quote.row == '3,"pro\n4,pro\n'
    assert [one.line for one in report.rejects] == [200_002, 200_003, 200_004]


CELL = st.sampled_from(
    ["", " ", "u-1", " u-2 ", "007", "7", "-1.5", "1e5", "true", "NULL", "null", "é", '"', "a,b"]
)


@pytest.mark.parametrize("kind", [PROFILES, EVENTS], ids=["profiles", "events"])
@pytest.mark.parametrize("more", ["plan", 'a "plan"', ""], ids=["a name", "quotes", "no name"])
@given(rows=st.lists(st.lists(CELL, min_size=4, max_size=4), min_size=1, max_size=8))
def test_columns_of_cells_are_encoded_as_their_rows_are(
    kind: Kind, more: str, rows: list[list[str]]
) -> None:
    header = ["user_id", "name", "timestamp", more]
    rows = [[*cells[:2], cells[2] or "2026-07-14T12:00:00Z", cells[3]] for cells in rows]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    block = text.getvalue().encode()
    tally = RowCounter()
    feed = MemoryFeed(memoryview(block), "x", tally.stop)
    layout = ByteLayout(0, 1, True, header)
    encoder = Encoder(kind, "full", "x", tally)
    lines = b"".join(encoder.encode(batch)[0] for batch in batches_of_csv(feed, layout, kind))
    as_text = {"user_id", *(("name", "timestamp") if kind is EVENTS else ())}
    good, bad = [], []
    for number, cells in enumerate(rows):
        row: dict[str, Any] = {}
        for name, cell in zip(header, cells, strict=True):
            if name and cell:
                text_of = cell if name == "name" else cell.strip()
                row[name] = text_of if name in as_text else inferred(cell)
        try:
            good.append(kind.check(row, "the row"))
        except InvalidInput as error:
            bad.append((number + 1, number + 2, row, str(error)))
    assert [(one.number, one.line, one.row, one.reason) for one in tally.rejects] == bad
    assert [json.loads(line) for line in lines.splitlines()] == good
    assert tally.rows == len(rows)
