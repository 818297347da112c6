"""The same value gets the same verdict, and arrives as the same, whatever it comes in."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from threading import Event
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appcues_async.bulk.reading.encoder import Batch, Encoder
from appcues_async.bulk.reading.frames import batches_of_frame
from appcues_async.bulk.reading.infer import batches_of_csv
from appcues_async.bulk.reading.prepare import prepare
from appcues_async.bulk.reading.prepared import Reading
from appcues_async.bulk.reading.reader import SourceReader
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.errors import InvalidInput
from appcues_async.rows.dialect import dialect_of
from appcues_async.rows.kinds import EVENTS, PROFILES, USER_IDS, Kind
from appcues_async.rows.sources import body_of
from appcues_async.wire.request import Blocks

REFUSED = "refused"
GOOD = {"user_id": "good", "x": "good"}


def bulk(source: Any, kind: Kind) -> list[Any] | str:
    """What a bulk run sends of a source, as JSON or cells; REFUSED if a row of it is rejected."""

    async def read() -> list[bytes]:
        reader = SourceReader(Reading(kind), counter)
        async with reader.opened(source, 8_000_000) as opened:
            return [bytes(one.data) async for one in reader.read(opened, 8_000_000)]  # type: ignore[arg-type]

    counter = RowCounter()
    try:
        blocks = asyncio.run(read())
    except InvalidInput:
        return REFUSED
    return REFUSED if counter.rejected else parsed(b"".join(blocks))


def single(source: Any, kind: Kind) -> list[Any] | str:
    """What a single upload sends of a source."""
    try:
        body = asyncio.run(body_of(source, kind))
    except InvalidInput:
        return REFUSED
    assert isinstance(body, Blocks)
    return parsed(b"".join(body.blocks))


def parsed(data: bytes) -> list[Any]:
    """Lines of JSON as values; those of CSV as they are."""
    lines = data.decode().split("\n")
    try:
        return [json.loads(line) for line in lines if line]
    except ValueError:
        return lines


def ndjson(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table(rows: list[dict[str, str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([rows[0].keys(), *(row.values() for row in rows)])
    return file.getvalue().encode()


SENDERS: list[Callable[[Any, Kind], Any]] = [bulk, single]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(2**53 - 2, 2**53 + 2) | st.floats()
    | st.text(max_size=5) | st.sampled_from(["\ud83d", "2026-07-14", "nan", "\x00"])
)  # fmt: skip
NESTED = st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)


@settings(max_examples=25, deadline=None)
@given(value=SCALARS | NESTED, beside=st.sampled_from([0, 3]))
@pytest.mark.parametrize("send", SENDERS)
def test_an_attribute_is_taken_or_refused_in_rows_lines_and_frames_alike(
    send: Callable[[Any, Kind], Any], value: Any, beside: int
) -> None:
    row = {"user_id": "1", "x": value}
    rows = [GOOD] * beside + [row]
    verdict = send(rows, PROFILES)
    assert send(ndjson(rows), PROFILES) == verdict
    assert bulk(rows, PROFILES) == single(rows, PROFILES)
    if isinstance(value, float | bool | str) and value != "\ud83d":
        assert send(pl.DataFrame([row]), PROFILES) == send([row], PROFILES)


IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["nan", "None", "\\N", "1.0", "1.5E+7", "007", " 1", "1\u200b", "é", "user_id", "\ufeff1", '"']
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(one=IDS)
@example(one='""')
@pytest.mark.parametrize("send", SENDERS)
def test_an_id_is_taken_or_refused_in_rows_lines_cells_and_frames_alike(
    send: Callable[[Any, Kind], Any], one: str
) -> None:
    row = {"user_id": one, "x": "y"}
    taken = send([row], PROFILES) != REFUSED
    assert (send(ndjson([row]), PROFILES) != REFUSED) == taken
    assert (send(table([row]), PROFILES) != REFUSED) == taken
    assert (send(pl.DataFrame([row]), PROFILES) != REFUSED) == taken
    assert (send([one], USER_IDS) != REFUSED) == taken


@settings(max_examples=20, deadline=None)
@given(one=st.integers() | st.floats() | st.booleans() | st.none())
@pytest.mark.parametrize("send", SENDERS)
def test_an_id_that_is_no_text_is_the_same_in_rows_and_in_lines(
    send: Callable[[Any, Kind], Any], one: Any
) -> None:
    row = {"user_id": one, "x": "y"}
    verdict = send([row], PROFILES)
    assert send(ndjson([row]), PROFILES) == verdict
    if isinstance(one, int) and abs(one) < 2**63:
        assert send(pl.DataFrame([row]), PROFILES) == verdict


ODD_TIMES = [
    "2026-07-14T12:00:00+02:00", "2026-07-14", "", "0000-01-01T00:00:00Z", "2026-07-14T12:00Z ", "today",
]  # fmt: skip
MOMENTS = st.datetimes()
TIMES = (
    MOMENTS.map(str) | MOMENTS.map(lambda one: f"{one.isoformat()}Z") | st.sampled_from(ODD_TIMES)
)


@settings(max_examples=25, deadline=None)
@given(time=TIMES, name=st.sampled_from(["Paid", "", "appcues:x", "x" * 128, "é"]))
@pytest.mark.parametrize("send", SENDERS)
def test_an_event_is_taken_or_refused_in_rows_lines_and_cells_alike(
    send: Callable[[Any, Kind], Any], time: str, name: str
) -> None:
    row = {"user_id": "1", "name": name, "timestamp": time}
    verdict = send([row], EVENTS)
    assert send(ndjson([row]), EVENTS) == verdict
    assert (send(table([row]), EVENTS) != REFUSED) == (verdict != REFUSED)


# --- quotes and dialects -------------------------------------------------------------------------

CELLS = st.text(st.sampled_from('ab,;|\t"\r\n é€') | st.characters(codec="cp1252"), max_size=6)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-8-sig"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_cells_come_back_in_any_dialect(
    rows: list[tuple[str, str]], delimiter: str, encoding: str, quoting: Any
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
    writer.writerow(["Nr", "a", "b"])
    writer.writerows([str(number), *cells] for number, cells in enumerate(rows))
    data = file.getvalue().encode(encoding)
    dialect = dialect_of(delimiter, encoding, "Nr")
    source = prepare(data, Reading(PROFILES, dialect=dialect), 8_000_000, Event()).opened(Event())
    assert source.feed is not None
    assert source.layout is not None
    counter = RowCounter()
    encoder = Encoder(PROFILES, "full", "data", counter)
    batches = batches_of_csv(source.feed, source.layout, PROFILES, infer=False)
    blocks = b"".join(encoder.encode(batch)[0] for batch in batches)
    found = [json.loads(line) for line in blocks.split(b"\n") if line]
    assert not counter.rejected
    assert found == [
        {
            "user_id": str(number),
            **{name: cell for name, cell in zip("ab", cells, strict=True) if cell},
        }
        for number, cells in enumerate(rows)
    ]


def test_what_the_columns_take_the_row_check_takes() -> None:
    # The other way round, rows are only looked at more closely.
    frame = pl.DataFrame({"user_id": ["1", "2"], "x": ["a", None]})
    for batch in batches_of_frame(frame, PROFILES):
        assert batch.ready(PROFILES) is not None
        assert Batch(batch.rows).ready(PROFILES) is not None
