from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appcues_async.sync.difference import Counts, Difference
from appcues_async.sync.state import StateFile, Target

TARGET = Target("http://127.0.0.1:1", "acme", "profiles")
JOB = "a job"

IDS = st.sampled_from([f"u{number}" for number in range(12)] + ["é", "ß" * 40, "a'b"])
ROWS = st.lists(st.tuples(IDS, st.binary(min_size=8, max_size=8)), max_size=40)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFile]:
    opened = StateFile.open(tmp_path / "state.db", TARGET)
    yield opened
    opened.close()


def differ(
    state: StateFile, rows: Sequence[tuple[str, bytes]], *, at_once: int = 5, full: bool = False
) -> Difference:
    for table in ("changes", "gone"):
        state.db.execute(f"DROP TABLE IF EXISTS temp.{table}")
    difference = Difference(state, full=full)
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        difference.compare([one for one, _ in some], [digest for _, digest in some])
    difference.finish()
    return difference


def settle(state: StateFile, rows: Sequence[tuple[str, bytes]]) -> Difference:
    difference = differ(state, rows)
    difference.mark(gone=False)
    difference.close_gaps()
    difference.apply(1, difference.lines, job=JOB)
    return difference


def held(state: StateFile) -> dict[str, bytes | None]:
    return dict(state.db.execute("SELECT id, digest FROM rows"))


def row(number: int, digest: bytes = b"-" * 8) -> tuple[str, bytes]:
    return f"u{number}", digest


def test_rows_that_are_as_they_were_are_not_sent(state: StateFile) -> None:
    settle(state, [row(1), row(2)])

    again = differ(state, [row(2), row(1)])

    assert list(again.changed_ids()) == []
    assert again.counts == Counts(unchanged=2)


def test_what_is_new_or_differs_is_sent_in_the_order_of_the_source(state: StateFile) -> None:
    settle(state, [row(1), row(2), row(3)])

    again = differ(state, [row(4), row(3, b"other---"), row(2)])

    assert list(again.changed_ids()) == ["u4", "u3"]
    assert again.counts == Counts(added=1, changed=1, unchanged=1, gone=1)


def test_of_rows_with_one_id_the_last_counts(state: StateFile) -> None:
    rows = [row(1, b"first---"), *map(row, range(2, 9)), row(1, b"last----")]

    settle(state, rows)

    assert held(state)["u1"] == b"last----"
    assert differ(state, rows).counts == Counts(unchanged=8, duplicates=1)


def test_rows_with_one_id_are_not_sent_where_the_last_is_as_it_was(state: StateFile) -> None:
    settle(state, [row(1), row(2)])

    again = differ(state, [row(1, b"other---"), row(2), row(1)], at_once=1)

    assert again.counts == Counts(unchanged=2, duplicates=1)
    assert list(again.dead_lines()) == list(range(1, again.lines + 1))


def test_a_row_in_doubt_is_sent_whatever_it_holds(state: StateFile) -> None:
    settle(state, [row(1), row(2)])
    differ(state, [row(1, b"other---"), row(2)]).mark(gone=False)

    again = differ(state, [row(1), row(2)])

    assert list(again.changed_ids()) == ["u1"]
    assert again.counts == Counts(in_doubt=1, unchanged=1)


def test_those_who_are_gone_are_listed(state: StateFile) -> None:
    settle(state, [row(1), row(2), row(3)])

    again = differ(state, [row(2)])
    again.list_gone()

    assert list(again.gone_ids()) == ["u1", "u3"]


def test_one_who_was_removed_is_forgotten(state: StateFile) -> None:
    settle(state, [row(1), row(2), row(3)])
    again = differ(state, [row(2)])
    again.list_gone()
    again.mark(gone=True)
    assert held(state) == {"u1": None, "u2": b"-" * 8, "u3": None}

    again.remove(2, 2, job=JOB)

    assert held(state) == {"u1": None, "u2": b"-" * 8}


def numbered(*numbers: int, digest: bytes = b"-" * 8) -> list[tuple[str, bytes]]:
    return [(f"u{number:05}", digest) for number in numbers]


def looked_up(state: StateFile) -> list[str]:
    """The statements from now on that look up ids one by one."""
    statements: list[str] = []
    state.db.set_trace_callback(lambda one: statements.append(one) if "json_each" in one else None)
    return statements


def test_rows_in_the_order_of_ids_are_read_as_a_stretch(state: StateFile) -> None:
    settle(state, numbered(*range(0, 3_000, 2)))
    statements = looked_up(state)
    # One is new, one differs, some are gone.
    rows = numbered(*range(0, 1_000, 2), 1_001, *range(1_002, 2_400, 2))
    rows[700] = (rows[700][0], b"other---")

    again = differ(state, rows, at_once=1_000)
    again.list_gone()

    assert again.counts == Counts(added=1, changed=1, unchanged=1198, gone=301)
    assert list(again.changed_ids()) == ["u01001", rows[700][0]]
    assert list(again.gone_ids(2)) == ["u01000", "u02400"]
    assert statements == []


def test_rows_in_another_order_are_looked_up(state: StateFile) -> None:
    settle(state, numbered(*range(3_000)))
    statements = looked_up(state)
    far_apart = [number for first in range(100) for number in range(first, 3_000, 100)]

    again = differ(state, numbered(*far_apart), at_once=30)

    assert again.counts == Counts(unchanged=3_000)
    # To look for stretches is given up.
    assert len(statements) == 100


def test_full_sends_every_row(state: StateFile) -> None:
    settle(state, [row(1), row(2)])

    assert list(differ(state, [row(1), row(2)], full=True).changed_ids()) == ["u1", "u2"]


def test_a_mark_is_on_disk_before_anything_else_happens(state: StateFile) -> None:
    differ(state, [row(1)]).mark(gone=False)

    copy = state.path.with_name("copy.db")
    copy.write_bytes(state.path.read_bytes())
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT id, digest FROM rows").fetchall() == [("u1", None)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ROWS, doubtful=st.sets(IDS), rows=ROWS, at_once=st.integers(1, 9), full=st.booleans())
def test_the_difference_is_that_of_dicts(
    tmp_path: Path,
    before: list[tuple[str, bytes]],
    doubtful: set[str],
    rows: list[tuple[str, bytes]],
    at_once: int,
    full: bool,
) -> None:
    path = tmp_path / "state.db"
    path.unlink(missing_ok=True)
    state = StateFile.open(path, TARGET)
    settle(state, before)
    for row_id in doubtful:
        state.db.execute("UPDATE rows SET digest = NULL WHERE id = ?", (row_id,))
    known, now = held(state), dict(rows)

    difference = differ(state, rows, at_once=at_once, full=full)
    difference.list_gone()

    counts = difference.counts
    sent = {one for one in now if full or known.get(one) != now[one]}
    assert set(difference.changed_ids()) == sent
    assert counts.added == len(now.keys() - known.keys())
    assert counts.in_doubt == sum(one in known and known[one] is None for one in sent)
    assert counts.unchanged == len(now.keys() - sent)
    assert counts.duplicates == len(rows) - len(now)
    assert set(difference.gone_ids()) == known.keys() - now.keys()
    difference.mark(gone=True)
    difference.close_gaps()
    assert difference.lines == len(sent)
    difference.apply(1, max(1, difference.lines), job=JOB)
    difference.remove(1, counts.gone + 1, job=JOB)
    assert held(state) == now
    state.close()
