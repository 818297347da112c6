"""A frame is sent as its user sees it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from appcues_async.errors import InvalidInput
from appcues_async.rows.frames import slices_of_frame
from appcues_async.rows.kinds import PROFILES, USER_IDS, Kind
from appcues_async.rows.values import Unreadable


def rows_of(frame: Any, kind: Kind = PROFILES, size: int = 2) -> list[dict[str, Any]]:
    names, slices = slices_of_frame(frame, kind, size)
    return [
        dict(zip(names, row, strict=True))
        for some in slices
        for row in zip(*some.columns, strict=True)
    ]


FRAME = pd.DataFrame({"user_id": list("abc"), "plan": ["pro", "free", "pro"]})


@pytest.mark.parametrize(
    "frame",
    [
        FRAME[FRAME.plan == "pro"],
        FRAME.sample(frac=1, random_state=1),
        pd.concat([FRAME, FRAME]),
        FRAME.set_index(pd.to_datetime(["2026-01-01"] * 3, utc=True)),
        FRAME.set_index([pd.Index([1, 2, 3]), pd.Index([4, 5, 6])]),
    ],
)
def test_an_index_without_a_name_is_no_column(frame: Any) -> None:
    assert {name for row in rows_of(frame) for name in row} == {"user_id", "plan"}


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.set_index("user_id"),
        FRAME.set_index("user_id", drop=False),
        FRAME.set_index(["user_id", pd.Index([1, 2, 3])]),
        pd.DataFrame({"plan": ["pro", "free", "pro"]}, index=pd.Index(list("abc"), name="user_id")),
    ],
)
def test_an_index_with_a_name_is_a_column(frame: Any) -> None:
    assert [(row["user_id"], row["plan"]) for row in rows_of(frame)] == [
        ("a", "pro"),
        ("b", "free"),
        ("c", "pro"),
    ]


def test_a_range_with_a_name_is_a_column_too() -> None:
    frame = pd.DataFrame({"plan": ["pro"]}, index=pd.RangeIndex(7, 8, name="user_id"))
    assert rows_of(frame) == [{"plan": "pro", "user_id": 7}]


@pytest.mark.parametrize(
    "values",
    [
        ["n/a", 1, 1.5],
        [True, "x", None],
        [Decimal("1.10"), Decimal("1.125"), 7],
        [uuid.UUID(int=1), "x", None],
    ],
)
def test_a_column_of_many_types_holds_what_is_seen(values: list[Any]) -> None:
    column = pd.Series(values, dtype=object)
    rows = rows_of(pd.DataFrame({"user_id": list("abc"), "x": column}))
    assert [(row["x"], type(row["x"])) for row in rows] == [(one, type(one)) for one in values]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_what_is_missing_is_a_null(missing: Any) -> None:
    column = pd.Series(["x", missing], dtype=object)
    assert rows_of(pd.DataFrame({"user_id": ["a", "b"], "x": column}))[1]["x"] is None


@pytest.mark.parametrize(
    ("column", "first"),
    [
        (pd.Series(["x", "y"], dtype="category"), "x"),
        (pd.Series([1, "y"], dtype="category"), 1),
        (pd.Series([1, None], dtype="Int64"), 1),
        (pd.Series([True, None], dtype="boolean"), True),
        (pd.Series(["x", None], dtype="string"), "x"),
        (pd.Series([1.5, np.nan]), 1.5),
        (pd.Series(pd.arrays.SparseArray([1, 0])), 1),
        (
            pd.Series(pd.to_datetime(["2026-01-01", None], utc=True)),
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_columns_of_pandas_own_types_hold_what_is_seen(column: Any, first: Any) -> None:
    row = rows_of(pd.DataFrame({"user_id": ["a", "b"], "x": column}))[0]
    assert row["x"] == first


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1j]),
        pd.Series(pd.period_range("2026-01", periods=1, freq="M")),
        pd.Series(pd.interval_range(0, 1)),
    ],
)
def test_a_column_without_a_form_in_json_is_refused_by_name(column: Any) -> None:
    with pytest.raises(InvalidInput, match="the column 'x' is of the type"):
        rows_of(pd.DataFrame({"user_id": ["a"], "x": column}))


def test_an_extension_type_that_nobody_knows_is_refused_by_name() -> None:
    kind = pa.fixed_shape_tensor(pa.int32(), [2])
    storage = pa.array([[1, 2]], pa.list_(pa.int32(), 2))
    column = pa.ExtensionArray.from_storage(kind, storage)
    with pytest.raises(InvalidInput, match="the column 'x' is of the type"):
        rows_of(pa.table({"user_id": ["a"], "x": column}))


def test_a_map_is_a_mapping() -> None:
    column = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    assert rows_of(pa.table({"user_id": ["a"], "x": column}))[0]["x"] == {"a": 1}


@pytest.mark.parametrize(
    "frame",
    [
        pa.table(
            {
                "user_id": ["1", "2"],
                "until": pa.array([253402300799000000, 0], pa.timestamp("us", "Asia/Tokyo")),
            }
        ),
        pl.DataFrame(
            {"user_id": ["1", "2"], "until": pl.Series([4000000, 0], dtype=pl.Int32).cast(pl.Date)}
        ),
    ],
)
def test_a_time_that_python_cannot_hold_takes_no_other_rows_along(frame: Any) -> None:
    first, second = rows_of(frame)
    assert isinstance(first["until"], Unreadable)
    assert second["until"].year == 1970


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (pd.DataFrame([["1", "a", "b"]], columns=["user_id", "x", "x"]), "two columns named 'x'"),
        (pl.DataFrame({"user_id": ["1"], "userId": ["1"]}), "two columns of ids"),
        (pd.DataFrame({"user_id": ["1"], 0: ["x"]}), "a column named 0"),
        (pl.DataFrame({"plan": ["x"]}), "no user_id or userId"),
    ],
)
def test_a_frame_that_nobody_could_read_is_refused(frame: Any, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        rows_of(frame)


@pytest.mark.parametrize(
    "ids", [pd.Series(["a", 1], dtype=object), pd.Series(["a", "b"]), pl.Series(["a"])]
)
def test_a_column_by_itself_is_a_list_of_ids(ids: Any) -> None:
    names, slices = slices_of_frame(ids, USER_IDS, 5)
    assert [list(one.columns[0]) for one in slices] == [ids.to_list()]
    assert names == ["user_id"]
