"""Cells of a CSV as the values that they look like."""

from __future__ import annotations

from typing import Any

import pytest

from appcues_async import AppcuesClient
from appcues_async.bulk.infer import inferred


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
