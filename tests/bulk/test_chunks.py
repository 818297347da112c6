"""Files, cut: everything comes out again, in parts that begin and end where rows do."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appcues_async.bulk.chunks import Chunk, ChunkBuilder, draw
from appcues_async.bulk.reading.blocks import read_blocks
from appcues_async.bulk.reading.inputs import StreamFeed
from appcues_async.bulk.reading.prepare import prepare
from appcues_async.bulk.reading.prepared import PreparedSource, Reading
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.rows import csv_judge
from appcues_async.rows.kinds import PROFILES
from appcues_async.rows.verdict import Check
from appcues_async.wire.request import FilePieces
from tests.bulk.bodies import content

CELL = st.text(
    st.sampled_from('ab,"\n\r ;é€𝄞')
    | st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
    max_size=12,
).filter(lambda text: text.replace("\r", "") != csv_judge.NULL)  # which is no text, and rejected
ID = st.text(st.sampled_from("abc07-é"), min_size=1, max_size=8)
TABLE = st.lists(st.tuples(ID, CELL, CELL), min_size=1, max_size=60)
LIMIT = st.integers(200, 2_000)
CHECKS: list[Check] = ["full", "none"]


def written(rows: Sequence[tuple[str, ...]], ending: str, quoting: Any, last: bool) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=ending, quoting=quoting)
    writer.writerows(rows)
    text = file.getvalue()
    return (text if last else text.removesuffix(ending)).encode()


def parsed(text: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text.decode(), newline="")) if row]


def source_of(path: Path, data: bytes, form: str, check: Check) -> PreparedSource:
    stop = threading.Event()
    given: Any = data if form == "memory" else path
    prepared = prepare(given, Reading(PROFILES, check), 2_000, stop)
    if form == "a stream":
        prepared = evolve(prepared, path=None, feed=StreamFeed(io.BytesIO(data), "stream", stop))
    return prepared.opened(stop)


def chunks_of(source: PreparedSource, limit: int, check: Check, counter: RowCounter) -> list[Chunk]:
    """Cuts a source where the row counts of all chunks differ, as far as they can."""
    feed, layout = source.feed, source.layout
    assert feed is not None
    assert layout is not None
    judge = Reading(PROFILES, check).judge(layout)
    builder, chunks = ChunkBuilder(source, limit), list[Chunk]()
    taken: set[int] = set()

    def cut(most: int, remainder: bool) -> None:
        rows = draw(most, taken, remainder=remainder) or most
        chunks.append(builder.chunk(rows))
        builder.drop(rows)
        taken.add(rows)

    for block in read_blocks(feed, layout, judge, limit - len(source.head), counter):
        builder.add(block)
        while builder.is_full:
            cut(builder.most(), False)
    while builder.rows:
        cut(builder.rows, True)
    feed.close()
    return chunks


@pytest.fixture(autouse=True, params=[True, False], ids=["with pyarrow", "without"])
def arrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(csv_judge, "arrow_reader", lambda: None)


FORMS = ["a file", "memory", "a stream"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("check", CHECKS)
@settings(suppress_health_check=list(HealthCheck))
@given(
    table=TABLE,
    limit=LIMIT,
    ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    last=st.booleans(),
    mark=st.booleans(),
)
def test_all_rows_of_a_csv_come_out_of_its_chunks(
    form: str,
    check: Check,
    table: list[tuple[str, str, str]],
    limit: int,
    ending: str,
    quoting: Any,
    last: bool,
    mark: bool,
) -> None:
    if ending == "\n" and quoting == csv.QUOTE_MINIMAL:
        # Python 3.11 writes such a cell without the quotes that it needs.
        table = [(one, two.replace("\r", ""), three.replace("\r", "")) for one, two, three in table]
    rows = [("user_id", "first", "second"), *table]
    data = (b"\xef\xbb\xbf" if mark else b"") + written(rows, ending, quoting, last)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.csv"
        path.write_bytes(data)
        counter = RowCounter()
        chunks = chunks_of(source_of(path, data, form, check), limit, check, counter)
        texts = [content(chunk.body) for chunk in chunks]
    found = []
    for chunk, text in zip(chunks, texts, strict=True):
        header, *some = parsed(text)
        assert header == ["user_id", "first", "second"]
        assert len(text) == chunk.body.size <= limit
        assert chunk.rows == len(some) == chunk.last - chunk.first + 1
        found += some
    assert found == parsed(data.removeprefix(b"\xef\xbb\xbf"))[1:]
    assert (counter.rows, counter.rejected) == (len(table), 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("check", CHECKS)
@settings(suppress_health_check=list(HealthCheck))
@given(
    values=st.lists(
        CELL | st.integers(-(2**53), 2**53) | st.none() | st.booleans(), min_size=1, max_size=60
    ),
    limit=LIMIT,
    ending=st.sampled_from(["\n", "\r\n", "\n\n"]),
    ascii_only=st.booleans(),
)
def test_all_rows_of_ndjson_come_out_of_its_chunks(
    form: str,
    check: Check,
    values: list[Any],
    limit: int,
    ending: str,
    ascii_only: bool,
) -> None:
    rows = [{"user_id": str(number), "value": value} for number, value in enumerate(values)]
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    data = (ending.join(lines) + ending).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.ndjson"
        path.write_bytes(data)
        counter = RowCounter()
        chunks = chunks_of(source_of(path, data, form, check), limit, check, counter)
        texts = [content(chunk.body) for chunk in chunks]
    found = []
    for chunk, text in zip(chunks, texts, strict=True):
        some = [json.loads(line) for line in text.splitlines() if line.strip()]
        assert len(text) <= limit
        assert chunk.rows == len(some)
        found += some
    assert found == rows
    assert (counter.rows, counter.rejected) == (len(rows), 0)


def test_a_row_over_the_limit_is_a_rejected_row_and_the_others_go(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    long = "x\n" * 2_000
    path.write_text(f'user_id,note\n1,a\n2,"{long}"\n3,b\n')
    counter = RowCounter()
    chunks = chunks_of(source_of(path, b"", "a file", "full"), 500, "full", counter)
    assert [content(chunk.body) for chunk in chunks] == [b"user_id,note\n1,a\n3,b\n"]
    (reject,) = counter.rejects
    assert (reject.number, reject.line) == (2, 3)
    assert "at most 487 fit" in reject.reason


def test_bad_rows_leave_holes_in_the_byte_ranges_and_nothing_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "users.ndjson"
    path.write_bytes(b'{"user_id": "1"}\n{"user_id": []}\nnonsense\n{"user_id": "4"}\n')
    counter = RowCounter()
    (chunk,) = chunks_of(source_of(path, b"", "a file", "full"), 1_000_000, "full", counter)
    assert isinstance(chunk.body, FilePieces)
    assert list(chunk.body.pieces) == [(0, 17), (42, 17)]
    assert (chunk.first, chunk.last, chunk.rows) == (1, 4, 2)
    assert [(one.number, one.line, one.row) for one in counter.rejects] == [
        (2, 2, {"user_id": []}),
        (3, 3, "nonsense"),
    ]
