"""A rejected row that is written down and read back is rejected again, or is what it was."""

from __future__ import annotations

import json
import math
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given

from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.lines import encode_lines, json_form
from tests.rows.test_attributes import VALUES, same

EVENT = {"user_id": "7", "name": "Paid", "timestamp": "2026-07-14T12:34:56Z"}

UNWRITABLE: list[Any] = [
    math.nan, math.inf, b"abc", timedelta(days=1), time(1), datetime(2026, 1, 1), object(), 2**53 + 1,
    {1, 2}, "caf\udce9",
]  # fmt: skip


@pytest.mark.parametrize("value", UNWRITABLE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("kind", [PROFILES, EVENTS, USER_IDS], ids=lambda kind: kind.name)
def test_what_json_cannot_hold_is_rejected_again_when_it_is_read_back(
    value: Any, kind: Kind
) -> None:
    row = value if kind is USER_IDS else {**EVENT, "attributes": {"v": value}}
    (written,) = json.loads("[" + encode_lines([json_form(row)]).decode().strip() + "]")
    with pytest.raises(InvalidInput):
        kind.check(written, "the row")


@given(VALUES)
def test_what_is_read_back_is_what_was_written_or_no_row(value: Any) -> None:
    form = json_form({"user_id": "7", "v": value})
    read = json.loads(encode_lines([form]))
    assert same(form, read)
    assert set(form) in ({"user_id", "v"}, {"python"})
