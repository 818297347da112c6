"""Rows in memory: judged together as one by one, and read back as they were."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appcues_async import InvalidInput
from appcues_async.bulk.reading.encoder import Batch, Columns, Encoder, Shape
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.rows.column_checks import judged
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.wire.codec import encode

KINDS = {"profiles": PROFILES, "events": EVENTS, "user ids": USER_IDS}
AWARE = datetime(2026, 7, 14, 12, 34, 56, 789, tzinfo=timezone(timedelta(hours=2)))

VALUE: Any = (
    st.text(max_size=5)
    | st.sampled_from(
        ["007", " ", "\x00", "\ud800", "2026-07-14T12:34:56Z", "appcues:x", "n" * 128]
    )
    | st.integers()
    | st.sampled_from([1 << 70, 1 << 1024, -(1 << 1024)])
    | st.floats()
    | st.booleans()
    | st.none()
    | st.sampled_from([AWARE, AWARE.replace(tzinfo=None), date(2026, 7, 14), Decimal(1), b"x", 1j])
    | st.lists(st.integers(), max_size=1)
)
NAME: Any = st.sampled_from(["user_id", "userId", "name", "timestamp", "attributes", "plan", ""])
NESTED = st.dictionaries(st.sampled_from(["a", "b", "", 7]), VALUE, max_size=2)
ROW = st.dictionaries(NAME | st.sampled_from([7, None]), VALUE | NESTED, max_size=5)
GOOD = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u-1", "ü 2", "007"]),
        "name": st.sampled_from(["Paid", "Left", "n" * 127]),
        "timestamp": st.sampled_from(
            ["2026-07-14T12:34:56Z", "2026-07-14T12:34:56.7+02:00", AWARE]
        ),
    },
    optional={"plan": VALUE, "attributes": NESTED | st.none()},
)


def one_by_one(rows: Sequence[Any], kind: Kind) -> list[Any]:
    good = []
    for row in rows:
        with contextlib.suppress(InvalidInput):
            good.append(kind.check(row, "the row"))
    return good


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(
    rows=st.lists(ROW | GOOD | VALUE, min_size=1, max_size=6)
    | st.lists(GOOD, min_size=1, max_size=6)
)
@example(rows=[{"user_id": "1", "score": 1e308}, {"user_id": "2", "score": 1e308}])
@example(rows=[{"user_id": "1", "score": float("inf")}, {"user_id": "2", "score": float("-inf")}])
@example(rows=[{"user_id": "1"}, {"user_id": ""}])
def test_a_batch_is_encoded_as_its_rows_are_one_by_one(kind: Kind, rows: list[Any]) -> None:
    tally = RowCounter()
    block, numbers = Encoder(kind, "full", "the rows", tally).encode(Batch(rows))
    good = one_by_one(rows, kind)
    assert [json.loads(line) for line in block.splitlines()] == [
        json.loads(encode(row)) for row in good
    ]
    assert len(numbers) == len(good)
    assert (tally.rejected, tally.rows) == (len(rows) - len(good), len(rows))


PLAIN: dict[str, tuple[Kind, list[Any]]] = {
    "profiles": (
        PROFILES,
        [{"user_id": "1", "plan": "pro", "seats": 3, "share": 0.5, "ok": True, "none": None}] * 3,
    ),
    "some with more names": (PROFILES, [{"user_id": "1"}, {"user_id": "2", "plan": "pro"}]),
    "columns of several types": (PROFILES, [{"user_id": "1", "a": 1}, {"user_id": "2", "a": "x"}]),
    "moments": (PROFILES, [{"user_id": "1", "at": AWARE}, {"user_id": "2", "at": None}]),
    "events": (EVENTS, [{"user_id": "1", "name": "Paid", "timestamp": "2026-07-14T12:34:56Z"}] * 2),
    "events of a database": (
        EVENTS,
        [
            {
                "user_id": "1",
                "name": "Paid",
                "timestamp": datetime.now(UTC),
                "attributes": {"a": 1.5},
            }
        ],
    ),
    "ids": (USER_IDS, ["1", "ü 2", "007"]),
}


@pytest.mark.parametrize("kind", [PROFILES, EVENTS], ids=["profiles", "events"])
@given(
    columns=st.dictionaries(
        NAME | st.sampled_from(['"', "\\", "\n", "ü"]),
        st.lists(VALUE, min_size=3, max_size=3),
        min_size=1,
    ),
    good=st.booleans(),
    time=st.sampled_from(["2026-07-14T12:34:56Z", AWARE, AWARE.replace(tzinfo=None), None]),
)
def test_columns_are_encoded_as_their_rows_are_one_by_one(
    kind: Kind, columns: dict[str, list[Any]], good: bool, time: Any
) -> None:
    if good:
        columns |= {"user_id": ["1", "2", "3"], "name": ["Paid"] * 3, "timestamp": [time] * 3}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    with contextlib.suppress(ValueError):
        batch = Columns(Shape(list(columns)), list(columns.values()), 1)
        assert list(map(repr, batch.rows)) == list(map(repr, rows))
        block, numbers = Encoder(kind, "full", "the frame", RowCounter()).encode(batch)
        taken = one_by_one(rows, kind)
        assert [json.loads(line) for line in block.splitlines()] == [
            json.loads(encode(row)) for row in taken
        ]
        assert len(numbers) == len(taken)


@pytest.mark.parametrize(("kind", "rows"), PLAIN.values(), ids=PLAIN)
def test_ordinary_rows_need_no_closer_look(kind: Kind, rows: list[Any]) -> None:
    assert judged(rows, kind) is not None
