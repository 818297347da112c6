"""Options of runs."""

from __future__ import annotations

from typing import Any

import pytest

from appcues_async import (
    AppcuesClient,
    InvalidInput,
)
from appcues_async.sandbox import Sandbox
from tests.bulk.profiles import CSV


@pytest.mark.parametrize(("check", "rejected"), [("full", ["no id", "nested"]), ("none", [])])
async def test_check_says_how_much_of_a_row_is_looked_at(
    client: AppcuesClient, check: Any, rejected: list[str]
) -> None:
    data = b'{"user_id":"1","a":1}\n{"x":"no id"}\n{"user_id":"2","x":"nested","b":{}}\n'
    report = await client.bulk.import_profiles(data, check=check, on_failure="report")
    assert [one.row["x"] for one in report.rejects] == rejected


async def test_types_are_inferred_where_that_loses_nothing(
    sandbox: Sandbox, client: AppcuesClient
) -> None:
    data = b"user_id,a,b,c,d,e,f\n007,7,1.5,true,null,1.50,\n1e5,8,2,false,\\N,x,-2\n"
    report = await client.bulk.import_profiles(data, types="infer")
    assert report.ok
    assert sandbox.profiles == {
        "007": {"a": 7, "b": 1.5, "c": True, "d": "null", "e": "1.50"},
        "1e5": {"a": 8, "b": 2, "c": False, "d": None, "e": "x", "f": -2},
    }


async def test_without_it_cells_stay_text(sandbox: Sandbox, client: AppcuesClient) -> None:
    await client.bulk.import_profiles(b"user_id,a\n007,7\n")
    assert sandbox.profiles == {"007": {"a": "7"}}


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"check": "some"}, "check is 'some'"),
        ({"chunk_bytes": 200_000_001}, "chunk_bytes"),
        ({"concurrency": 0}, "concurrency"),
        ({"on_failure": "ignore"}, "on_failure"),
        ({"types": "guess"}, "types"),
    ],
)
async def test_an_option_that_is_malformed_is_refused_at_once(
    client: AppcuesClient, options: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        client.bulk.import_profiles(CSV, **options)


async def test_an_option_that_does_not_exist_is_named_with_the_one_that_was_meant(
    client: AppcuesClient,
) -> None:
    wrong: dict[str, Any] = {"chunk_byte": 10}
    with pytest.raises(TypeError, match=r"import_events\(\).*'chunk_byte'.*'chunk_bytes'"):
        client.bulk.import_events(CSV, **wrong)
    with pytest.raises(TypeError, match=r"'zzz'; it takes .*concurrency, chunk_bytes"):
        client.bulk.add_user_ids("1", CSV, zzz=1)  # type: ignore[call-arg]
