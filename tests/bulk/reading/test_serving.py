"""What the process that reads files answers, over the pipes that it is given."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appcues_async import InvalidInput
from appcues_async.bulk.reading.blocks import ByteLayout, GoodRows
from appcues_async.bulk.reading.reader import read_file
from appcues_async.bulk.reading.worker import Passed, Task, serve
from appcues_async.bulk.rejects import Reject
from appcues_async.rows.kinds import PROFILES

READY = b"appcues"


def answers(monkeypatch: pytest.MonkeyPatch, *tasks: Task) -> list[Any]:
    told = io.BytesIO()
    asked = io.BytesIO(b"".join(map(pickle.dumps, tasks)))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=asked))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=told))
    serve(read_file)
    assert told.getvalue().startswith(READY)
    told.seek(len(READY))
    found = []
    while told.tell() < len(told.getvalue()):
        found.append(pickle.load(told))
    return found


def task_of(path: Path) -> Task:
    return Task(str(path), PROFILES, "full", ByteLayout(0, 0, csv=False), 10_000)


def test_good_rows_rejected_ones_and_the_end_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "users.ndjson"
    path.write_bytes(b'{"user_id":"1"}\n{"user_id":true}\n{"user_id":"3"}\n')
    told = answers(monkeypatch, task_of(path), task_of(path))
    for part in (told[: len(told) // 2], told[len(told) // 2 :]):
        assert part[-1] is None
        assert sum(len(one.numbers) for one in part if isinstance(one, GoodRows)) == 2
        assert [one.number for one in part if isinstance(one, Reject)] == [2]
        assert sum(one.rows for one in part if isinstance(one, Passed)) == 3


def test_a_failure_is_told_and_the_next_file_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "users.ndjson"
    path.write_bytes(b'{"user_id":"1"}\n')
    failure, *told = answers(monkeypatch, task_of(tmp_path / "none.ndjson"), task_of(path))
    assert isinstance(failure, InvalidInput | OSError)
    assert told[-1] is None
