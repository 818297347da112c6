"""Cells of a CSV as the values that they look like."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appcues_async import AppcuesClient, InvalidInput
from appcues_async.bulk.reading.blocks import ByteLayout
from appcues_async.bulk.reading.encoder import Encoder
from appcues_async.bulk.reading.infer import batches_of_csv, type_of
from appcues_async.bulk.reading.inputs import MemoryFeed
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.kinds import EVENTS, PROFILES, Kind
from appcues_async.rows.verdict import without_subject
from appcues_async.sandbox import Sandbox


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["1", "-20", "0.5", "", "123456789012345", "1.0"], "number"),
        (["true", "false"], "boolean"),
        (["True", "", "False", "\\N"], "boolean"),
        (["", "\\N"], "text"),
        ([], "text"),
        *(
            ([cell, "1"], "text")
            for cell in ("007", "+7", "-0", "1e5", "1.10", "0x1", "Null", "nan")
        ),
        *(([cell], "text") for cell in ("123456789012345678", "9.90", "1033501218.1368477899")),
        *(([cell, "true"], "text") for cell in ("True", "null", "yes", "1")),
    ],
)
def test_a_column_has_the_type_that_all_of_its_cells_come_back_from(
    cells: list[str], name: str
) -> None:
    assert type_of(cells)[0] == name


@given(st.text("-0123456789.", min_size=1, max_size=20))
def test_a_number_comes_back_as_it_was(cell: str) -> None:
    name, convert = type_of([cell])
    assert name == "text" or json.dumps(convert(cell)) == cell


async def test_a_cell_of_another_type_than_the_first_block_is_rejected(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    data = b"user_id,zip\n" + b"0,90210\n" * 80_000 + b"1,12345-6789\n2,02139\n3,1\n"
    report = await client.bulk.import_profiles(data, types="infer", on_failure="report")
    assert [one.row for one in report.rejects] == [
        {"user_id": "1", "zip": "12345-6789"},
        {"user_id": "2", "zip": "02139"},
    ]
    assert "zip is '12345-6789', and the first rows have numbers there" in (
        report.rejects[0].reason
    )
    assert sandbox.profiles["3"] == {"zip": 1}


async def test_a_row_that_cannot_be_read_has_its_reason_and_all_that_there_is_of_it(
    client: AppcuesClient,
) -> None:
    data = b'user_id,plan\n1,pro,blue\n2,\xff\n3,"pro\n4,pro\n'
    # As in a file whose beginning does not show it.
    data = data.replace(b"\n1,", b"\n" + b"0,pro\n" * 200_000 + b"1,")
    report = await client.bulk.import_profiles(data, types="infer", on_failure="report")
    assert report.accepted == 200_001
    cells, encoding, quote = report.rejects
    assert cells.reason.startswith("the row has 3 cells, and the header 2")
    assert cells.row == ["1", "pro", "blue"]
    assert "not UTF-8 at byte 2" in encoding.reason
    assert "never closed" in quote.reason
    assert quote.row == '3,"pro'
    assert [one.line for one in report.rejects] == [200_002, 200_003, 200_004]


async def test_columns_without_a_name_make_no_attribute(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    report = await client.bulk.import_profiles(b",user_id,,plan,\n,1,,7,\n,2,,8,\n")
    assert report.ok
    assert sandbox.profiles == {"1": {"plan": "7"}, "2": {"plan": "8"}}


CELL = st.sampled_from(
    ["", " ", "u-1", " u-2 ", "007", "7", "-1.5", "1e5", "true", "null", "é", '"', "a,b", "user_id"]
)


@pytest.mark.parametrize("kind", [PROFILES, EVENTS], ids=["profiles", "events"])
@pytest.mark.parametrize("more", ["plan", 'a "plan"', ""], ids=["a name", "quotes", "no name"])
@pytest.mark.parametrize("infer", [True, False])
@given(rows=st.lists(st.lists(CELL, min_size=4, max_size=4), min_size=1, max_size=8))
def test_columns_of_cells_are_encoded_as_their_rows_are(
    kind: Kind, more: str, infer: bool, rows: list[list[str]]
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
    batches = batches_of_csv(feed, layout, kind, infer=infer)
    lines = b"".join(encoder.encode(batch)[0] for batch in batches)
    as_text = {"user_id", *(("name", "timestamp") if kind is EVENTS else ())}
    types = [type_of(column)[1] for column in zip(*rows, strict=True)]
    judge, good, bad = CsvJudge(kind, "full", header), [], []
    for number, cells in enumerate(rows):
        try:
            row = judge.row_of(cells)
            for name, convert in zip(header, types, strict=True):
                if infer and name in row and name not in as_text:
                    row[name] = convert(row[name])
            good.append(kind.check(row, "the row"))
        except InvalidInput as error:
            bad.append((number + 1, number + 2, without_subject(str(error))))
    assert [(one.number, one.line, one.reason) for one in tally.rejects] == bad
    assert [json.loads(line) for line in lines.splitlines()] == good
    assert tally.rows == len(rows)
