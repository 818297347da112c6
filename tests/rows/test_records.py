"""Rows as databases and programs hand them out."""

from __future__ import annotations

import sqlite3
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pandas as pd
import pytest
from attrs import define
from pydantic import BaseModel, ConfigDict

from appcues_async.rows.records import as_dicts, own_copy

ROW = {"user_id": "7", "plan": "pro"}


@define
class Attrs:
    user_id: str
    plan: str


@dataclass
class Data:
    user_id: str
    plan: str


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")
    user_id: str


class Struct(msgspec.Struct, rename={"user": "user_id"}):
    user: str
    plan: str
    seats: int | msgspec.UnsetType = msgspec.UNSET


class Named(NamedTuple):
    user_id: str
    plan: str


class Record:
    """A row of asyncpg: names, and values by name or place, and no mapping."""

    def keys(self) -> Iterator[str]:
        return iter(ROW)

    def __getitem__(self, key: str | int) -> str:
        return list(ROW.values())[key] if isinstance(key, int) else ROW[key]


class OrmRow:
    """A row of SQLAlchemy: by place, as a tuple is, with its mapping apart."""

    @property
    def _mapping(self) -> Mapping[str, str]:
        return MappingProxyType(ROW)

    _fields = ("user_id", "plan")


def sqlite_row(query: str = "select '7' as user_id, 'pro' as plan") -> Any:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    try:
        return database.execute(query).fetchone()
    finally:
        database.close()


ROWS: list[Callable[[], Any]] = [
    lambda: dict(ROW),
    lambda: MappingProxyType(ROW),
    lambda: UserDict(ROW),
    lambda: Attrs("7", "pro"),
    lambda: Data("7", "pro"),
    lambda: Model.model_validate(ROW),
    lambda: Struct("7", "pro"),
    lambda: Named("7", "pro"),
    lambda: next(pd.DataFrame([ROW]).itertuples()),
    Record,
    OrmRow,
    sqlite_row,
]


@pytest.mark.parametrize("make", ROWS)
def test_a_row_is_what_its_names_and_values_are(make: Callable[[], Any]) -> None:
    assert as_dicts([make()]) == [ROW]
    assert own_copy(make()) == ROW


@pytest.mark.parametrize("row", ["7", 7, ("7", "pro"), ["7", "pro"], None, b"7", object()])
def test_what_has_no_names_stays_what_it_is(row: Any) -> None:
    assert as_dicts([row]) == [row]
    assert own_copy(row) is row


def test_a_row_with_two_columns_of_one_name_is_no_row() -> None:
    row = sqlite_row("select '7' as user_id, '8' as user_id")
    assert as_dicts([row]) == [row]
    assert own_copy(row) is row


def test_a_copy_has_its_own_values_however_deeply_they_are_nested() -> None:
    row: dict[str, Any] = {"user_id": "7", "attributes": {"cart": [{"sku": "a"}]}}
    copied = own_copy(row)
    row["attributes"]["cart"][0]["sku"] = "b"
    row["user_id"] = "8"
    assert copied == {"user_id": "7", "attributes": {"cart": [{"sku": "a"}]}}


def test_a_row_that_holds_itself_is_copied_as_far_as_anybody_nests() -> None:
    row: dict[str, Any] = {"user_id": "7"}
    row["self"] = row
    assert own_copy(row)["user_id"] == "7"
